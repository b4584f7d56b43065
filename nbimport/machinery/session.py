"""Which of the names that every session has a module must be given: the rare part of the driver.

A module gets such a name where a kernel would give it to the notebook and nothing of its own can be
meant. Code that asks whether there is a session, ``try: get_ipython() ... except NameError``, has
to be told the truth, as in a ``.py`` file.
"""

from __future__ import annotations

import ast
import dis
import warnings
from types import CodeType
from typing import TYPE_CHECKING

from nbimport.machinery.compiler import one_at_a_time

if TYPE_CHECKING:
    from collections.abc import Iterator

_READ = ("LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS")
_CAUGHT = {"NameError", "Exception", "BaseException"}


def needs(name: str, codes: list[CodeType], sources: list[str]) -> bool:
    """Tell whether a module needs a name of a session.

    It does if it reads the name outside any ``try`` that would catch its absence. If it binds the
    name as well, only what its top level reads before that counts.

    Args:
        name: ``display`` or ``get_ipython``.
        codes: The code of each cell.
        sources: The text of each cell, as it stands in the notebook.
    """
    cells = list(zip(codes, sources, strict=True))
    if not any(operation.startswith("STORE") for code in codes for operation in _uses(code, name)):
        return any(
            any(operation in _READ for operation in _uses(code, name, inside=True))
            and _reads_unguarded(source, name)
            for code, source in cells
        )
    for code, source in cells:
        uses = list(_uses(code, name))
        if uses and uses[0] in _READ and _reads_unguarded(source, name):
            return True
        if any(operation.startswith("STORE") for operation in uses):
            return False
    return False


def _uses(code: CodeType, name: str, *, inside: bool = False) -> Iterator[str]:
    """Yield the names of the instructions that use a global name; others may be among them.

    Args:
        code: The code of a cell, or of what is defined in it.
        name: The name.
        inside: Yield also what only reads it in functions and classes.
    """
    if name in code.co_names:
        found = [one.opname for one in dis.get_instructions(code) if one.argval == name]
        if code.co_name == "<module>":
            yield from found
        elif "STORE_GLOBAL" in found:
            yield "STORE_GLOBAL"
        elif inside and "STORE_NAME" not in found:  # which is a class's own
            yield from found
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _uses(const, name, inside=inside)


def _reads_unguarded(source: str, name: str) -> bool:
    """Tell whether a cell reads a name outside a ``try`` that catches a NameError."""
    try:
        with one_at_a_time, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the compiler has given them when it was its turn
            tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return True  # IPython syntax, which stands for calls of get_ipython()
    todo: list[tuple[ast.AST, bool]] = [(tree, False)]
    while todo:
        node, guarded = todo.pop()
        if isinstance(node, ast.Name):
            if node.id == name and isinstance(node.ctx, ast.Load) and not guarded:
                return True
        elif isinstance(node, ast.Try | ast.TryStar) and any(map(_catches, node.handlers)):
            body = {id(child) for child in node.body}
            todo += [(child, guarded or id(child) in body) for child in ast.iter_child_nodes(node)]
        else:  # a function's body runs later
            guarded &= not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            todo += [(child, guarded) for child in ast.iter_child_nodes(node)]
    return False


def _catches(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    return any(isinstance(n, ast.Name) and n.id in _CAUGHT for n in ast.walk(handler.type))
