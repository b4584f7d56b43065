"""Child processes: what a parent's hook knows goes with the task, before any object of a notebook.

`multiprocessing` (and joblib's loky, a copy of it) sends each spawned child a dict of preparations
and unpickles it before anything else. A `Bootstrap` in that dict imports nbimport there. A module
loaded by its path would need none: the package in its name, ``nbimport.at``, brings the hook along.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from nbimport.machinery import loader, tools
from nbimport.machinery.finder import standing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

_KEY = "nbimport"
# Runs in the child, which may have another Python without nbimport: it needs only the language. An
# error here would end the child, so it waits until a notebook is missed.
_SOURCE = """
import sys
before = sys.path[:]
sys.path += path
try:
    from nbimport.integrations.children import receive
    receive(state)
except Exception as error:
    class NotebookFinder:
        reason = f"{type(error).__name__}: {error}"
        notebooks = notebooks
        python = sys.executable
        @classmethod
        def find_spec(cls, name, path=None, target=None):
            if name in cls.notebooks:
                raise ModuleNotFoundError(
                    f"{name!r} is a notebook, and this process can't import nbimport "
                    f"({cls.reason}); install nbimport for {cls.python}",
                    name=name,
                )
            return None
    sys.meta_path.append(NotebookFinder)
finally:
    sys.path[:] = before
"""


class Bootstrap:
    """Switch nbimport on, with this process's settings and mounts, where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Return a call that every Python can make; it leaves None in the place of this object."""
        import pickle

        state = pickle.dumps(current_state())
        space = {"path": search_path(), "state": state, "notebooks": notebooks()}
        return exec, (_SOURCE, space)


def extend(spawn: ModuleType) -> Callable[[], None]:
    """Send a `Bootstrap` to each child of a ``spawn`` module; return what undoes it."""
    original = spawn.get_preparation_data

    def get_preparation_data(*args: Any, **options: Any) -> dict[str, Any]:  # noqa: ANN401 - theirs
        data: dict[str, Any] = original(*args, **options)
        # First in the dict, so first to be unpickled.
        return data if standing() is None else {_KEY: Bootstrap(), **data}

    return tools.replaced(spawn, "get_preparation_data", get_preparation_data)


def current_state() -> tuple[dict[str, str], list[Any]]:
    """Return mounts and given settings, for `receive` in another process."""
    finder = standing()
    mounts = {} if finder is None else {**_mounts_in_use(), **finder.mounts}
    return mounts, loader.given[-1:]


def receive(state: bytes) -> None:
    """Take over the mounts and the given settings of another process.

    Args:
        state: What `current_state` returned there, pickled.
    """
    import pickle

    mounts, given = pickle.loads(state)  # noqa: S301 - from the process that started this one
    finder = standing()
    if finder is None:  # uninstalled here
        return
    for name, folder in mounts.items():
        finder.mounts.setdefault(name, folder)
    if given and not loader.given:
        loader.given.extend(given)


def _mounts_in_use() -> dict[str, str]:
    """Return the mounts of pyproject.toml files that something was imported by.

    Which pyproject.toml holds depends on who imports, and in a child nobody does.
    """
    configs = [config for config in loader._settings.values() if config is not None]
    return {
        name: folder
        for config in configs
        for name, folder in config.mounts.items()
        if folder in map(os.path.normpath, _folders(sys.modules.get(name)))
    }


def _folders(module: ModuleType | None) -> Sequence[str]:
    path = getattr(module, "__path__", ())
    return [entry for entry in path if isinstance(entry, str)]


def notebooks() -> set[str]:
    """Return the names of imported notebooks and of mounts."""
    return {*loader.loaded.values(), *current_state()[0]}


def search_path() -> list[str]:
    """Return the search path as it is anywhere, whatever the working directory is."""
    return [os.path.abspath(entry) for entry in sys.path if isinstance(entry, str)]
