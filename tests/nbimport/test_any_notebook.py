"""Whatever stands in a notebook, and wherever: it is read and compiled, or refused by name."""

import json
import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from notebook_json import GOOD, OLD, with_cell

from nbimport.config import Config
from nbimport.errors import NotebookFormatError
from nbimport.machinery.compiler import compile_notebook, python_source
from nbimport.notebook import reader, syntax


@pytest.fixture(scope="module", autouse=True)
def _unlogged():
    """Let nbformat log nothing: workers of pytest can't pass on a log with half a character."""
    logger = logging.getLogger("traitlets")
    logger.disabled, before = True, logger.disabled
    yield
    logger.disabled = before


ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=6),
    st.sampled_from(["", "%time x", "x = (", "\ud800", "code", [], {}, [[]], {"a": None}, 10**30]),
)


def places(value, path=()):
    """Yield the path of everything in a JSON value."""
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from places(inner, (*path, position))


def mutated(value, path, change):
    """Return a JSON value with what is at a path replaced, or left out where `change` is None."""
    if not path:
        return change[0] if change else {}
    copy = value.copy()
    if change or len(path) > 1:
        copy[path[0]] = mutated(value[path[0]], path[1:], change)
    else:
        del copy[path[0]]
    return copy


def outcome_is_clear(data):
    """Compile what bytes hold, as an import would; let only the promised errors pass."""
    message, filename = "/folder/x.ipynb: ", "/folder/x.ipynb cell "
    try:
        notebook = reader.read(data, "/folder/x.ipynb")
        for only in None, "definitions":
            compile_notebook(notebook, Config(), only, ())
            python_source(notebook, Config(), only)
    except NotebookFormatError as error:
        message = str(error)
    except SyntaxError as error:
        filename = error.filename
    assert message.startswith("/folder/x.ipynb: ")
    assert filename.startswith("/folder/x.ipynb cell ")


FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@FUZZ
@given(st.sampled_from([GOOD, OLD]), st.data())
def test_a_notebook_with_anything_anywhere_is_read_or_refused(good, data):
    path = data.draw(st.sampled_from(list(places(good))))
    change = data.draw(st.one_of(st.none(), ATOMS.map(lambda atom: [atom])))
    raw = mutated(good, path, change)
    outcome_is_clear(json.dumps(raw).encode())


@FUZZ
@given(st.data())
def test_a_notebook_with_any_bytes_changed_is_read_or_refused(data):
    raw = bytearray(json.dumps(GOOD).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(raw)))
        end = data.draw(st.integers(start, min(len(raw), start + 8)))
        raw[start:end] = data.draw(st.binary(max_size=8))
    outcome_is_clear(bytes(raw))


PIECES = st.sampled_from(
    [
        *"\n\n\n\t ()[]{}'\"\\%!?#;,/=:@",
        *("%%", "%time ", "%%capture o\n", "%%timeit ", "!ls", "x", "1", " = ", "if x:\n    "),
        *("    ", "'''", 'f"', "In [1]: ", ">>> ", "...", "class A:\n", "await ", "import os"),
        *("\x0c", "\u2028", "é", "\ud800", "\0", "\r", "def f(x):\n  ", "??", "%env A=1", "x?"),
        *("from __future__ import annotations\n", "%%bash\n", "= %env", "return", "lambda:"),
    ]
)


@settings(max_examples=1000, deadline=None)
@given(st.lists(PIECES, max_size=25).map("".join))
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_a_cell_of_any_text_is_compiled_or_a_syntax_error(source):
    outcome_is_clear(with_cell(source))


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=25).map("".join), st.sampled_from(["run", "skip"]))
def test_a_translation_keeps_the_number_of_lines(source, magics):
    source = source.replace("\r", "\n").replace("\ud800", "?")
    try:
        text = syntax.to_python(source, path="x.ipynb", cell=1, magics=magics).text
    except SyntaxError:
        return
    assert text.rstrip("\n").count("\n") <= source.count("\n")
