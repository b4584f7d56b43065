"""Reduce a cell to what defines something: imports, functions, classes, constants; no work is run.

Knows syntax trees and text only. What a definition needs as soon as it is made (a base class, a
decorator, a default) must be there too: a definition that needs the result of work goes with it.
"""

from __future__ import annotations

import ast
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# Calls that make a value, or ask about the machine, rather than do work.
_CHEAP_CALLS = frozenset(
    "TypeVar ParamSpec TypeVarTuple NewType NamedTuple TypedDict namedtuple Enum IntEnum StrEnum"
    " Flag IntFlag getLogger compile Path PurePath join dirname abspath realpath basename"
    " expanduser home cwd resolve with_suffix with_name Fraction Decimal date datetime timedelta"
    " timezone partial itemgetter attrgetter methodcaller float int str bytes bool complex tuple"
    " list dict set frozenset object slice range zip enumerate reversed defaultdict OrderedDict"
    " Counter deque ChainMap MappingProxyType SimpleNamespace ContextVar Lock RLock local len min"
    " max sum abs round sorted chr ord device dtype array asarray tensor arange linspace zeros ones"
    " eye split strip lower upper title replace format encode decode keys values items copy union"
    " import_module __import__ is_available find_spec hasattr getattr isinstance issubclass"
    " callable exists isfile isdir is_file is_dir startswith endswith get getenv system machine"
    " python_version version parse Version".split()
)
# Calls without which later imports would not find what they import.
_PREPARING_CALLS = ("sys.path.", "nbimport.", "site.addsitedir")
_Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_IMPORTS = (ast.Import, ast.ImportFrom)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_WORK = (ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)


class Edit(NamedTuple):
    """Say that a statement's text is replaced; columns count bytes, as in syntax trees."""

    first_line: int
    first_column: int
    last_line: int
    last_column: int
    text: str


def base_names(tree: ast.AST) -> set[str]:
    """Return the names that the decorators and base classes in a cell begin with."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, _DEFINITIONS):
            bases = node.bases if isinstance(node, ast.ClassDef) else []
            found |= {_dotted(base).partition(".")[0] for base in [*node.decorator_list, *bases]}
    return found


def only_definitions(tree: ast.Module, dropped: set[str], needed: set[str]) -> list[Edit]:
    """Replace in a cell's tree whatever is no definition; return what that means for its text.

    Args:
        tree: The cell; changed in place, every statement keeps its line.
        dropped: Names that earlier cells assign by doing work. What needs one of them is dropped
            as well. This cell's own dropped names are added.
        needed: The `base_names` of all cells: an object made for them is kept, as in
            ``app = Flask(__name__)`` before ``@app.route("/")``.
    """
    reducer = _Reducer(dropped, needed)
    first = 1 if tree.body and _is_string(tree.body[0]) else 0
    rest = tree.body[first:]
    reducer.reduce(rest, top=True)
    tree.body[first:] = rest
    return reducer.edits


def edited(source: str, edits: Iterable[Edit]) -> str:
    """Return a cell's text with statements replaced, on as many lines as before."""
    lines = source.encode().split(b"\n")
    for edit in sorted(edits, reverse=True):
        first, last = edit.first_line - 1, edit.last_line - 1
        head, tail = lines[first][: edit.first_column], lines[last][edit.last_column :]
        follows = tail.lstrip().startswith(b";")
        at_top = edit.text == "pass" and not head and not follows  # nothing has to stand there
        new = [head if at_top else head + edit.text.encode(), *[b""] * (last - first)]
        if (
            follows
        ):  # the next statement starts on the last line: continue the first one up to there
            new[:-1] = [line + b"\\" for line in new[:-1]]
        new[-1] += tail
        lines[first : last + 1] = new
    return b"\n".join(lines).decode()


