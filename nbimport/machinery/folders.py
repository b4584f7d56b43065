"""What a folder holds, by the names that an import statement can use for it.

Where importlib's own finder of a folder is there, its listing is used: `PathFinder` has just made
it. It is kept while the folder's modification time stays.
"""

from __future__ import annotations

import os
import sys

# importlib itself, under the names that it has before anything asks for it by its own.
from _frozen_importlib_external import (  # type: ignore[attr-defined] # _relax_case
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    FileFinder,
    _relax_case,
)

from nbimport.machinery import SUFFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

_SUFFIXES = [*EXTENSION_SUFFIXES, *SOURCE_SUFFIXES, *BYTECODE_SUFFIXES]
_NONE_YET: Any = object()
_own: dict[str, FileFinder] = {}
_listings: dict[str, _Listing] = {}
# Names of notebooks in folders where one was found: worth asking for before `PathFinder` is asked.
found_stems: set[str] = set()
# Modules of notebooks that run now, by their id, and the folders looked at since the first began.
_running: set[int] = set()
_checked: set[FileFinder] = set()


def only_notebook(tail: str, path: Sequence[str], *, is_fresh: bool = False) -> str | None:
    """Return the folder of the first ``tail.ipynb`` on a path, if nothing there comes before it.

    This is the quick answer to the usual question. It looks where `PathFinder` would look and at
    the same listings. None means that this is not sure: no such notebook is known, or a module, a
    package, a folder or a finder of another kind may have the name.

    Args:
        tail: The last part of the module's name.
        path: The search path, or a package's.
        is_fresh: `PathFinder` has looked at the folders just now.
    """
    file = tail + SUFFIX
    if not _is_listed(file, path):
        return None
    known: dict[str, Any] = sys.path_importer_cache
    names = [tail, *[tail + suffix for suffix in _SUFFIXES]]
    found = None
    for entry in path:
        finder = known.get(entry or here(), _NONE_YET)
        if finder is None:
            continue
        if type(finder) is not FileFinder or len(finder._loaders) != len(_SUFFIXES):  # type: ignore[attr-defined] # not in typeshed
            return None
        files = finder._path_cache if is_fresh else _files(finder)  # type: ignore[attr-defined] # the same
        if not files.isdisjoint(names):
            return None
        if found is None and file in files:
            found = finder.path
    if found is None or _relax_case() or not os.path.isfile(os.path.join(found, file)):
        return None
    if tail not in found_stems:
        found_stems.update(_listing(found).stems, [tail])
    return found


def _is_listed(file: str, path: Sequence[str]) -> bool:
    """Tell whether importlib has seen a file in a folder on a path; most imports end here."""
    known: dict[str, Any] = sys.path_importer_cache
    try:
        for entry in path:
            finder = known.get(entry or here())
            if finder is not None and file in finder._path_cache:
                return True
    except (AttributeError, TypeError):  # an archive, or an entry that is no string
        return False
    return False


def expect(entry: str) -> None:
    """Note the notebooks in a folder that importlib has looked at already."""
    finder: Any = sys.path_importer_cache.get(entry or here())
    if type(finder) is FileFinder:
        files: set[str] = finder._path_cache  # type: ignore[attr-defined]
        found_stems.update([file[: -len(SUFFIX)] for file in files if file.endswith(SUFFIX)])


def began(module: object) -> None:
    """Note that a notebook begins to run.

    Until the first one of a chain has ended, each folder is looked at for changes once. importlib
    asks for ``invalidate_caches()`` after a change anyway.
    """
    _running.add(id(module))


def ended(module: object) -> None:
    """Note that a notebook has run."""
    _running.discard(id(module))
    if not _running:
        _checked.clear()


def here() -> str:
    """Return the working directory, or the root if it has been deleted."""
    try:
        return os.getcwd()
    except OSError:
        return os.sep


