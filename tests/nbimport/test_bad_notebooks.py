"""Whatever a file holds, importing it ends within seconds in an import or an ImportError."""

import json
import logging
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbimport.config import Config
from nbimport.errors import NotebookFormatError
from nbimport.machinery.compiler import compile_notebook, python_source
from nbimport.notebook import reader, syntax

CODE = {
    "cell_type": "code",
    "metadata": {},
    "outputs": [],
    "execution_count": None,
    "source": "x = 1",
}
GOOD = {
    "cells": [{"cell_type": "markdown", "metadata": {}, "source": ["Title\n", "text"]}, CODE],
    "metadata": {"language_info": {"name": "python"}, "kernelspec": {"language": "python"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}
OLD = {
    "nbformat": 3,
    "nbformat_minor": 0,
    "metadata": {"name": ""},
    "worksheets": [{"cells": [{"cell_type": "code", "input": ["x = 1"], "outputs": []}]}],
}
TEXT = json.dumps(GOOD, indent=1)


def with_cell(source):
    return json.dumps({**GOOD, "cells": [CODE, {**CODE, "source": source}]}).encode()


# What a file holds -> what the error says after the file's name.
UNREADABLE = {
    b"": "the file is empty; save it again from Jupyter, or restore it",
    b" \n\t": "the file is empty; save it again from Jupyter, or restore it",
    b"\xef\xbb\xbf": "the file is empty; save it again from Jupyter, or restore it",
    TEXT[:200].encode(): "not valid JSON (",
    TEXT[:-2].encode(): "not valid JSON (",
    b"\xff\xfe\x00{": "not valid JSON (",
    TEXT.encode().replace(b"Title", b"\xff\xff"): "not valid JSON (",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n": (
        "this is a Git LFS pointer, not the notebook; run `git lfs pull`"
    ),
    b"<!DOCTYPE html><html><body>404</body></html>": (
        "this is a web page or XML file, not a notebook; get the notebook itself"
    ),
    TEXT.replace(' "nbformat"', '<<<<<<< HEAD\n "nbformat"').encode(): (
        "merge conflict markers at line "
    ),
    f"<<<<<<< HEAD\n{TEXT}\n=======\n{TEXT}\n>>>>>>> b\n".encode(): (
        "merge conflict markers at line 1; resolve the merge and save"
    ),
    b"import this\n": "not valid JSON (",
    b"[" * 100_000: "its JSON is nested too deeply to be a notebook; ",
    b'{"cells": ' * 50_000: "its JSON is nested too deeply to be a notebook; ",
    b"[]": "not a notebook: it holds a JSON list, not an object; ",
    b"null": "not a notebook: it holds a JSON NoneType, not an object; ",
    b'"text"': "not a notebook: it holds a JSON str, not an object; ",
    b"{}": "not a notebook: it has no list of cells; ",
    b'{"nbformat": "4"}': "not a notebook: its nbformat is '4', not a whole number; ",
    b'{"nbformat": null}': "not a notebook: its nbformat is None, not a whole number; ",
    b'{"nbformat": true}': "not a notebook: its nbformat is True, not a whole number; ",
    b'{"nbformat": 1e400}': "not a notebook: its nbformat is inf, not a whole number; ",
    b'{"nbformat": 99}': "notebook format 99 is newer than 4",
    b'{"nbformat": 4, "cells": {}}': "not a notebook: it has no list of cells; ",
    b'{"nbformat": 4, "cells": [3]}': "not a notebook: entry 1 of its cells is a int; ",
    b'{"nbformat": 4, "cells": [{}]}': (
        "not a notebook: entry 1 of its cells has the cell_type None; "
    ),
    b'{"nbformat": 4, "cells": [{"cell_type": "code"}]}': (
        "not a notebook: the source of entry 1 of its cells is not text; "
    ),
    b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": [1]}]}': (
        "not a notebook: the source of entry 1 of its cells is not text; "
    ),
    b'{"nbformat": 3, "worksheets": 3}': "nbformat can't read it as a notebook of format 3 (",
    b'{"nbformat": 2}': "n",
    b'{"nbformat": 0, "cells": []}': "n",
    b'{"nbformat": -1, "cells": []}': "n",
}


@pytest.mark.parametrize("data", UNREADABLE, ids=lambda data: ascii(data[:30]))
def test_what_is_no_notebook_says_so_and_what_to_do(data):
    with pytest.raises(NotebookFormatError) as caught:
        reader.read(data, "/folder/x.ipynb")
    message = str(caught.value)
    assert message.startswith(f"/folder/x.ipynb: {UNREADABLE[data]}")
    assert caught.value.path == "/folder/x.ipynb"
    assert "; " in message
    assert len(message) < 400


def test_a_failed_import_leaves_no_module(python, tmp_path):
    for number, data in enumerate(UNREADABLE):
        (tmp_path / f"bad{number}.ipynb").write_bytes(data)
    snippet = f"""
        import importlib, sys
        before = set(sys.modules)
        for number in range({len(UNREADABLE)}):
            try:
                importlib.import_module(f"bad{{number}}")
            except nbimport.NotebookFormatError as error:
                assert f"bad{{number}}.ipynb" in str(error), error
            else:
                print(number)
        print([name for name in sys.modules if name.startswith("bad")])
    """
    assert python(snippet) == "[]\n"