class _Reducer:
    def __init__(self, dropped: set[str], needed: set[str]) -> None:
        self.edits: list[Edit] = []
        self._dropped = dropped
        self._needed = needed

    def reduce(self, body: list[ast.stmt], *, top: bool = False) -> bool:
        """Reduce a block; tell whether anything of it is left."""
        anything = False
        for position, statement in enumerate(body):
            mark = len(self.edits)
            if self._keeps(statement, top=top):
                self._dropped -= _bound(statement)
                anything = True
            else:
                del self.edits[mark:]  # those of the blocks inside
                self._dropped |= _bound(statement)
                self._replace(body, position, ast.Pass())
        return anything

    def _replace(self, body: list[ast.stmt], position: int, new: ast.stmt) -> None:
        old = body[position]
        body[position] = ast.copy_location(new, old)
        first = min([old.lineno, *(d.lineno for d in getattr(old, "decorator_list", ()))])
        end = (old.end_lineno or old.lineno, old.end_col_offset or 0)
        self.edits.append(Edit(first, old.col_offset, *end, type(new).__name__.lower()))

    def _keeps(self, statement: ast.stmt, *, top: bool) -> bool:  # noqa: C901, PLR0911 - one case a kind
        """Tell whether a statement stays, without the work inside it."""
        match statement:
            case ast.If():
                return self._keeps_if(statement)
            case ast.Try() | ast.TryStar():
                return self._keeps_try(statement)
            case ast.With():
                needed = [item.context_expr for item in statement.items]
                has_import = any(isinstance(inner, _IMPORTS) for inner in statement.body)
                return has_import and not self._needs(needed) and self.reduce(statement.body)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return not self._needs(_evaluated(statement))
            case ast.Assign():
                return self._keeps_assignment(statement.targets, statement.value)
            case ast.AnnAssign():
                return self._keeps_assignment([statement.target], statement.value)
            case ast.AugAssign():
                given = not _bound(statement) & self._dropped
                return given and self._keeps_assignment([statement.target], statement.value)
            case ast.Expr(value=ast.Call() as call):
                prepares = _dotted(call.func).startswith(_PREPARING_CALLS)
                return prepares and not self._needs([call])
            case ast.Import() | ast.ImportFrom():
                return True
            case ast.Pass() | ast.Raise():
                return not top  # what guards are made of
            case _:
                return type(statement).__name__ == "TypeAlias"  # since Python 3.12

    def _keeps_if(self, statement: ast.If) -> bool:
        asks_who_runs = "__name__" in _names([statement.test])
        if asks_who_runs or not self._is_constant(statement.test):
            return False
        kept = self.reduce(statement.body)
        match statement.orelse:
            case [ast.If() as other] if other.col_offset == statement.col_offset:  # an elif
                mark = len(self.edits)
                if self.reduce(statement.orelse):
                    return True
                statement.orelse = []
                last = self.edits[-1]
                self.edits[mark:] = [last._replace(text="")]
                return kept
        return self.reduce(statement.orelse) or kept

    def _keeps_try(self, statement: ast.Try | ast.TryStar) -> bool:
        if not self.reduce(statement.body):
            return False
        for handler in statement.handlers:
            mark = len(self.edits)
            if not self.reduce(handler.body):  # what it would do is work: let the error through
                handler.body[0] = ast.copy_location(ast.Raise(), handler.body[0])
                self.edits[mark] = self.edits[mark]._replace(text="raise")
        self.reduce(statement.orelse)
        self.reduce(statement.finalbody)
        return True

    def _keeps_assignment(self, targets: Sequence[ast.expr], value: ast.expr | None) -> bool:
        if not all(isinstance(target, ast.Name | ast.Tuple | ast.List) for target in targets):
            return False
        names = _names(targets)
        # In capitals, a comprehension is a table written short; else it is a result.
        is_table = all(name.isupper() for name in names)
        if value is None or self._is_constant(value, tables=is_table):
            return True
        if isinstance(value, ast.Call) and names & self._needed and _makes(value):
            parts = [value.func, *value.args, *(keyword.value for keyword in value.keywords)]
            return all(map(self._is_constant, parts))
        return False

    def _is_constant(self, node: ast.expr, *, tables: bool = False) -> bool:
        """Tell whether an expression can be evaluated without doing work or needing its results."""
        own = {
            n.id for n in _walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
        for inner in _walk(node):
            if isinstance(inner, _WORK) or (isinstance(inner, _COMPREHENSIONS) and not tables):
                return False
            if isinstance(inner, ast.Name) and inner.id in self._dropped - own:
                return False
            if isinstance(inner, ast.Call):
                name = _dotted(inner.func)
                cheap = name.rpartition(".")[2] in _CHEAP_CALLS
                if not cheap and not name.startswith(_PREPARING_CALLS):
                    return False
        return True

    def _needs(self, nodes: Iterable[ast.AST]) -> bool:
        return not self._dropped.isdisjoint(_names(nodes))


def _makes(call: ast.Call) -> bool:
    """Tell whether a call makes an object rather than does work, by the look of its name."""
    name = _dotted(call.func).rpartition(".")[2]
    return name == "declarative_base" or (name[:1].isupper() and name != name.upper())


def _is_string(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
    return False


def _dotted(node: ast.expr) -> str:
    """Return "a.b" for an expression that ends so, and "a.b" for its call; parts may be empty."""
    parts = []
    while True:
        match node:
            case ast.Call():
                node = node.func
            case ast.Attribute():
                parts.append(node.attr)
                node = node.value
            case _:
                parts.append(getattr(node, "id", ""))
                return ".".join(reversed(parts))


def _names(nodes: Iterable[ast.AST]) -> set[str]:
    every = chain.from_iterable(map(_walk, nodes))
    return {node.id for node in every if isinstance(node, ast.Name)}


def _evaluated(definition: _Definition) -> list[ast.AST]:
    """Return the expressions that are evaluated when a definition is made, not when it is used."""
    found: list[ast.AST] = list(definition.decorator_list)
    if isinstance(definition, ast.ClassDef):
        found += [*definition.bases, *(keyword.value for keyword in definition.keywords)]
        own = set().union(*map(_bound, definition.body))
        for statement in definition.body:
            inside = _evaluated(statement) if isinstance(statement, _DEFINITIONS) else [statement]
            found += [ast.Name(name) for name in _names(inside) - own]
    else:
        arguments = definition.args
        found += [node for node in (*arguments.defaults, *arguments.kw_defaults) if node]
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        every += [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
        notes = [argument.annotation for argument in every] + [definition.returns]
        found += [note for note in notes if note is not None]
    return found


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """Walk a tree, but not into the bodies of lambdas: those are not run yet."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend([node.args] if isinstance(node, ast.Lambda) else ast.iter_child_nodes(node))


def _bound(statement: ast.AST) -> set[str]:
    """Return the names that a statement binds, those of the blocks in it included."""
    found = set()
    waiting = [statement]
    while waiting:
        match node := waiting.pop():
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                found.add(node.name)
            case ast.Import() | ast.ImportFrom():
                found |= {(item.asname or item.name).partition(".")[0] for item in node.names}
            case ast.Name():
                if isinstance(node.ctx, ast.Store):
                    found.add(node.id)
            case ast.comprehension() | ast.Lambda():
                pass  # binds in a scope of its own
            case _:
                waiting.extend(ast.iter_child_nodes(node))
    return found
