"""Python source -> the text of its type stub: what the module's names are, without what it does.

Values of variables stay where they are short: type checkers infer from them what they would infer
in a ``.py`` file. Functions keep their annotations; where a result has none, `results` tells it
from plain ``return`` statements. Knows syntax trees, neither notebooks nor files.
"""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING

from nbimport.notebook import results, statements

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbimport.notebook.statements import Function

# Decorators that say what a name is; others are taken to leave it what it was.
_TELLING = frozenset(
    "abstractmethod asynccontextmanager cache cached_property classmethod contextmanager dataclass "
    "dataclass_transform deleter deprecated final getter lru_cache overload override property "
    "runtime_checkable setter staticmethod total_ordering unique".split()
)
_PARTS_OF_ONE = ("deleter", "getter", "overload", "setter")
_UNKNOWN = "Incomplete"
_HEADER = "from _typeshed import Incomplete"
_EMPTY = {"[]": "list", "{}": "dict", "list()": "list", "dict()": "dict", "set()": "set"}
_PARAMETERS = {"list": 1, "dict": 2, "set": 1}
_NO_VALUES = (ast.Await, ast.NamedExpr, ast.Yield, ast.YieldFrom, ast.Starred)


def stub_of(source: str) -> str:
    """Return the stub of a module.

    Raises:
        SyntaxError: The source is not Python; top-level ``await`` is.
    """
    tree = ast.parse(source)
    scope = _Scope(frozenset(dir(builtins)))
    docstring = ast.get_docstring(tree, clean=False)
    scope.read(tree.body)
    lines = [] if docstring is None else [repr_of(docstring), ""]
    body = scope.lines()
    if any(_UNKNOWN in line for line in body):
        lines += [_HEADER, ""]
    return "\n".join([*lines, *body]).rstrip("\n") + "\n"


def repr_of(docstring: str) -> str:
    """Return a docstring as it is written, over several lines."""
    return ast.unparse(ast.Module([ast.Expr(ast.Constant(docstring))], []))


