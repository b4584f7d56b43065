"""Parts of statements, for stubs: names they bind or use, blocks in them, heads of definitions.

Knows syntax trees alone.
"""

from __future__ import annotations

import ast
import copy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    Function = ast.FunctionDef | ast.AsyncFunctionDef

LONGEST = 200  # characters of a value; more are data, not a hint at a type


def shortened(arguments: ast.arguments) -> ast.arguments:
    """Return arguments whose long defaults are left out."""

    def short(default: ast.expr) -> ast.expr:
        literal = isinstance(default, ast.Constant) and len(ast.unparse(default)) <= LONGEST
        return default if literal else ast.Constant(...)

    changed = copy.copy(arguments)
    changed.defaults = [short(default) for default in arguments.defaults if default]
    changed.kw_defaults = [default and short(default) for default in arguments.kw_defaults]
    return changed


def head(node: Function | ast.ClassDef, **changes: Any) -> str:  # noqa: ANN401 - fields of nodes
    """Return the first line of a definition, some fields of which are changed."""
    changed = copy.copy(node)
    vars(changed).update(changes, body=[ast.Pass()], decorator_list=[])
    return ast.unparse(changed).rpartition("\n")[0]


def bound_by(node: ast.stmt) -> Iterator[str]:
    """Yield the names that a ``for`` or ``with`` gives values."""
    if isinstance(node, ast.For | ast.AsyncFor):
        yield from names([node.target])
    elif isinstance(node, ast.With | ast.AsyncWith):
        yield from names(item.optional_vars for item in node.items if item.optional_vars)


def blocks(node: ast.stmt) -> Iterator[tuple[list[ast.stmt], bool]]:
    """Yield the blocks in a statement that run in the same scope, and whether instead of others."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'":
        yield node.orelse, True
        return
    yield getattr(node, "body", []), False
    yield getattr(node, "orelse", []), isinstance(node, ast.If)
    for part in [*getattr(node, "handlers", []), *getattr(node, "cases", [])]:
        yield part.body, True
    yield getattr(node, "finalbody", []), False


def last_name(node: ast.expr) -> str | None:
    """Return ``c`` of ``c``, ``a.b.c`` and calls of them."""
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Subscript):
        node = node.value
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)


def names(targets: Iterable[ast.expr]) -> Iterator[str]:
    """Yield the names in the targets of an assignment."""
    for target in targets:
        for node in ast.walk(target):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                yield node.id


def used(value: ast.expr) -> set[str]:
    """Return the names that an expression takes from around it."""
    nodes = [node for node in ast.walk(value) if isinstance(node, ast.Name)]
    own = {node.id for node in nodes if isinstance(node.ctx, ast.Store)}
    own.update(node.arg for node in ast.walk(value) if isinstance(node, ast.arg))  # a lambda's
    return {node.id for node in nodes if isinstance(node.ctx, ast.Load)} - own
