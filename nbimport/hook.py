"""install(), uninstall(), load(), mount(), unmount(): the hook and what is asked of it by name."""

from __future__ import annotations

import os
import sys
from _frozen_importlib_external import PathFinder

from nbimport.machinery import SUFFIX, folders, loader
from nbimport.machinery.finder import EXTENDED, NotebookFinder, standing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType, TracebackType
    from typing import Any, Self

    from nbimport.config import Config
    from nbimport.machinery.script import ScriptFinder

# Ours and the one before, while ours is there.
_excepthook: list[Any] = []


class ImportHook:
    """Handle of one install(); `uninstall`, or the end of a ``with``, takes just that back."""

    __module__ = "nbimport"

    def __init__(self, config: Config | None, *, added_finder: bool) -> None:
        self.config = config
        self._added_finder = added_finder
        self._active = True

    def uninstall(self) -> None:
        """Take back what this install() did; a second call changes nothing."""
        if not self._active:
            return
        self._active = False
        if self.config is not None and self.config in loader.given:
            loader.given.remove(self.config)
        if self._added_finder:
            uninstall()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.uninstall()

    def __repr__(self) -> str:
        return f"<nbimport.ImportHook {'on' if self._active else 'off'}>"


def install(config: Config | None = None) -> ImportHook:
    """Let notebooks be imported; ``import nbimport`` has done so already.

    Args:
        config: Settings for all notebooks from now on, in place of ``[tool.nbimport]`` of the
            nearest pyproject.toml. None leaves the settings as they are.

    Returns:
        A handle that takes this back: ``with nbimport.install(Config(magics="skip")): ...``
    """
    added = standing() is None
    if added:
        sys.meta_path.insert(_position(), NotebookFinder())
        sys.path_hooks.append(_program)
        if not EXTENDED.isdisjoint(sys.modules):
            from nbimport.machinery import extensions

            extensions.install()
        _watch_uncaught()
        for entry in sys.path[:1]:  # where a program's own notebooks lie
            folders.expect(entry)
    if config is not None:
        loader.given.append(config)
    return ImportHook(config, added_finder=added)


def uninstall() -> None:
    """Remove the hook and all that it changed; modules already imported stay. Harmless twice."""
    finder = standing()
    if finder is not None:
        sys.meta_path.remove(finder)
    if _program in sys.path_hooks:
        sys.path_hooks.remove(_program)
    loader.given.clear()
    if _excepthook and sys.excepthook is _excepthook[0]:
        sys.excepthook = _excepthook[1]
    _excepthook.clear()
    observers = sys.modules.get("nbimport.machinery.observers")
    if observers is not None:
        observers.undo()


def load(path: str | os.PathLike[str], *, only: str | None = None) -> ModuleType:
    """Import a notebook by its path; the same file is always the same module.

    Args:
        path: Absolute, or relative to the importing notebook, else to the working directory.
            Any name will do, with or without ``.ipynb``.
        only: ``"definitions"`` runs imports, functions, classes and constants, and no other work.

    Returns:
        The module. Under ``sys.path`` or in a mount it has its ordinary name; elsewhere one that
        begins with ``nbimport.at`` and that any process with nbimport can import.

    Raises:
        NotebookNotFoundError: There is no such file.
        NotebookImportError: It is no notebook that can be imported.
        SyntaxError: A cell is neither Python nor IPython syntax.
        TypeError: `path` is no path.
        ValueError: `only` is neither None nor ``"definitions"``.
    """
    if only not in (None, "definitions"):
        raise ValueError(f'only: got {only!r}; leave it out, or write only="definitions"')
    from importlib import import_module

    from nbimport.machinery import paths, places

    file = paths.notebook_file(os.fsdecode(path))
    return import_module(places.name_of(installed(), file, only))