class _Scope:
    """Collect the declarations of a module or a class, in order; the last of a name counts.

    Args:
        outside: Names that can be used without being declared here.
        kept: True in an enumeration, where every value is part of the type.
    """

    def __init__(
        self, outside: frozenset[str], *, in_class: bool = False, kept: bool = False
    ) -> None:
        self._outside = outside
        self._in_class = in_class
        self._kept = kept
        self._imports: dict[str, list[str]] = {}
        self._stars: list[str] = []
        # Name -> what to write for it: finished lines, or a node that waits until all are known.
        self._found: dict[str, list[list[str] | ast.Assign]] = {}
        self.known = results.Known({}, set())

    def read(  # noqa: C901 - one case for each kind of statement
        self, body: Iterable[ast.stmt], *, again: bool = True
    ) -> None:
        """Collect what statements declare; with ``again=False`` known names stay as they are."""
        for node in body:
            match node:
                case ast.Import() | ast.ImportFrom():
                    self._import(node)
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    self._function(node, again=again)
                case ast.ClassDef():
                    self._class(node)
                case ast.Assign():
                    self._assign(node, again=again)
                case ast.AnnAssign(target=ast.Name(id=name)):
                    self._declare(name, [self._annotated(node)], again=again)
                case ast.AugAssign(target=ast.Name(id="__all__")):
                    self._found.setdefault("__all__", []).append([ast.unparse(node)])
                case ast.Delete():
                    for name in statements.names(node.targets):
                        self._found.pop(name, None)
                case _ if type(node).__name__ == "TypeAlias":  # from Python 3.12 on
                    text = ast.unparse(node)
                    self._declare(text.split()[1].partition("[")[0], [text], again=again)
                case _:
                    self._unknown(statements.bound_by(node))
                    for block, is_other in statements.blocks(node):
                        self.read(block, again=again and not is_other)

    def lines(self) -> list[str]:
        """Return what was collected."""
        lines = [*self._stars, *(line for same in self._imports.values() for line in same)]
        if lines:
            lines.append("")
        for name, entries in self._found.items():
            for entry in entries:
                lines += entry if isinstance(entry, list) else [self._value(name, entry.value)]
        return lines

    def _declare(self, name: str, what: list[str] | ast.Assign, *, again: bool = True) -> None:
        if again or not (name in self._found or name in self._imports):
            self._imports.pop(name, None)
            self._found.pop(name, None)  # a later cell's stands in its later place
            self._found[name] = [what]

    def _unknown(self, names: Iterable[str]) -> None:
        for name in names:
            self._declare(name, [f"{name}: {_UNKNOWN}"], again=False)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        """Keep an import; ``as`` the same name lets it be imported from here, as from a module."""
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            return
        origin = (
            "" if isinstance(node, ast.Import) else f"from {'.' * node.level}{node.module or ''} "
        )
        for alias in node.names:
            name = alias.asname or alias.name
            if name == "*":
                self._stars.append(f"{origin}import *")
                continue
            top = name if origin else name.partition(".")[0]
            self._found.pop(top, None)
            self.known.imported.add(top)
            same = f" as {name}" if "." not in name else ""
            line = f"{origin}import {alias.name}{same}"
            lines = self._imports.setdefault(top, [])
            if "." not in name:  # `import os` and `import os.path` go together, other things don't
                lines[:] = [old for old in lines if line.startswith("import ") and "." in old]
            lines.append(line)

    def _function(self, node: Function, *, again: bool) -> None:
        kept = [d for d in node.decorator_list if statements.last_name(d) in _TELLING]
        lines = [f"@{ast.unparse(decorator)}" for decorator in kept]
        returns = node.returns or results.of_function(node, self.known)
        head = statements.head(node, args=statements.shortened(node.args), returns=returns)
        docstring = ast.get_docstring(node, clean=False)
        if docstring is None:
            lines.append(f"{head} ...")
        else:
            lines += [head, *_indented(repr_of(docstring).split("\n")), "    ..."]
        parts = [statements.last_name(decorator) for decorator in kept]
        if any(part in _PARTS_OF_ONE for part in parts):
            self._found.setdefault(node.name, []).append(lines)
        elif not self._is_overloaded(node.name):
            self._declare(node.name, lines, again=again)
        if isinstance(node, ast.FunctionDef) and not kept and node.returns is not None:
            self.known.functions[node.name] = node.returns

    def _is_overloaded(self, name: str) -> bool:
        """Tell whether the signatures of a name have been declared, and its body comes now."""
        first = (entry[0] for entry in self._found.get(name, ()) if isinstance(entry, list))
        return any(line.startswith("@") and line.endswith("overload") for line in first)

    def _class(self, node: ast.ClassDef) -> None:
        self.known.imported.add(node.name)
        is_enum = any(
            (statements.last_name(base) or "").endswith(("Enum", "Flag")) for base in node.bases
        )
        outside = self._outside | self._found.keys() | self.known.imported
        inside = _Scope(frozenset(outside), in_class=True, kept=is_enum)
        inside.known = results.Known(dict(self.known.functions), set(self.known.imported))
        inside.read(node.body)
        inside.attributes(node)
        decorators = [
            f"@{ast.unparse(d)}" for d in node.decorator_list if statements.last_name(d) in _TELLING
        ]
        docstring = ast.get_docstring(node, clean=False)
        body = [] if docstring is None else repr_of(docstring).split("\n")
        body += inside.lines() or ["..."]
        self._declare(node.name, [*decorators, statements.head(node), *_indented(body)])

    def attributes(self, node: ast.ClassDef) -> None:
        """Declare what the methods of a class set on their instance."""
        for method in node.body:
            if not isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if any(
                statements.last_name(d) in ("classmethod", "staticmethod")
                for d in method.decorator_list
            ):
                continue
            for name, text in results.attributes_set(method, self.known):
                self._declare(name, [f"{name}: {text or _UNKNOWN}"], again=False)

    def _assign(self, node: ast.Assign, *, again: bool) -> None:
        for target in node.targets:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple | ast.List):
                if isinstance(node.value, ast.Tuple | ast.List) and len(node.value.elts) == len(
                    target.elts
                ):
                    pairs = list(zip(target.elts, node.value.elts, strict=True))
                else:
                    self._unknown(statements.names([target]))
                    continue
            for place, value in pairs:
                if isinstance(place, ast.Name):
                    self._declare(place.id, ast.Assign([place], value, lineno=1), again=again)
                else:
                    self._unknown(statements.names([place]))

    def _value(self, name: str, value: ast.expr) -> str:
        """Return the declaration of a variable that has no annotation."""
        text = ast.unparse(value)
        if text in _EMPTY and not self._kept:
            kind = _EMPTY[text]
            return f"{name}: {kind}[{', '.join([_UNKNOWN] * _PARAMETERS[kind])}]"
        if text == "None" and not self._kept:
            return f"{name}: {_UNKNOWN} | None"
        here = self._outside | self._found.keys() | self.known.imported
        if not self._stars and not statements.used(value) <= here:
            return f"{name}: {_UNKNOWN}"
        is_plain = not any(isinstance(part, _NO_VALUES) for part in ast.walk(value))
        if (is_plain and len(text) <= statements.LONGEST) or self._kept or name == "__all__":
            return f"{name} = {text}"
        return f"{name}: {results.type_of(value, self.known) or _UNKNOWN}"

    def _annotated(self, node: ast.AnnAssign) -> str:
        text = f"{ast.unparse(node.target)}: {ast.unparse(node.annotation)}"
        if node.value is None:
            return text
        value = ast.unparse(node.value)
        if any(word in text for word in ("Final", "TypeAlias")) or value.startswith(
            ("field(", "dataclasses.field(")
        ):
            return f"{text} = {value}"
        return f"{text} = ..." if self._in_class else text


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" if line else "" for line in lines]
