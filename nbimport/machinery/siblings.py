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

from nbimport.machinery import beside

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

# Too many words are no harm: they are only compared with the notebooks that are there.
_IMPORT = re.compile(r"\b(?:from|import)(?:\s|\\\n)+((?:[^\n#;\\]|\\\n)+)")
# A non-empty last argument: the module itself, and not the package that it is in.
_IMPORTED = (
    "__import__(__import__({beside!r}, None, None, ['meant']).meant({folder!r}, {dotted!r}),"
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
        if isinstance(node, ast.ImportFrom):
            name = node.module or ""
            if node.level == 0 and name.partition(".")[0] in neighbours:
                node.module = beside.name_of(folder, name)
        elif isinstance(node, ast.Import):
            node.names = [new for old in node.names for new in _bound(old, folder, neighbours)]


def _bound(alias: ast.alias, folder: str, neighbours: Collection[str]) -> Iterator[ast.alias]:
    top, dot, _ = alias.name.partition(".")
    if top not in neighbours:
        yield alias
        return
    name = beside.name_of(folder, alias.name)
    yield ast.copy_location(ast.alias(name, alias.asname or top), alias)
    if dot and not alias.asname:  # `import a.b` binds a: import a.b, then bind a
        yield ast.copy_location(ast.alias(beside.name_of(folder, top), top), alias)
