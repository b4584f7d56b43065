"""Load one notebook in a process of its own, for `check`, and write down what kept it from that."""

from __future__ import annotations

import json
import sys
from typing import Any

import nbimport
from nbimport import hook
from nbimport.machinery import loader, places
from nbimport.notebook import sourcemap


def error_of(path: str, *, run: bool) -> dict[str, Any] | None:
    """Return what keeps a notebook from loading as plain values, or None if it loads."""
    try:
        if run:
            nbimport.load(path)
        else:
            name = places.name_of(hook.installed(), path)
            loader.NotebookLoader(name, path).get_code(name)
    except BaseException as error:  # noqa: BLE001 - sys.exit() in a cell is one of them
        cell, line = _place(error, path)
        kind = type(error)
        message = error.msg if isinstance(error, SyntaxError) else str(error)
        return {"type": kind.__qualname__, "message": message, "cell": cell, "line": line}
    return None


def _place(error: BaseException, path: str) -> tuple[int | None, int | None]:
    """Return the innermost cell of a notebook that an error came through, and the line in it."""
    if isinstance(error, SyntaxError):
        place = sourcemap.parse_cell_name(error.filename or "")
        if place is not None and place[0] == path:
            return place[1], error.lineno
    found = (getattr(error, "cell", None), getattr(error, "line", None))
    trace = error.__traceback__
    while trace is not None:
        place = sourcemap.parse_cell_name(trace.tb_frame.f_code.co_filename)
        if place is not None and place[0] == path:
            found = place[1], trace.tb_lineno
        trace = trace.tb_next
    return found


def main() -> None:
    """Take the notebook, a file for the answer and perhaps ``run`` from the command line."""
    path, answer, *run = sys.argv[1:]
    del sys.argv[1:]
    text = json.dumps(error_of(path, run=bool(run)))
    with open(answer, "w", encoding="utf-8") as file:
        file.write(text)
