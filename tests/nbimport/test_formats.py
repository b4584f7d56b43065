"""Notebooks of every format, encoding and program, and those in other languages."""

import json

import pytest

CODE = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
LINES = ["x = 1\n", "\n", "y = 'é\u2028😀'\n", "z = [x,\n", "     y]"]
TEXT = "".join(LINES)
EXPECTED = "1 '\\xe9\\u2028\\U0001f600' True Title\n"
TITLE = {"cell_type": "markdown", "metadata": {}, "source": "Title"}


def document(*, source=TEXT, **more):
    return {
        "cells": [TITLE, {**CODE, "source": source}],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
        **more,
    }


def old(version, code, title, **more):
    sheet = {"cells": [title, {"cell_type": "code", "outputs": [], "language": "python", **code}]}
    return {"nbformat": version, "metadata": {"name": ""}, "worksheets": [sheet], **more}


FORMATS = {
    "4.5": document(),
    "4.0": document(nbformat_minor=0),
    "4.9": document(nbformat_minor=9),
    "4, lines": document(source=LINES),
    "4, no minor": {k: v for k, v in document().items() if k != "nbformat_minor"},
    "4, unnamed": {"cells": document()["cells"]},
    "3": old(3, {"input": LINES, "metadata": {}}, TITLE, nbformat_minor=0),
    "3, heading": old(
        3, {"input": TEXT}, {"cell_type": "markdown", "source": ["Title"]}, nbformat_minor=0
    ),
    "2": old(2, {"input": TEXT}, {"cell_type": "markdown", "source": "Title"}),
    "1": {
        "cells": [
            {"cell_type": "text", "text": "Title"},
            {"cell_type": "code", "code": TEXT, "prompt_number": 1},
        ]
    },
    "keys in another order": dict(reversed(document().items())),
    "metadata of Colab": document(
        metadata={
            "colab": {"name": "x.ipynb", "provenance": [], "toc_visible": True},
            "kernelspec": {"name": "python3", "display_name": "Python 3"},
            "language_info": {"name": "python"},
            "accelerator": "GPU",
            "widgets": {"application/vnd.jupyter.widget-state+json": {}},
        }
    ),
    "metadata of VS Code": document(
        cells=[
            TITLE,
            {**CODE, "source": TEXT, "id": "a", "metadata": {"vscode": {"languageId": "python"}}},
            {**CODE, "source": "echo $HOME", "metadata": {"vscode": {"languageId": "shellscript"}}},
        ],
        metadata={"language_info": {"name": "python", "version": "3.12.0"}, "orig_nbformat": 4},
    ),
    "a kernel of conda": document(
        metadata={"kernelspec": {"name": "conda-env-r", "display_name": "R?", "language": "python"}}
    ),
    "empty metadata": document(metadata={"language_info": {}, "kernelspec": {"language": ""}}),
    "a raw cell and an empty one": document(
        cells=[
            {"cell_type": "raw", "metadata": {}, "source": "not python ("},
            TITLE,
            {**CODE, "source": ""},
            {**CODE, "source": TEXT},
        ]
    ),
    "attachments and outputs": document(
        cells=[
            {**TITLE, "attachments": {"a.png": {"image/png": "AAAA"}}},
            {**CODE, "source": TEXT, "outputs": [{"output_type": "stream", "text": "x" * 99999}]},
        ]
    ),
}
WRITERS = {
    "indented": lambda raw: json.dumps(raw, indent=1, ensure_ascii=False),
    "minified": lambda raw: json.dumps(raw, separators=(",", ":")),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_every_format_is_the_same_module(python, tmp_path, writer):
    for number, raw in enumerate(FORMATS.values()):
        text = WRITERS[writer](raw)
        (tmp_path / f"f{number}.ipynb").write_text(text, encoding="utf-8")
    snippet = f"""
        import importlib
        for number in range({len(FORMATS)}):
            a = importlib.import_module(f"f{{number}}")
            print(a.x, ascii(a.y), a.z == [a.x, a.y], a.__doc__)
    """
    found = python(snippet).splitlines(keepends=True)
    assert dict(zip(FORMATS, found, strict=True)) == dict.fromkeys(FORMATS, EXPECTED)


def test_every_encoding_is_the_same_module(python, tmp_path):
    text = json.dumps(document(), indent=1, ensure_ascii=False)
    ways = {
        "plain": text.encode(),
        "bom": text.encode("utf-8-sig"),
        "crlf": text.replace("\n", "\r\n").encode(),
        "crlf in cells": json.dumps(document(source=TEXT.replace("\n", "\r\n"))).encode(),
        "cr in cells": json.dumps(document(source=TEXT.replace("\n", "\r"))).encode(),
        "ascii": json.dumps(document()).encode(),
        "blanks": b"\n\n  " + text.encode() + b"\n\n",
    }
    for way, data in ways.items():
        (tmp_path / (way.replace(" ", "_") + ".ipynb")).write_bytes(data)
    snippet = f"""
        import importlib
        for way in {[way.replace(" ", "_") for way in ways]}:
            a = importlib.import_module(way)
            print(way, a.x, ascii(a.y), a.z == [a.x, a.y], a.__doc__)
    """
    expected = "".join(f"{way.replace(' ', '_')} {EXPECTED}" for way in ways)
    assert python(snippet) == expected
    env = {"LC_ALL": "C", "LANG": "C", "PYTHONDONTWRITEBYTECODE": "1"}
    for entry in (tmp_path / "__pycache__").iterdir():
        entry.unlink()
    assert python(snippet, env=env, options=["-X", "utf8=0"]) == expected


@pytest.mark.parametrize(
    ("metadata", "language"),
    [
        ({"language_info": {"name": "R"}}, "R"),
        ({"kernelspec": {"name": "julia-1.9", "language": "julia"}}, "julia"),
        (
            {"language_info": {"name": "javascript"}, "kernelspec": {"language": "python"}},
            "javascript",
        ),
        ({"language": "Julia"}, "Julia"),
    ],
)
def test_a_notebook_in_another_language_is_a_clear_error(python, tmp_path, metadata, language):
    path = tmp_path / "analysis.ipynb"
    path.write_text(json.dumps(document(metadata=metadata)))
    snippet = """
        import sys
        try:
            import analysis
        except nbimport.NotebookFormatError as error:
            print(error, error.path, "analysis" in sys.modules)
    """
    assert python(snippet) == (
        f"{path}: a notebook in {language}, not in Python; import only Python notebooks "
        f"{path} False\n"
    )


def test_newer_formats_are_refused(python, tmp_path):
    path = tmp_path / "analysis.ipynb"
    path.write_text(json.dumps(document(nbformat=5)))
    assert python("import analysis", fails=True).endswith(
        f"nbimport.NotebookFormatError: {path}: notebook format 5 is newer than 4, the newest that "
        "nbimport knows; save it as format 4\n"
    )