# Hostile cells, with what their error says.
CELLS = {
    "x = '\ud800'": "cell 2 can't be compiled: it holds a lone surrogate, which",
    "x = 1\n\n\ud800": "cell 2 can't be compiled: it holds a lone surrogate, which",
    "x = 1\0": "source code string cannot contain null bytes",
    "-" * 100_000 + "1": "",
    "(" * 100_000: "",
    "[" * 5000 + "]" * 5000: "",
    "not " * 100_000 + "1": "",
    "lambda: " * 50_000 + "1": "",
    "x = " + "f(" * 50_000: "",
    "x" + ".a" * 200_000: "",
    "x" + "[0]" * 200_000: "",
    "x" + "()" * 100_000: "",
    "1" + "+1" * 200_000: "",
    "1" + "**1" * 100_000: "",
    "x = " + "a if b else " * 50_000 + "c": "",
    "\n".join(" " * n + "if 1:" for n in range(3000)): "",
    "@a\n" * 100_000: "",
    "f'" + "{" * 5000: "",
    "x = '''" + "a" * 3_000_000: "",
    "%" * 100_000: "",
    "x = (" + "?" * 100_000: "",
    "x = (" + "!" * 100_000: "",
    "\\\n" * 50_000: "",
    "%time " * 20_000 + "(": "",
    "%%time\n" * 20_000 + "(": "",
    "%env A=1\n" * 3000 + "(": "",
    "x = (\n" + "%env A=1\n" * 3000: "",
    "'''\n" + "%env A=1\n" * 3000: "",
    "9" * 10_000: "",
    "x = 1\n" * 100_000 + "(": "",
    "if x: pass\n" + "elif x: pass\n" * 20_000 + "(": "",
    "In [1]: " * 1000 + "(": "",
    ">>> " * 1000 + "(": "",
    "/f " * 1000 + "(": "",
    "\t \t x = (\n \t y": "",
    "class A:\n" * 3: "",
    "\x00\x01\x02": "",
    "x = 0777": "",
    "\ufeff\ufeffx = (": "",
}


def test_hostile_cells_are_a_syntax_error_that_names_the_cell(python, tmp_path):
    for number, source in enumerate(CELLS):
        (tmp_path / f"bad{number}.ipynb").write_bytes(with_cell(source))
    expected = list(CELLS.values())
    snippet = f"""
        import importlib, os, sys
        expected = {expected!r}
        sys.unraisablehook = print
        for number, message in enumerate(expected):
            try:
                importlib.import_module(f"bad{{number}}")
            except SyntaxError as error:
                place = os.path.abspath(f"bad{{number}}.ipynb") + " cell 2"
                if error.filename != place or message not in str(error) or error.lineno is None:
                    print(number, ascii(error), error.filename)
            except (NameError, nbimport.MagicError):
                pass  # deep, but Python or IPython
            else:
                sys.modules.pop(f"bad{{number}}")
                if message:
                    print(number, "was imported")
            assert f"bad{{number}}" not in sys.modules
    """
    assert python(snippet) == ""


def test_a_surrogate_is_found_on_its_line(python, tmp_path):
    (tmp_path / "bad.ipynb").write_bytes(with_cell("x = 1\n\ny = '\ud800'"))
    report = python("import bad", fails=True)
    assert "bad.ipynb cell 2\", line 3\n    y = '?'\n" in report


def test_surrogates_outside_code_do_no_harm(python, tmp_path):
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": "a \ud800"},
        {**CODE, "metadata": {"tags": ["\ud800", 3]}, "outputs": ["\ud800"]},
    ]
    raw = {**GOOD, "cells": cells, "metadata": {"\ud800": "\ud800"}}
    (tmp_path / "odd.ipynb").write_text(json.dumps(raw))
    for _ in range(2):
        assert python("import odd; print(odd.x, ascii(odd.__doc__))") == "1 'a ?'\n"


def test_a_million_cells_are_refused_at_once(tmp_path, python):
    for name, cell in ("empty", {**CODE, "source": ""}), ("full", CODE), ("note", GOOD["cells"][0]):
        text = json.dumps(cell)
        rest = json.dumps({**GOOD, "cells": []})[len('{"cells": []') :]
        (tmp_path / f"{name}.ipynb").write_text(
            '{"cells": [' + ",".join([text] * 1_000_001) + "]" + rest
        )
    snippet = """
        for name in "empty", "full", "note":
            try:
                __import__(name)
            except nbimport.NotebookFormatError as error:
                print(str(error).partition(": ")[2])
    """
    message = "more than 100,000 cells; split it into several notebooks\n"
    assert python(snippet) == message * 3


def test_many_cells_are_imported(tmp_path, python):
    raw = {**GOOD, "cells": [{**CODE, "source": f"x = {n}"} for n in range(5000)]}
    (tmp_path / "many.ipynb").write_text(json.dumps(raw))
    assert python("import many; print(many.x)") == "4999\n"


def test_what_is_no_file_is_an_import_error(tmp_path, python):
    (tmp_path / "folder.ipynb").mkdir()
    os.mkfifo(tmp_path / "fifo.ipynb")
    (tmp_path / "loop.ipynb").symlink_to("loop.ipynb")
    (tmp_path / "dangling.ipynb").symlink_to("nowhere.ipynb")
    (tmp_path / "device.ipynb").symlink_to("/dev/zero")
    snippet = """
        import os, sys
        for name in "folder", "fifo", "loop", "dangling", "device", "missing":
            for way in __import__, lambda name: nbimport.load(name + ".ipynb"):
                try:
                    way(name)
                except ImportError as error:
                    print(type(error).__name__, str(error).replace(os.getcwd(), ""))
            assert name not in sys.modules
    """
    found = python(snippet).splitlines()
    assert len(found) == 12
    for line, name in zip(
        found[1::2], "folder fifo loop dangling device missing".split(), strict=True
    ):
        assert f"/{name}.ipynb: " in line
        assert "; " in line
        assert line.startswith("Notebook")


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
