"""Changes to a cell's syntax tree, for the few cells that don't run as they are.

Imported only for such a cell: `ast` costs as much as compiling ten cells.
"""

from __future__ import annotations

import ast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    _Node = TypeVar("_Node", bound=ast.AST)


def with_futures_first(source: str | ast.Module) -> ast.Module:
    """Let other statements precede a future import in its cell, as IPython does."""
    tree = ast.parse(source) if isinstance(source, str) else source
    first = tree.body[: ast.get_docstring(tree, clean=False) is not None]
    late = [n for n in tree.body if isinstance(n, ast.ImportFrom) and n.module == "__future__"]
    rest = [node for node in tree.body if node not in first + late]
    return ast.Module(body=first + late + rest, type_ignores=[])


def without_docstring(tree: ast.Module) -> None:
    """Let a string that begins a later cell be no docstring of the module's."""
    if ast.get_docstring(tree, clean=False) is not None:
        tree.body.insert(0, _at_top(ast.Pass()))


def leaving_nothing(tree: ast.Module) -> ast.Module:
    """Return a module that runs a body as a function's, as ``%%timeit`` does."""
    template = ast.parse("def inner(): pass\ninner()\ndel inner")
    for node in ast.walk(template):
        if isinstance(node, ast.FunctionDef | ast.Name):
            vars(node).update({"name" if isinstance(node, ast.FunctionDef) else "id": "<timeit>"})
            if isinstance(node, ast.FunctionDef):
                node.body = tree.body or node.body
    return template


def note_class_lines(tree: ast.Module, line_above: int) -> None:
    """Let `inspect.getsource` find classes in the whole module's text on Python 3.13 and later.

    There it reads ``__firstlineno__`` as a line of the module's file, and ours counts in the cell.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            place = ast.copy_location(ast.Constant(first + line_above), node)
            target = ast.copy_location(ast.Name("__firstlineno__", ast.Store()), node)
            note = ast.copy_location(ast.Assign([target], place), node)
            node.body.insert(1 if ast.get_docstring(node, clean=False) is not None else 0, note)


def _at_top(node: _Node) -> _Node:
    """Give a node that stands in no cell the cell's first line."""
    return ast.fix_missing_locations(ast.copy_location(node, ast.Pass(lineno=1, col_offset=0)))
