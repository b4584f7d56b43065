"""Bind ``import utils`` in a notebook to the ``utils.ipynb`` beside it.

Python looks an imported name up in ``sys.modules`` before it asks any finder, so with two folders
that each hold a ``utils.ipynb`` the second importer would get the first one's. An import statement
whose name belongs to something in the same folder is therefore compiled to import a name that says
so (see `beside`); what it means is settled when the statement runs.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from types import CodeType
from typing import TYPE_CHECKING

from nbimport.machinery import beside

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

# Too many words are no harm: they are only compared with the notebooks that are there.
_IMPORT = re.compile(r"\b(?:from|import)[ \t]+([^\n#;]+)")
_WORD = re.compile(r"(?:^|,)\s*([^\W\d]\w*)")


def imported_names(sources: Iterable[str]) -> set[str]:
    """Return the first parts of the names that look imported absolutely, stdlib left out."""
    found: set[str] = set()
    for source in sources:
        if "import" in source:
            for match in _IMPORT.finditer(source):
                found.update(_WORD.findall(match[1]))
    return found - sys.stdlib_module_names


def all_names(code: CodeType) -> Iterator[str]:
    """Yield every global, attribute and imported name of a code object and those inside it."""
    yield from code.co_names
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from all_names(const)


def mentioned(code: CodeType, neighbours: Collection[str]) -> bool:
    """Tell whether code names something in the same folder, imported or otherwise."""
    return bool(neighbours) and any(
        name.partition(".")[0] in neighbours for name in all_names(code)
    )


def bind(tree: ast.Module, path: str, neighbours: Collection[str]) -> ast.Module:
    """Return the tree with absolute imports of neighbours bound to their folder."""
    _Binder(os.path.dirname(path), neighbours).visit(tree)
    return ast.fix_missing_locations(tree)


class _Binder(ast.NodeTransformer):
    def __init__(self, folder: str, neighbours: Collection[str]) -> None:
        self._folder = folder
        self._neighbours = neighbours

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        name = node.module or ""
        if node.level == 0 and name.partition(".")[0] in self._neighbours:
            node.module = beside.name_of(self._folder, name)
        return node

    def visit_Import(self, node: ast.Import) -> ast.Import:
        aliases = []
        for alias in node.names:
            top, dot, _ = alias.name.partition(".")
            if top not in self._neighbours:
                aliases.append(alias)
                continue
            bound = beside.name_of(self._folder, alias.name)
            aliases.append(ast.alias(bound, alias.asname or top))
            if dot and not alias.asname:  # `import a.b` binds a: import a.b, then bind a
                aliases.append(ast.alias(beside.name_of(self._folder, top), top))
        node.names = aliases
        return node
