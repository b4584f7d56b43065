"""Cell <-> source line: the names that code objects carry, and the text behind them.

A cell's code is named ``/folder/name.ipynb cell 3`` with line numbers that count in the cell, so
every tool that prints a file and a line prints the notebook, the cell and the line in it. The name
has no comma and no colon of its own: a debugger's ``break FILE:LINE`` takes it.
"""

from __future__ import annotations

import os

from nbimport.notebook import reader

_MARK = ".ipynb cell "
_texts: dict[str, tuple[tuple[int, int], dict[int, str]]] = {}
_kept: dict[str, dict[int, str]] = {}


def cell_name(path: str, cell: int) -> str:
    """Return the file name that the code of one cell carries."""
    return f"{path} cell {cell}"


def parse_cell_name(filename: str) -> tuple[str, int] | None:
    """Return (path, cell) of a cell's file name, or None for any other name."""
    stem, mark, number = filename.rpartition(_MARK)
    return (stem + ".ipynb", int(number)) if mark and number.isdigit() else None


def lines_of_cell(filename: str) -> tuple[list[str], str] | None:
    """Return (lines, notebook) for a cell's file name; None if it is none or the cell is gone."""
    place = parse_cell_name(filename)
    if place is None:
        return None
    path, cell = place
    source = _cells(path).get(cell)
    return None if source is None else (split_lines(source), path)


def remember(notebook: reader.Notebook) -> None:
    """Keep the text of a notebook that can't be read again from its path, as one in an archive."""
    _kept[notebook.path] = {cell.number: cell.source for cell in notebook.cells}


def split_lines(text: str) -> list[str]:
    r"""Split as Python's tokenizer does: at ``\n`` alone, not at form feeds or U+2028."""
    parts = [line + "\n" for line in text.split("\n")]
    if parts[-1] == "\n":
        parts.pop()
    return parts


def _cells(path: str) -> dict[int, str]:
    try:
        status = os.stat(path)
        stamp = (status.st_mtime_ns, status.st_size)
        known = _texts.get(path)
        if known is None or known[0] != stamp:
            with open(path, "rb") as file:
                notebook = reader.read(file.read(), path)
            known = _texts[path] = (stamp, {cell.number: cell.source for cell in notebook.cells})
    except (OSError, ImportError):  # gone, or no notebook any more
        return _kept.get(path, {})
    return known[1]
