"""Search folders and archives for a notebook or a package of notebooks, as `PathFinder` does.

For packages, for names that stand for others (``my_plot`` for ``my plot.ipynb``), for archives, and
where the quick answer of `folders.only_notebook` is not sure.
"""

from __future__ import annotations

import os
from importlib.machinery import FileFinder

from nbimport.machinery import SUFFIX, folders, loader, specs
from nbimport.machinery.archives import ArchiveFinder, archive_finder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec

_DETAILS = (loader.NotebookLoader, [SUFFIX])
_finders: dict[str, FileFinder | ArchiveFinder] = {}


def on_path(fullname: str, path: Sequence[str]) -> ModuleSpec | None:
    """Return the spec of the first notebook on a path that answers to a name.

    Raises:
        NotebookNotFoundError: Two files of a folder answer, or one that is no file.
    """
    tail = fullname.rpartition(".")[2]
    finders = [finder for entry in path if (finder := _finder(entry, tail)) is not None]
    for finder in finders:
        spec = finder.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.cached = spec.loader.entry  # type: ignore[attr-defined] # a NotebookLoader
            return spec
    for finder in finders:
        stems = folders.stems_for(finder.path, tail)
        if stems:
            return loader.spec_of(fullname, specs.only_file(fullname, finder.path, stems))
    return None


def invalidate_caches() -> None:
    """Forget what folders and archives hold."""
    for finder in _finders.values():
        finder.invalidate_caches()


def _finder(entry: object, tail: str) -> FileFinder | ArchiveFinder | None:
    """Return the finder of one entry of a search path, unless a name can't be there."""
    if not isinstance(entry, str):
        return None
    place = entry or folders.here()
    finder = _finders.get(place)
    if finder is None:
        finder = FileFinder(place, _DETAILS) if os.path.isdir(place) else archive_finder(place)
        if finder is None:
            return None
        _finders[place] = finder
    is_folder = isinstance(finder, FileFinder)
    return None if is_folder and not folders.may_hold(place, tail) else finder
