"""Turn Python files into notebooks: ``python as_notebooks.py STYLE FOLDER_OR_FILE ...``.

STYLE is ``file`` (a whole file per cell) or ``statement`` (one top-level statement per cell, with
the comments above it). Test files stay as they are.
"""

import ast
import json
import sys
import tokenize
from itertools import pairwise
from pathlib import Path


def cells_of(source, style):
    """Return the cells for the text of one file."""
    if style == "file":
        return [source] if source else []
    lines = source.split("\n")
    ends = [0]
    for node in ast.parse(source).body:
        first = min([node.lineno, *(item.lineno for item in getattr(node, "decorator_list", ()))])
        if first <= ends[-1]:  # it shares a line with the statement before, and so a cell
            ends.pop()
        ends.append(_with_comments_inside(lines, node.end_lineno))
    cells = [lines[begin:end] for begin, end in pairwise(ends)]
    if any(lines[ends[-1] :]):
        cells.append(lines[ends[-1] :])
    return ["\n".join(cell) for cell in cells]


def _with_comments_inside(lines, end):
    """Return the line after a statement and after the indented comments that end its block."""
    for number, line in enumerate(lines[end:], end + 1):
        if line.strip() and not (line[0].isspace() and line.lstrip().startswith("#")):
            return end
        end = number if line.strip() else end
    return end


def convert(path, style):
    """Replace one file by a notebook of the same name."""
    with tokenize.open(path) as file:  # as the import system decodes it
        source = file.read()
    cells = [
        {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": cell.splitlines(keepends=True),
        }
        for cell in cells_of(source, style)
    ]
    document = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.with_suffix(".ipynb").write_text(json.dumps(document), encoding="utf-8")
    path.unlink()


def is_test(path):
    """Tell whether a file belongs to a test suite."""
    return path.name.startswith(("test_", "conftest.")) or "tests" in path.parts


if __name__ == "__main__":
    _, chosen, *places = sys.argv
    for place in map(Path, places):
        for python_file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            if not is_test(python_file.relative_to(place.parent)):
                convert(python_file, chosen)