def mount(name: str, folder: str | os.PathLike[str]) -> None:
    """Make the notebooks and ``.py`` files of a folder importable as ``name.…``.

    Args:
        name: A package name that nothing else has.
        folder: Absolute, or relative to the importing notebook, else to the working directory.

    Raises:
        MountError: The name is taken or no identifier, or there is no such folder.
    """
    from keyword import iskeyword

    from nbimport.errors import MountError
    from nbimport.machinery import caller, paths

    place = paths.beside_or_here(os.fsdecode(folder))
    if not isinstance(name, str) or not name.isidentifier() or iskeyword(name):
        raise MountError(f"mount {name!r}: not a name that can be imported; use a plain identifier")
    if not os.path.isdir(place):
        raise MountError(f"mount {name!r}: there is no folder {place}; check the path", path=place)
    finder = installed()
    mounted = finder.mounted(name, caller.folder())
    if mounted == place:
        finder.mounts[name] = place
        return
    taken = f"mounted on {mounted} already; unmount it first" if mounted else _taken_by(name)
    if taken:
        raise MountError(f"mount {name!r}: the name is {taken}", path=place, name=name)
    finder.mounts[name] = place


def unmount(name: str) -> None:
    """Take a mount back and forget the modules imported through it.

    Raises:
        MountError: Nothing is mounted under this name.
    """
    from nbimport.errors import MountError

    finder = installed()
    if finder.mounts.pop(name, None) is None:
        mounts = ", ".join(sorted(finder.mounts)) or "none"
        raise MountError(f"unmount {name!r}: not mounted (mounted: {mounts}); check the name")
    finder.forget(name)
    gone = {id(sys.modules[key]) for key in sys.modules if (key + ".").startswith(name + ".")}
    for key in [key for key, module in sys.modules.items() if id(module) in gone]:
        del sys.modules[key]


def installed() -> NotebookFinder:
    """Return the finder.

    Raises:
        NotebookImportError: The hook is uninstalled.
    """
    finder = standing()
    if finder is None:
        from nbimport.errors import NotebookImportError

        raise NotebookImportError("nbimport is uninstalled; call nbimport.install() first")
    return finder


def _program(path: str) -> ScriptFinder:
    """Answer, as a path hook, for a notebook that Python is told to run."""
    if path.endswith(SUFFIX) and os.path.isfile(path):
        from nbimport.machinery.script import ScriptFinder

        return ScriptFinder(path)
    raise ImportError("not a notebook", path=path)


def _watch_uncaught() -> None:
    """Print uncaught errors that came through a cell with the cell's text.

    Before Python 3.13 the interpreter's own printer opens the file that a frame names, and a cell
    is no file.
    """
    if sys.version_info >= (3, 13):
        return
    original = sys.excepthook

    def excepthook(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        from nbimport.machinery import extensions

        if original is sys.__excepthook__ and extensions.passes_a_cell(error):
            import traceback

            while trace and trace.tb_frame.f_code.co_filename.startswith("<frozen "):
                trace = trace.tb_next  # runpy's frames, and the driver's
            traceback.print_exception(kind, error, trace)
        else:
            original(kind, error, trace)
        if kind is KeyboardInterrupt:
            # Code that an import runs makes the interpreter forget that Ctrl-C ends it.
            from contextlib import suppress

            with suppress(KeyboardInterrupt):
                exec("raise KeyboardInterrupt")  # noqa: S102 - reminds it

    sys.excepthook = excepthook
    _excepthook[:] = excepthook, original


def _position() -> int:
    """Return the place just before `PathFinder`: after it, a data folder would hide a notebook."""
    if PathFinder in sys.meta_path:
        return sys.meta_path.index(PathFinder)
    return len(sys.meta_path)


def _taken_by(name: str) -> str | None:
    """Say what has a name already, or return None."""
    from importlib.util import find_spec  # 1 ms

    if name in sys.stdlib_module_names:
        return "taken by the standard library; choose another"
    if name in sys.modules:
        origin = getattr(sys.modules[name], "__file__", None)
        return f"taken by a module that is imported already ({origin}); choose another"
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return None
    return f"taken by {spec.origin or 'a folder on sys.path'}; choose another" if spec else None
