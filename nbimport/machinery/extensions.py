"""The changes to ``linecache`` and ``pkgutil``, each with its way back."""

from __future__ import annotations

import os
import sys

from nbimport.machinery import loader, names, observers, tools

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType
    from typing import Any


# Module -> the module whose extend() extends it, on a floor above this one.
_CHILDREN = "nbimport.integrations.children"
_INTEGRATIONS = {
    "IPython.extensions.autoreload": "nbimport.integrations.autoreload",
    "_pytest.pathlib": "nbimport.integrations.pytest_packages",
    "distributed.client": "nbimport.integrations.dask",
    "joblib.externals.loky.backend.spawn": _CHILDREN,
    "loky.backend.spawn": _CHILDREN,
    "multiprocessing.spawn": _CHILDREN,
}


def install() -> None:
    """Extend what is imported, and what will be; a second call changes nothing."""
    if not observers.is_extending():
        observers.extend("linecache", _extend_linecache)
        observers.extend("pkgutil", _extend_pkgutil)
        tools.install()
        for name, integration in _INTEGRATIONS.items():
            observers.extend(name, _by_name(integration))


def _by_name(integration: str) -> observers.Extension:
    """Return what extends a module by an integration that is imported only then."""

    def extend(module: ModuleType) -> Callable[[], None]:
        from importlib import import_module

        return import_module(integration).extend(module)  # type: ignore[no-any-return] # an Extension

    return extend


def _extend_linecache(linecache: ModuleType) -> Callable[[], None]:
    """Answer for cells' file names wherever ``linecache`` is asked, also after ``clearcache()``."""
    original, original_clear = linecache.updatecache, linecache.clearcache

    def updatecache(filename: str, module_globals: dict[str, Any] | None = None) -> list[str]:
        found = _text(filename) if names.SUFFIX in filename else None
        if found is None:
            return original(filename, module_globals)  # type: ignore[no-any-return] # linecache's own
        lines, path = found
        # With the notebook's own size and time, checkcache() notices an edit.
        try:
            status = os.stat(path)
            linecache.cache[filename] = (status.st_size, status.st_mtime, lines, path)
        except OSError:
            linecache.cache[filename] = (0, None, lines, path)
        return lines

    def clearcache() -> None:
        original_clear()
        announce_all()

    def announce_all() -> None:
        for code in loader.programs.values():
            loader.announce(linecache.cache, code)

    announce_all()
    undo_update = tools.replaced(linecache, "updatecache", updatecache)
    undo_clear = tools.replaced(linecache, "clearcache", clearcache)

    def undo() -> None:
        undo_update()
        undo_clear()

    return undo


def _text(filename: str) -> tuple[list[str], str] | None:
    from nbimport.notebook import sourcemap  # only when text is shown

    found = sourcemap.lines_of_cell(filename)
    subjects = (filename, filename + names.ONLY_DEFINITIONS)
    name = next((loader.loaded[subject] for subject in subjects if subject in loader.loaded), None)
    if found is None and name is not None:
        # A class is looked up by its module's file: show the module's Python, not its JSON.
        module = sys.modules.get(name)
        own = getattr(module, "__loader__", None)
        if isinstance(own, loader.NotebookLoader):
            try:
                found = sourcemap.split_lines(own.get_source(own.name)), filename
            except ImportError:
                return None
    return found


def _extend_pkgutil(pkgutil: ModuleType) -> Callable[[], None]:
    """Let ``iter_modules`` and ``walk_packages`` list notebooks."""
    from importlib.machinery import FileFinder

    original = pkgutil.iter_importer_modules.dispatch(FileFinder)

    def iter_modules(importer: FileFinder, prefix: str = "") -> Iterator[tuple[str, bool]]:
        found = dict(original(importer, prefix))
        try:
            files = sorted(os.listdir(importer.path))
        except OSError:
            files = []
        for file in files:
            place = os.path.join(importer.path, file)
            is_package = os.path.isfile(os.path.join(place, "__init__" + names.SUFFIX))
            stem = file if is_package else file.removesuffix(names.SUFFIX)
            is_module = is_package or (stem != file and os.path.isfile(place))
            if is_module and stem != "__init__" and "." not in stem:
                found.setdefault(prefix + stem, is_package)
        yield from sorted(found.items())

    pkgutil.iter_importer_modules.register(FileFinder, iter_modules)
    return lambda: pkgutil.iter_importer_modules.register(FileFinder, original)


def passes_a_cell(error: BaseException | None) -> bool:
    """Tell whether an error, or one behind it, came through a cell."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        trace = error.__traceback__
        while trace is not None:
            if names.SUFFIX in trace.tb_frame.f_code.co_filename:
                return True
            trace = trace.tb_next
        error = error.__cause__ or error.__context__
    return False
