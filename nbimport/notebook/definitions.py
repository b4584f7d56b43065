"""Reduce a cell to what defines something: imports, functions, classes, constants; no work is run.

Knows syntax trees only. Kept are imports (guarded ones too), functions and classes with their
decorators, and assignments whose value can be had without doing work.
"""

from __future__ import annotations

import ast

# Calls that make a definition rather than do work.
_DEFINING_CALLS = frozenset(
    [
        "TypeVar",
        "ParamSpec",
        "TypeVarTuple",
        "NewType",
        "NamedTuple",
        "TypedDict",
        "namedtuple",
        "Enum",
        "IntEnum",
        "StrEnum",
        "Flag",
        "getLogger",
        "compile",
        "Path",
        "PurePath",
        "Fraction",
        "Decimal",
        "timedelta",
        "partial",
        "itemgetter",
        "attrgetter",
        "float",
        "int",
        "str",
        "bytes",
        "bool",
        "complex",
        "tuple",
        "list",
        "dict",
        "set",
        "frozenset",
        "object",
        "slice",
        "range",
    ]
)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
_WORK = (
    ast.Await,
    ast.Yield,
    ast.YieldFrom,
    ast.NamedExpr,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)


def only_definitions(tree: ast.Module, dropped: set[str]) -> ast.Module:
    """Return a module of a cell's definitions.

    Args:
        tree: The cell; left as it is.
        dropped: Names that earlier cells assign by doing work. A constant that needs one of them
            is dropped as well. This cell's own dropped names are added.
    """
    kept = [
        statement
        for index, statement in enumerate(tree.body)
        if _keeps(statement, dropped) or (index == 0 and _is_docstring(statement))
    ]
    return ast.Module(body=kept, type_ignores=[])


def _keeps(statement: ast.stmt, dropped: set[str]) -> bool:
    if isinstance(statement, _DEFINITIONS) or type(statement).__name__ == "TypeAlias":
        dropped.difference_update(_bound(statement))
        return True
    if isinstance(statement, (ast.Assign, ast.AnnAssign)):
        value = statement.value
        keep = value is None or _is_constant(value, dropped)
        names = _bound(statement)
        keep = keep and all(
            isinstance(target, (ast.Name, ast.Tuple, ast.List)) for target in _targets(statement)
        )
        (dropped.difference_update if keep else dropped.update)(names)
        return keep
    if isinstance(statement, ast.If):
        keep = (
            not _is_main_guard(statement.test)
            and _is_constant(statement.test, dropped, calls=True)
            and all(_keeps(inner, dropped) for inner in statement.body + statement.orelse)
        )
    elif isinstance(statement, ast.Try):
        handlers = [inner for handler in statement.handlers for inner in handler.body]
        inside = statement.body + handlers + statement.orelse + statement.finalbody
        keep = all(_keeps(inner, dropped) for inner in inside)
    elif isinstance(statement, ast.With):
        keep = all(isinstance(inner, (ast.Import, ast.ImportFrom)) for inner in statement.body)
    else:
        keep = isinstance(statement, (ast.Pass, ast.Raise))  # as they stand in a guard
    if not keep:
        dropped.update(_bound(statement))
    return keep


def _is_docstring(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _is_constant(node: ast.expr, dropped: set[str], *, calls: bool = False) -> bool:
    if isinstance(node, ast.Lambda):
        return True
    for inner in ast.walk(node):
        if isinstance(inner, _WORK):
            return False
        if isinstance(inner, ast.Call) and not calls and _called(inner) not in _DEFINING_CALLS:
            return False
        if isinstance(inner, ast.Name) and inner.id in dropped:
            return False
    return True


def _called(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _is_main_guard(test: ast.expr) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "__name__" for node in ast.walk(test))


def _targets(statement: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return statement.targets if isinstance(statement, ast.Assign) else [statement.target]


def _bound(statement: ast.stmt) -> set[str]:
    """Return the names that a statement binds at its own level or below, definitions included."""
    names: set[str] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
    return names
