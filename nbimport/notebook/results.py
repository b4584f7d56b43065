"""What plain expressions evaluate to, for stubs: a type in Python's words, or None if unsure.

Only what is certain without running or importing anything. Knows syntax trees.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CALLS = {
    **dict.fromkeys(("repr", "str", "format", "ascii", "chr", "input"), "str"),
    **dict.fromkeys(("len", "int", "ord", "hash", "id"), "int"),
    **dict.fromkeys(("bool", "isinstance", "issubclass", "callable", "any", "all"), "bool"),
    **dict.fromkeys(("float", "complex", "bytes", "bytearray", "range"), None),
}
_CERTAIN = (ast.In, ast.Is, ast.IsNot, ast.NotIn)  # other comparisons may give arrays


class Known(NamedTuple):
    """What a scope knows: functions and what they return, and names of modules and classes."""

    functions: dict[str, ast.expr]
    imported: set[str]


def of_function(node: ast.FunctionDef | ast.AsyncFunctionDef, known: Known) -> ast.expr | None:
    """Return the type of a function's result as an expression, or None if unsure."""
    inner = list(_own(node.body))
    if any(isinstance(part, ast.Yield | ast.YieldFrom) for part in inner):
        return None
    parameters = _parameters(node)
    returned = [part.value for part in inner if isinstance(part, ast.Return)]
    types = ["None" if value is None else type_of(value, known, parameters) for value in returned]
    if not _ends(node.body):
        if not types and any(isinstance(part, ast.Raise) for part in node.body):
            return None
        types.append("None")
    if any(text is None for text in types) or not types:
        return None
    union = " | ".join(dict.fromkeys(text for text in types if text is not None))
    return ast.parse(union, mode="eval").body


def attributes_set(
    method: ast.FunctionDef | ast.AsyncFunctionDef, known: Known
) -> Iterator[tuple[str, str | None]]:
    """Yield (name, type or None) for what a method sets on its first argument."""
    positional = [*method.args.posonlyargs, *method.args.args]
    if not positional:
        return
    own, parameters = positional[0].arg, _parameters(method)
    for node in _own(method.body):
        targets: list[ast.expr] = []
        annotation = None
        value: ast.expr | None = None
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign):
            targets, annotation = [node.target], ast.unparse(node.annotation)
        for target in targets:
            single = not isinstance(target, ast.Tuple | ast.List)
            for place in [target] if single else target.elts:  # type: ignore[attr-defined] # has them then
                if isinstance(place, ast.Attribute) and getattr(place.value, "id", None) == own:
                    known_type = type_of(value, known, parameters) if value and single else None
                    if known_type == "None":  # what it will hold is not known yet
                        known_type = None
                    yield place.attr, annotation or known_type


def type_of(  # noqa: C901, PLR0911 - one case for each kind of expression
    value: ast.expr, known: Known, parameters: dict[str, str] | None = None
) -> str | None:
    """Return the type of an expression, or None if unsure.

    Args:
        value: The expression.
        known: What its scope knows.
        parameters: Name -> annotation of the function's that it stands in.
    """
    match value:
        case ast.Constant(value=constant):
            return (
                None if constant is ... else "None" if constant is None else type(constant).__name__
            )
        case ast.JoinedStr():
            return "str"
        case ast.Name(id=name):
            return (parameters or {}).get(name)
        case ast.UnaryOp(op=ast.Not()):
            return "bool"
        case ast.UnaryOp(operand=operand):
            kind = type_of(operand, known, parameters)
            return kind if kind in ("int", "float", "complex") else None
        case ast.Compare(ops=ops) if all(isinstance(op, _CERTAIN) for op in ops):
            return "bool"
        case ast.BinOp(left=left, op=op, right=right):
            pair = type_of(left, known, parameters), type_of(right, known, parameters)
            return _arithmetic(*pair, op)
        case ast.Tuple(elts=elements):
            inner = [type_of(element, known, parameters) for element in elements]
            certain = [text for text in inner if text is not None]
            return f"tuple[{', '.join(certain) or '()'}]" if len(certain) == len(inner) else None
        case ast.List(elts=elements):
            return _container("list", elements, known, parameters)
        case ast.Set(elts=elements):
            return _container("set", elements, known, parameters)
        case ast.IfExp(body=first, orelse=second):
            both = type_of(first, known, parameters), type_of(second, known, parameters)
            certain = [text for text in dict.fromkeys(both) if text is not None]
            return " | ".join(certain) if None not in both else None
        case ast.Call(func=function):
            return _called(function, known, parameters or {})
    return None


def _called(function: ast.expr, known: Known, parameters: dict[str, str]) -> str | None:
    text = ast.unparse(function)
    root, _, _ = text.partition(".")
    if root in parameters:
        return None
    if text in known.functions:
        return ast.unparse(known.functions[text])
    if (
        root in known.imported
        and text.rpartition(".")[2][:1].isupper()
        and text.replace(".", "").isidentifier()
    ):
        return text  # a class by the convention that all of Python follows
    return _CALLS[text] or text if text in _CALLS else None


def _container(
    kind: str, elements: list[ast.expr], known: Known, parameters: dict[str, str] | None
) -> str | None:
    inner = {type_of(element, known, parameters) for element in elements}
    return f"{kind}[{inner.pop()}]" if len(inner) == 1 and None not in inner else None


def _arithmetic(left: str | None, right: str | None, op: ast.operator) -> str | None:
    if left == right == "str":
        return "str" if isinstance(op, ast.Add) else None
    numbers = ("int", "float")
    if left not in numbers or right not in numbers or isinstance(op, ast.Pow | ast.MatMult):
        return "str" if left == "str" and isinstance(op, ast.Mod) else None
    is_float = "float" in (left, right) or isinstance(op, ast.Div)
    return "float" if is_float else "int"


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, str]:
    """Return name -> annotation of a function's parameters that it does not assign to."""
    every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    changed = {
        part.id
        for part in _own(node.body)
        if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load)
    }
    # One without annotation is there too: it hides what has its name outside.
    found = {argument.arg: argument.annotation for argument in every if argument.arg not in changed}
    return {name: ast.unparse(annotation) for name, annotation in found.items() if annotation}


def _own(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield all nodes of a function's body, without those of functions and classes inside it."""
    for node in body:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield from _own(ast.iter_child_nodes(node))


def _ends(body: list[ast.stmt]) -> bool:
    """Tell whether statements never go on to what follows them."""
    match body[-1]:
        case ast.Return() | ast.Raise():
            return True
        case ast.If(body=first, orelse=second):
            return bool(second) and _ends(first) and _ends(second)
        case ast.With(body=inner) | ast.AsyncWith(body=inner):
            return _ends(inner)
        case ast.While(test=ast.Constant(value=True)) as loop:
            return not any(isinstance(part, ast.Break) for part in _own(loop.body))
        case ast.Try(body=inner, handlers=handlers, orelse=orelse, finalbody=final):
            always = bool(final) and _ends(final)
            return always or (
                _ends(orelse or inner) and all(_ends(handler.body) for handler in handlers)
            )
    return False
