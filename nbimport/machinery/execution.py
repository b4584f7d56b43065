"""What a compiled notebook calls while it runs, for cells that plain Python can't run alone.

Top-level ``await``, ``%%capture``, and the two names that every session has: ``display`` and
``get_ipython``. Imported only by a notebook that needs one of these.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import io
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FunctionType, TracebackType

_COROUTINE = 0x80  # inspect.CO_COROUTINE
# One event loop for all cells of a module, as in a session; by the id of the module's namespace.
_runners: dict[int, asyncio.Runner] = {}


def run(cell: FunctionType) -> None:
    """Run a cell of a module with top-level ``await`` to its end, as a kernel would.

    In a kernel an event loop is running whatever the cell, so one cell can create a task and
    another await it. Cells without ``await`` see the same loop, and run in the importer's context.
    """
    namespace = cell.__globals__
    runner = _runners.get(id(namespace))
    if runner is None:
        # With a factory, the thread's own event loop stays the one that is set.
        runner = _runners[id(namespace)] = asyncio.Runner(loop_factory=asyncio.new_event_loop)
    try:
        if cell.__code__.co_flags & _COROUTINE:
            with _running_loop(None):
                runner.run(cell())
        else:
            with _running_loop(runner.get_loop()):
                cell()
    except BaseException as error:  # noqa: BLE001 - it goes on, with less to read
        raise error.with_traceback(_from(cell, error.__traceback__))  # noqa: B904 - the same error


def finish(namespace: dict[str, Any]) -> None:
    """Close the event loop that a module's cells have used, if there is one."""
    runner = _runners.pop(id(namespace), None)
    if runner is not None:
        with _running_loop(None):
            runner.close()


def captured(cell: FunctionType, arguments: str, awaits: bool) -> None:  # noqa: FBT001 - compiled
    """Run a cell under ``%%capture`` and bind what it printed, if the magic names a variable."""
    words = arguments.split()
    names = [word for word in words if not word.startswith("-")]
    if names or "IPython" in sys.modules:
        from IPython.utils.capture import capture_output  # IPython is dear

        shown = ("--no-stdout", "--no-stderr", "--no-display")
        capture: Any = capture_output(*(word not in words for word in shown))
    else:
        capture = contextlib.ExitStack()
        if "--no-stdout" not in words:
            capture.enter_context(contextlib.redirect_stdout(io.StringIO()))
        if "--no-stderr" not in words:
            capture.enter_context(contextlib.redirect_stderr(io.StringIO()))
    with capture as output:
        if awaits:
            run(cell)
        else:
            cell()
    if names:
        cell.__globals__[names[0]] = output


def provide(name: str, namespace: dict[str, Any], magics: str) -> None:
    """Give a module ``display`` or ``get_ipython``, which a notebook may take for granted."""
    if name == "get_ipython":
        from nbimport.machinery.shell import ModuleShell  # only with magics

        shell = ModuleShell(namespace, magics)
        namespace[name] = lambda: shell
    elif name not in vars(builtins):  # there inside IPython
        namespace[name] = _display


def _display(*objects: object, **options: object) -> object:
    """Display objects as IPython does; print them where there is no front end."""
    from IPython.display import display  # IPython is dear

    return display(*objects, **options)


@contextlib.contextmanager
def _running_loop(inner: asyncio.AbstractEventLoop | None) -> Iterator[None]:
    """Let another event loop, or none, be the one that is running in this thread.

    An import is synchronous: nothing of the outer loop can run before it returns. Another thread
    would do too, but it would wait for ever on the import locks that this one holds.
    """
    outer = asyncio._get_running_loop()  # what loops are told to use
    task = None if outer is None else asyncio.current_task(outer)
    if outer is not None and task is not None:
        asyncio.tasks._leave_task(outer, task)
    asyncio._set_running_loop(inner)
    try:
        yield
    finally:
        asyncio._set_running_loop(outer)
        if outer is not None and task is not None:
            asyncio.tasks._enter_task(outer, task)


def _from(cell: FunctionType, trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback from the cell's frame on; asyncio's frames before it tell nothing."""
    found = trace
    while found is not None and found.tb_frame.f_code is not cell.__code__:
        found = found.tb_next
    return found or trace


# CPython cuts frames of this file and function name from the traceback of an import.
for _function in (run, captured):
    _function.__code__ = _function.__code__.replace(
        co_filename="<frozen importlib._bootstrap_external>", co_name="_call_with_frames_removed"
    )
