"""Runs a cell's text in IPython's namespace, once, as if it stood alone in its cell."""

from __future__ import annotations

import ast
from types import TracebackType
from typing import TYPE_CHECKING, Any

from IPython.core.displayhook import DisplayHook

from magics.errors import InputError
from magics.measurement.cells import bystander, first_calls, live_times

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

    from IPython.core.interactiveshell import InteractiveShell

_FRAMES = frozenset({__file__, bystander.__file__, first_calls.__file__, live_times.__file__})
_ASSIGNMENTS = (ast.Assign, ast.AugAssign, ast.AnnAssign)


def prepared(shell: InteractiveShell, cell: str) -> Callable[[], None]:
    """Return what runs a cell: its last expression is displayed, as usual.

    Raises:
        InputError: If the cell awaits something.
        SyntaxError: If it is not Python.
    """
    # One line stands above the cell's text, the magic's own: so its lines have their numbers.
    source = "\n" + shell.transform_cell(cell)
    if shell.should_run_async(cell, transformed_cell=source):
        raise InputError(
            "a cell that awaits can't be profiled; await in another cell, and profile what it "
            "calls: %convprofile MODEL INPUT",
        )
    name = shell.compile.cache(source, shell.execution_count, raw_code=source)
    tree = shell.transform_ast(shell.compile.ast_parse(source, filename=name))
    silent = DisplayHook.semicolon_at_end_of_expression(cell)
    codes = _compiled(shell, tree, name, "none" if silent else shell.ast_node_interactivity)

    def run() -> None:
        __tracebackhide__ = True
        for code in codes:
            exec(code, shell.user_global_ns, shell.user_ns)  # noqa: S102, the user's own cell

    return run


def _compiled(
    shell: InteractiveShell, tree: ast.Module, name: str, interactivity: str
) -> list[CodeType]:
    body = list(tree.body)
    last = body[-1] if body else None
    if interactivity == "last_expr_or_assign" and isinstance(last, _ASSIGNMENTS):
        target = last.targets[0] if isinstance(last, ast.Assign) else last.target
        if isinstance(target, ast.Name):
            shown = ast.Expr(ast.Name(target.id, ast.Load()))
            body.append(ast.fix_missing_locations(ast.copy_location(shown, last)))
    shows_last = interactivity.startswith("last_expr") and body and isinstance(body[-1], ast.Expr)
    first = len(body)
    if interactivity == "all":
        first = 0
    elif interactivity == "last" or shows_last:
        first -= 1
    compiled: Any = shell.compile  # it takes trees, too, whatever its type says
    codes = [compiled(ast.Module(body[:first], []), name, "exec")]
    return codes + [compiled(ast.Interactive([node]), name, "single") for node in body[first:]]


def as_usual(shell: InteractiveShell, error: BaseException) -> BaseException:
    """Return a cell's exception such that its traceback begins at the cell."""
    trace = _without(_FRAMES, _from_cell(shell, error.__traceback__))

    def rendered() -> Any:  # noqa: ANN401, IPython's lines
        return shell.InteractiveTB.structured_traceback(
            type(error), error, trace or error.__traceback__, tb_offset=0
        )

    error._render_traceback_ = rendered  # type: ignore[attr-defined]
    return error


def _without(files: frozenset[str], trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the frames of those who merely look on."""
    if trace is None:
        return None
    after = _without(files, trace.tb_next)
    if trace.tb_frame.f_code.co_filename in files:
        return after
    return TracebackType(after, trace.tb_frame, trace.tb_lasti, trace.tb_lineno)


def _from_cell(shell: InteractiveShell, trace: TracebackType | None) -> TracebackType | None:
    space = shell.user_global_ns
    while trace is not None and trace.tb_frame.f_globals is not space:
        trace = trace.tb_next
    return trace
