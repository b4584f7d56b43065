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

from nbimport.machinery import finder, loader

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

# Too many words are no harm: they are only compared with the notebooks that are there.
_IMPORT = re.compile(r"\b(?:from|import)(?:\s|\\\n)+((?:[^\n#;\\]|\\\n)+)")
# A non-empty last argument: the module itself, and not the package that it is in.
_OURS = "__import__({!r}, None, None, ['*'])"
_FINDER, _LOADER = _OURS.format(finder.__name__), _OURS.format(loader.__name__)
_IMPORTED = f"__import__({_FINDER}.meant({{!r}}, {{!r}}), None, None, ['__name__'])"
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
    if (
        isinstance(statement, ast.ImportFrom)
        and statement.level == 0
        and (dotted := statement.module or "").partition(".")[0] in neighbours
    ):
        from nbimport.machinery import beside  # not for notebooks that import no neighbour

        imported = _IMPORTED.format(folder, dotted)
        statement.module = beside.name_of(folder, dotted)
        yield _placed(f"{_LOADER}.hold({statement.module!r}, {imported})", statement)
        yield statement
        yield _placed(f"{_LOADER}.release()", statement)
        return
    if not isinstance(statement, ast.Import):
        yield statement
        return
    for alias in statement.names:
        top, dot, _ = alias.name.partition(".")
        if top not in neighbours:
            yield ast.copy_location(ast.Import([alias]), statement)
            continue
        if dot and not alias.asname:  # `import a.b` binds a
            yield _placed(_IMPORTED.format(folder, alias.name), statement)
        name = top if alias.asname is None else alias.asname
        value = _IMPORTED.format(folder, alias.name if alias.asname else top)
        yield _placed(f"{name} = {value}", statement)


def _placed(text: str, old: ast.AST) -> ast.stmt:
    """Return a statement that counts as part of an old one."""
    new = ast.parse(text).body[0]
    for node in ast.walk(new):
        ast.copy_location(node, old)
    return new
