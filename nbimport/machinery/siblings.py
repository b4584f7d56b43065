"""Bind ``import utils`` in a notebook to the ``utils.ipynb`` beside it.

Python looks an imported name up in ``sys.modules`` before it asks any finder, so with two folders
that each hold a ``utils.ipynb`` the second importer would get the first one's. An import statement
whose name belongs to a notebook in the same folder is therefore compiled to import that file's own
name, marked with a question mark: "unless something installed has this name" (see `names`).
"""

from __future__ import annotations

import ast
import os
import re
import sys
from types import CodeType
from typing import TYPE_CHECKING

from nbimport.machinery import names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

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


def mentioned(code: CodeType, neighbours: Mapping[str, str]) -> bool:
    """Tell whether code names a neighbouring notebook, imported or otherwise."""
    return bool(neighbours) and any(
        name.partition(".")[0] in neighbours for name in all_names(code)
    )


def bind(tree: ast.Module, path: str, neighbours: Mapping[str, str]) -> ast.Module:
    """Return the tree with absolute imports of neighbours bound to their files."""
    folder = names.of_folder(os.path.dirname(path))
    bound = {name: f"{folder}.{names.encode(stem)}?" for name, stem in neighbours.items()}
    return ast.fix_missing_locations(_Binder(bound).visit(tree))  # type: ignore[no-any-return] # visit() is untyped


class _Binder(ast.NodeTransformer):
    def __init__(self, bound: Mapping[str, str]) -> None:
        self._bound = bound

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        top, dot, rest = (node.module or "").partition(".")
        if node.level == 0 and top in self._bound:
            node.module = self._bound[top] + dot + rest
        return node

    def visit_Import(self, node: ast.Import) -> ast.Import:
        aliases = []
        for alias in node.names:
            top, dot, rest = alias.name.partition(".")
            if top not in self._bound:
                aliases.append(alias)
                continue
            aliases.append(ast.alias(self._bound[top] + dot + rest, alias.asname or top))
            if dot and not alias.asname:  # `import a.b` binds a: import a.b, then bind a
                aliases.append(ast.alias(self._bound[top], top))
        node.names = aliases
        return node
