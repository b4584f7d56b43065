"""Reduce a cell to what defines something: imports, functions, classes, constants; no work is run.

Knows syntax trees only. What a definition needs as soon as it is made (a decorator, a base class, a
default) must be there too: a definition that needs the result of work goes with that work.
"""

from __future__ import annotations

import ast
from copy import copy
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_Node = TypeVar("_Node", bound=ast.AST)

# Calls that make a value or a definition rather than do work.
_DEFINING_CALLS = frozenset(
    "TypeVar ParamSpec TypeVarTuple NewType NamedTuple TypedDict namedtuple Enum IntEnum StrEnum"
    " Flag IntFlag getLogger compile Path PurePath join dirname abspath expanduser Fraction Decimal"
    " date datetime timedelta partial itemgetter attrgetter float int str bytes bool complex tuple"
    " list dict set frozenset object slice range defaultdict OrderedDict Counter deque"
    " MappingProxyType SimpleNamespace ContextVar Lock RLock local len min max sum abs round sorted"
    " device dtype import_module __import__".split()
)
# Calls that ask about the machine or the versions: what guards are made of.
_ASKING_CALLS = _DEFINING_CALLS | frozenset(
    "is_available find_spec hasattr getattr isinstance issubclass callable exists isfile isdir"
    " startswith endswith get getenv system machine python_version version parse Version".split()
)
# Calls without which later imports would not find what they import.
_PREPARING_CALLS = ("sys.path.", "nbimport.", "site.addsitedir")
_Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_IMPORTS = (ast.Import, ast.ImportFrom)
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
        dropped: Names that earlier cells assign by doing work. What needs one of them is dropped
            as well. This cell's own dropped names are added.
    """
    first = tree.body[:1] if tree.body and _is_string(tree.body[0]) else []
    kept = first + _kept(tree.body[len(first) :], dropped)
    return ast.Module(body=kept, type_ignores=[])


def _kept(statements: list[ast.stmt], dropped: set[str]) -> list[ast.stmt]:
    kept = []
    for statement in statements:
        reduced = _reduced(statement, dropped)
        (dropped.update if reduced is None else dropped.difference_update)(_bound(statement))
        if reduced is not None:
            kept.append(reduced)
    return kept


def _reduced(statement: ast.stmt, dropped: set[str]) -> ast.stmt | None:
    """Return what remains of a statement without its work, or None."""
    if isinstance(statement, ast.If):
        return _reduced_if(statement, dropped)
    if isinstance(statement, ast.Try | ast.TryStar):
        return _reduced_try(statement, dropped)
    if isinstance(statement, ast.With):
        body = _kept(statement.body, dropped)
        needed = [item.context_expr for item in statement.items]
        if not any(isinstance(inner, _IMPORTS) for inner in body) or _needs(needed, dropped):
            return None
        return _with_bodies(statement, body=body)
    return statement if _is_kept(statement, dropped) else None


def _is_kept(statement: ast.stmt, dropped: set[str]) -> bool:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return not _needs(_evaluated(statement), dropped)
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        value = statement.value
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        if not all(isinstance(target, ast.Name | ast.Tuple | ast.List) for target in targets):
            return False
        if isinstance(statement, ast.AugAssign) and _bound(statement) & dropped:
            return False
        return value is None or _is_constant(value, dropped, _DEFINING_CALLS)
    if isinstance(statement, ast.Expr):
        call = statement.value
        prepares = isinstance(call, ast.Call) and ast.unparse(call.func).startswith(
            _PREPARING_CALLS
        )
        return prepares and not _needs([call], dropped)
    if type(statement).__name__ == "TypeAlias":
        return True
    # The last two stand in guards.
    return isinstance(statement, (*_IMPORTS, ast.Pass, ast.Raise))


def _reduced_if(statement: ast.If, dropped: set[str]) -> ast.If | None:
    asks_who_runs = any(
        isinstance(node, ast.Name) and node.id == "__name__" for node in ast.walk(statement.test)
    )
    if asks_who_runs or not _is_constant(statement.test, dropped, _ASKING_CALLS):
        return None
    body, orelse = _kept(statement.body, dropped), _kept(statement.orelse, dropped)
    if not body and not orelse:
        return None
    return _with_bodies(statement, body=body, orelse=orelse)


def _reduced_try(statement: ast.Try | ast.TryStar, dropped: set[str]) -> ast.stmt | None:
    body = _kept(statement.body, dropped)
    if not body:
        return None
    handlers = []
    for handler in statement.handlers:
        kept = _kept(handler.body, dropped)
        if not kept:  # what it would do is work: let the error through
            kept = [ast.copy_location(ast.Raise(), handler)]
        handlers.append(_with_bodies(handler, body=kept))
    return _with_bodies(
        statement,
        body=body,
        handlers=handlers,
        orelse=_kept(statement.orelse, dropped),
        finalbody=_kept(statement.finalbody, dropped),
    )


def _with_bodies(node: _Node, **bodies: Sequence[ast.AST]) -> _Node:
    changed = copy(node)
    for field, body in bodies.items():
        fallback = [ast.copy_location(ast.Pass(), node)] if field == "body" else []
        setattr(changed, field, body or fallback)
    return changed


def _is_string(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _is_constant(node: ast.expr, dropped: set[str], calls: frozenset[str]) -> bool:
    """Tell whether an expression can be evaluated without doing work or needing its results."""
    for inner in _walk(node):
        if isinstance(inner, _WORK):
            return False
        if isinstance(inner, ast.Name) and inner.id in dropped:
            return False
        if isinstance(inner, ast.Call) and _called(inner) not in calls:
            prepares = ast.unparse(inner.func).startswith(_PREPARING_CALLS)
            if not prepares:
                return False
    return True


def _called(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _needs(nodes: list[ast.expr], dropped: set[str]) -> bool:
    return any(
        isinstance(inner, ast.Name) and inner.id in dropped
        for node in nodes
        for inner in _walk(node)
    )


def _evaluated(definition: _Definition) -> list[ast.expr]:
    """Return the expressions that are evaluated when a definition is made, not when it is used."""
    found = list(definition.decorator_list)
    if isinstance(definition, ast.ClassDef):
        found += [*definition.bases, *(keyword.value for keyword in definition.keywords)]
        own = set().union(*map(_bound, definition.body))
        for statement in definition.body:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inside = _evaluated(statement)
            else:
                inside = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
            found += [node for node in inside if getattr(node, "id", None) not in own]
    else:
        arguments = definition.args
        found += arguments.defaults + [node for node in arguments.kw_defaults if node is not None]
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        every += [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
        notes = [argument.annotation for argument in every] + [definition.returns]
        found += [note for note in notes if note is not None]
    return found


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """Walk an expression, but not into the bodies of lambdas: those are not run yet."""
    yield node
    for field, value in ast.iter_fields(node):
        if field == "body" and isinstance(node, ast.Lambda):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _walk(child)


def _bound(statement: ast.AST) -> set[str]:
    """Return the names that a statement binds, those of the blocks in it included."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, _IMPORTS):
        return {(alias.asname or alias.name).partition(".")[0] for alias in statement.names}
    if isinstance(statement, ast.Name):
        return {statement.id} if isinstance(statement.ctx, ast.Store) else set()
    return set().union(*map(_bound, ast.iter_child_nodes(statement)))
