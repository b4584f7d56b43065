"""Whatever a file holds, importing it ends within seconds in an import or an ImportError."""

import json
import os

import pytest
from notebook_json import CODE, GOOD, with_cell

from nbimport.errors import NotebookFormatError
from nbimport.notebook import reader

TEXT = json.dumps(GOOD, indent=1)


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
