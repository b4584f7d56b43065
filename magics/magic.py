"""`%convprofile`: parse, ask, display. Nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import (
    Magics,
    line_cell_magic,
    magics_class,
    needs_local_scope,
    no_var_expand,
)
from IPython.display import display

from magics import cell_runner, completion
from magics.bars import bar_for
from magics.cell import profile_cell
from magics.errors import ConvProfileError
from magics.progress import reported_to
from magics.request import PARSER, Request, read
from magics.session import Interrupted

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from magics.records.saved import Saved


_NOTHING_YET = (
    "KeyboardInterrupt: %convprofile: interrupted before there was anything to show; "
    "models are as they were"
)


@magics_class
class ConvProfileMagics(Magics):
    """The magic."""

    shell: InteractiveShell

    @no_var_expand
    @needs_local_scope
    @line_cell_magic
    def convprofile(
        self, line: str, cell: str | None = None, local_ns: dict[str, Any] | None = None
    ) -> Saved | None:
        """Show what each layer of a model costs on an input, or in a cell."""
        __tracebackhide__ = True
        name = "%convprofile" if cell is None else "%%convprofile"
        try:
            request = read(line, cell=cell is not None)
            if request.help:
                print(PARSER.format_help())  # noqa: T201, what was asked for
                return None
            if cell is None:
                return self._shown(request, self._answer(request, local_ns or {}))
            options = request.for_cell()
            run = cell_runner.prepared(self.shell, cell)
        except ConvProfileError as error:
            raise UsageError(f"{name}: {error}") from error
        found = profile_cell(run, self.shell.user_ns, **options)
        try:
            self._shown(request, found.profile)
        except ConvProfileError as error:
            if found.error is None:
                raise UsageError(f"{name}: {error}") from error
        if found.error is not None:
            raise cell_runner.as_usual(self.shell, found.error)
        return None

    convprofile.__doc__ = PARSER.format_help()

    def _answer(self, request: Request, local_ns: dict[str, Any]) -> Saved | None:
        try:
            with reported_to(bar_for(self.shell)):
                return request.answer({**self.shell.user_ns, **local_ns})
        except Interrupted as interruption:
            return interruption.partial
        except KeyboardInterrupt as interruption:
            interruption._render_traceback_ = lambda: [_NOTHING_YET]  # type: ignore[attr-defined]
            raise

    def _shown(self, request: Request, found: Saved | None) -> Saved | None:
        if found is None:  # another process shows it
            return None
        view = request.outcome.viewed(found)
        shown = request.outcome.compared(view)
        if request.name:
            self.shell.user_ns[request.name] = shown
        silent = request.returned or request.quiet
        if not silent:
            display(shown)
        try:
            request.outcome.save(view)
        except ConvProfileError:
            if silent and not request.name:  # else what was measured would be lost
                display(shown)
            raise
        return shown if request.returned else None


def register(shell: InteractiveShell) -> None:
    """Make the magic known to a shell."""
    shell.register_magics(ConvProfileMagics)
    completion.register(shell)


def unregister(shell: InteractiveShell) -> None:
    """Take the magic from a shell."""
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("convprofile", None)
    shell.magics_manager.registry.pop("ConvProfileMagics", None)
    completion.unregister(shell)