def may_hold(folder: str, tail: str) -> bool:
    """Tell whether a folder may hold a notebook or a package that answers to a name."""
    files = _files(_finder(folder))
    return tail in files or tail + SUFFIX in files or "_" in tail or _relax_case()


def none_holds(tail: str, path: Sequence[str]) -> bool:
    """Tell whether it is sure that no folder on a path holds what answers to a name.

    `PathFinder` has looked at the folders just now. Most names that are nowhere end here.
    """
    if "_" in tail or _relax_case():
        return False
    known: dict[str, Any] = sys.path_importer_cache
    file = tail + SUFFIX
    for entry in path:
        finder = known.get(entry or here(), _NONE_YET) if isinstance(entry, str) else None
        if finder is None:
            continue
        if type(finder) is not FileFinder:
            return False
        files: set[str] = finder._path_cache  # type: ignore[attr-defined] # not in typeshed
        if tail in files or file in files:
            return False
    return True


def stems_for(folder: str, name: str) -> list[str]:
    """Return the stems of the notebooks in a folder that answer to a name in an import statement.

    ``my_plot`` is answered by ``my_plot.ipynb`` alone where that exists, else by every one of
    ``my plot.ipynb``, ``my-plot.ipynb``: more than one is ambiguous.
    """
    stems = _listing(folder).stems.get(name, [])
    return [name] if name in stems else stems


def neighbours(path: str) -> frozenset[str]:
    """Return the names that an import in a notebook can mean something beside it by.

    There are none in a package, where absolute names mean the same in every module.
    """
    names = _listing(os.path.dirname(path)).names
    return frozenset() if "__init__" in names else names


def is_package(folder: str) -> bool:
    """Tell whether a folder has an ``__init__``."""
    return "__init__" in _listing(folder).names


def by_name(files: Iterable[str]) -> dict[str, list[str]]:
    """Return name in an import statement -> stems of the notebooks among some files of a folder."""
    stems: dict[str, list[str]] = {}
    for file in files:
        if file.endswith(SUFFIX):
            stem = file.removesuffix(SUFFIX)
            stems.setdefault(stem.replace(" ", "_").replace("-", "_"), []).append(stem)
    return stems


def forget() -> None:
    """Forget all listings that are not importlib's."""
    _own.clear()
    _listings.clear()
    _checked.clear()


class _Listing:
    """Hold what is in a folder.

    Attributes:
        files: Importlib's listing, from which this was made.
        stems: Name -> stems of the notebooks that answer to it.
        names: Names of notebooks, of folders and of other modules; none of the standard library's.
    """

    __slots__ = ("files", "names", "stems")

    def __init__(self, files: set[str]) -> None:
        self.files = files
        self.stems = by_name(sorted(files))
        names = set(self.stems)
        for file in files:
            stem, dot, suffix = file.partition(".")
            if not dot or dot + suffix in _SUFFIXES:
                names.add(stem)
        self.names = frozenset(names - sys.stdlib_module_names)


def _listing(folder: str) -> _Listing:
    files = _files(_finder(folder))
    known = _listings.get(folder)
    if known is None or known.files is not files:
        known = _listings[folder] = _Listing(files)
    return known


def _finder(folder: str) -> Any:  # noqa: ANN401 - a FileFinder, of which typeshed hides half
    """Return importlib's finder of a folder, or one of our own."""
    finder = sys.path_importer_cache.get(folder)
    if type(finder) is FileFinder:
        return finder
    if folder not in _own:
        _own[folder] = FileFinder(folder)
    return _own[folder]


def _files(finder: Any) -> set[str]:  # noqa: ANN401 - the same
    """Return the names in a finder's folder, read anew where the folder has changed."""
    if finder not in _checked or finder._path_mtime == -1:
        try:
            changed = os.stat(finder.path).st_mtime
        except OSError:
            changed = -1.0
        if changed != finder._path_mtime:
            finder._fill_cache()
            finder._path_mtime = changed
        if _running:
            _checked.add(finder)
    return finder._path_cache  # type: ignore[no-any-return] # a set of strings
