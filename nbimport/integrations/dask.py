"""dask.distributed: a plugin for clusters that nbimport did not start, and what to say without it.

The processes of a `LocalCluster` come from `multiprocessing` and have the hook, see `children`. A
scheduler and workers that were started elsewhere need ``--preload nbimport``, or this plugin.
"""

from __future__ import annotations

import pickle
import sys
from typing import TYPE_CHECKING, Any

from distributed.diagnostics.plugin import SchedulerPlugin, WorkerPlugin

from nbimport.integrations import children
from nbimport.machinery import tools

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

_ADVICE = (
    "{name!r} is a notebook here, and a process of the cluster can't import it; write "
    "client.register_plugin(nbimport.integrations.dask.NotebookPlugin()) after "
    "`import nbimport.integrations.dask`, or start scheduler and workers with "
    "`--preload nbimport` where the notebook lies on their search path"
)
_NOT_INSTALLED = (
    "a process of the cluster has no nbimport; install it there, or send by value what is in a "
    "notebook: cloudpickle.register_pickle_by_value(module)"
)


class NotebookPlugin(SchedulerPlugin):
    """Let scheduler and workers of a cluster import this process's notebooks.

    Register it after the notebooks have been mounted: ``client.register_plugin(NotebookPlugin())``.
    All of them need nbimport installed and the notebooks at the same paths.
    """

    name = "nbimport"

    def __init__(self) -> None:
        self._worker_plugin = for_workers()

    async def start(self, scheduler: Any) -> None:  # noqa: ANN401 - a Scheduler
        """Prepare the scheduler, which unpickles tasks, and every worker, also those to come."""
        self._worker_plugin.setup()
        plugin = pickle.dumps(self._worker_plugin)
        await scheduler.register_worker_plugin(
            comm=None, plugin=plugin, name=self.name, idempotent=False
        )


class _WorkerPlugin(WorkerPlugin):
    """Prepare one process; unpickling it has imported nbimport."""

    name = NotebookPlugin.name

    def __init__(self, paths: list[str], state: bytes) -> None:
        self._paths = paths
        self._state = state

    def setup(self, worker: object = None) -> None:
        """Take over the client's search path, mounts and settings."""
        del worker
        sys.path += [path for path in self._paths if path not in sys.path]
        children.receive(self._state)


def for_workers() -> _WorkerPlugin:
    """Return the part of a `NotebookPlugin` that workers get.

    It is enough where the scheduler has nothing of a notebook to unpickle.
    """
    return _WorkerPlugin(children.search_path(), pickle.dumps(children.current_state()))


def extend(client: ModuleType) -> Callable[[], None]:
    """Say what to do when a process of the cluster has not found a notebook; return the undo."""
    original = client.clean_exception

    def clean_exception(*args: Any, **options: Any) -> tuple[Any, Any, Any]:  # noqa: ANN401 - theirs
        kind, error, trace = original(*args, **options)
        advice = _advice_on(error)
        if advice is not None and advice not in getattr(error, "__notes__", ()):
            error.add_note(advice)
        return kind, error, trace

    return tools.replaced(client, "clean_exception", clean_exception)


def _advice_on(error: BaseException | None) -> str | None:
    """Return what to do about an error, or one behind it, that a notebook was not found for."""
    known = children.notebooks()
    cause = error
    while cause is not None:
        if isinstance(cause, ModuleNotFoundError) and cause.name:
            if cause.name.partition(".")[0] == "nbimport":
                return _NOT_INSTALLED
            if cause.name in known:
                return _ADVICE.format(name=cause.name)
        cause = cause.__cause__
    return None
