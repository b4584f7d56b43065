"""What a compiled notebook calls while it runs, for the few cells that plain Python can't run alone.

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
    from collections.abc import Callable, Coroutine, Iterator

# One event loop for all cells of a module, as in a session; by the id of the module's namespace.
_runners: dict[int, asyncio.Runner] = {}


def awaited(coroutine: Coroutine[Any, Any, object], namespace: dict[str, Any]) -> None:
    """Run a cell with top-level ``await`` to its end, also while this thread's event loop runs."""
    runner = _runners.setdefault(id(namespace), asyncio.Runner())
    with _no_loop_running():
        runner.run(coroutine)


def finish(namespace: dict[str, Any]) -> None:
    """Close the event loop that a module's cells have used, if there is one."""
    runner = _runners.pop(id(namespace), None)
    if runner is not None:
        with _no_loop_running():
            runner.close()


def captured(cell: Callable[[], object], arguments: str, namespace: dict[str, Any]) -> None:
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
        result = cell()
        if asyncio.iscoroutine(result):
            awaited(result, namespace)
    if names:
        namespace[names[0]] = output


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

    return display(*objects, **options)  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def _no_loop_running() -> Iterator[None]:
    """Suspend the event loop that runs in this thread, so that another one may run.

    An import is synchronous: nothing of the outer loop can run before it returns. Another thread
    would do too, but it would wait for ever on the import locks that this one holds.
    """
    loop = asyncio._get_running_loop()  # what loops are told to use
    if loop is None:
        yield
        return
    task = asyncio.current_task(loop)
    if task is not None:
        asyncio.tasks._leave_task(loop, task)
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(loop)
        if task is not None:
            asyncio.tasks._enter_task(loop, task)
