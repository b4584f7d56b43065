"""Bind ``import utils`` in a notebook to the ``utils.ipynb`` beside it.

Python looks an imported name up in ``sys.modules`` before it asks any finder, so with two folders
that each hold a ``utils.ipynb`` the second importer would get the first one's. An import statement
whose name belongs to something in the same folder is therefore compiled to import a name that says
so (see `beside`); what it means is settled when the statement runs. The import itself is a call of
``__import__`` with what is meant, in the statement's own frame: no frame and no lock of ours stands
between two notebooks of a chain.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from typing import TYPE_CHECKING

from nbimport.machinery import beside, finder

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

# Too many words are no harm: they are only compared with the notebooks that are there.
_IMPORT = re.compile(r"\b(?:from|import)(?:\s|\\\n)+((?:[^\n#;\\]|\\\n)+)")
# A non-empty last argument: the module itself, and not the package that it is in.
_IMPORTED = (
    "__import__(__import__({finder!r}, None, None, ['meant']).meant({folder!r}, {dotted!r}),"
    " None, None, ['__name__'])"
)
_WORD = re.compile(r"(?:^|,)[\s\\]*([^\W\d]\w*)")


def imported_names(sources: Iterable[str]) -> set[str]:
    """Return the first parts of the names that look imported absolutely, stdlib left out."""
    found: set[str] = set()
    for source in sources:
        if "import" in source:
            for match in _IMPORT.finditer(source):
                found.update(_WORD.findall(match[1]))
    return found - sys.stdlib_module_names


def bind(tree: ast.Module, path: str, neighbours: Collection[str]) -> None:
    """Bind the absolute imports of neighbours in a tree to their folder."""
    folder = os.path.dirname(path)
    for node in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            if isinstance(block, list):
                block[:] = [new for old in block for new in _bound(old, folder, neighbours)]


def _bound(statement: ast.AST, folder: str, neighbours: Collection[str]) -> Iterator[ast.AST]:
    """Yield what a statement becomes: for ``import a, utils``, an import and an assignment.

    ``from utils import f`` imports first and then takes ``f`` out by the module's second name.
    """
    if isinstance(statement, ast.ImportFrom):
        dotted = statement.module or ""
        if statement.level == 0 and dotted.partition(".")[0] in neighbours:
            yield _placed(ast.Expr(_imported(folder, dotted)), statement)
            statement.module = beside.name_of(folder, dotted)
    if not isinstance(statement, ast.Import):
        yield statement
        return
    for alias in statement.names:
        top, dot, _ = alias.name.partition(".")
        if top not in neighbours:
            yield ast.copy_location(ast.Import([alias]), statement)
            continue
        if dot and not alias.asname:  # `import a.b` binds a
            yield _placed(ast.Expr(_imported(folder, alias.name)), statement)
        name = top if alias.asname is None else alias.asname
        value = _imported(folder, alias.name if alias.asname else top)
        yield _placed(ast.Assign([ast.Name(name, ast.Store())], value), statement)


def _imported(folder: str, dotted: str) -> ast.expr:
    text = _IMPORTED.format(finder=finder.__name__, folder=folder, dotted=dotted)
    return ast.parse(text, mode="eval").body


def _placed(new: ast.stmt, old: ast.stmt) -> ast.stmt:
    for node in ast.walk(new):
        ast.copy_location(node, old)
    return new
