"""What a folder holds, by the names that an import statement can use for it.

Listings are kept while the folder's modification time stays, as importlib's own finder does it.
"""

from __future__ import annotations

import os
from importlib.machinery import all_suffixes
from typing import TYPE_CHECKING, NamedTuple

from nbimport.machinery.names import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterable


class _Listing(NamedTuple):
    """Hold what is in a folder.

    Attributes:
        changed: When the folder was modified last.
        stems: Name -> stems of the notebooks that answer to it.
        others: Names of folders and of modules that are no notebooks.
    """

    changed: int
    stems: dict[str, list[str]]
    others: frozenset[str]


_SUFFIXES = frozenset(all_suffixes())
_listings: dict[str, _Listing] = {}


def stems_for(folder: str, name: str) -> list[str]:
    """Return the stems of the notebooks in a folder that answer to a name in an import statement.

    ``my_plot`` is answered by ``my_plot.ipynb`` alone where that exists, else by every one of
    ``my plot.ipynb``, ``my-plot.ipynb``: more than one is ambiguous.
    """
    stems = _listing(folder).stems.get(name, [])
    return [name] if name in stems else stems


def neighbours(path: str) -> frozenset[str]:
    """Return the names that an import in a notebook can mean something beside it by."""
    listing = _listing(os.path.dirname(path))
    return listing.others.union(listing.stems)


def by_name(files: Iterable[str]) -> dict[str, list[str]]:
    """Return name in an import statement -> stems of the notebooks among some files of a folder."""
    stems: dict[str, list[str]] = {}
    for file in files:
        if file.endswith(SUFFIX):
            stem = file.removesuffix(SUFFIX)
            stems.setdefault(stem.replace(" ", "_").replace("-", "_"), []).append(stem)
    return stems


def is_package(folder: str) -> bool:
    """Tell whether a folder has an ``__init__``."""
    listing = _listing(folder)
    return "__init__" in listing.others or "__init__" in listing.stems


def forget() -> None:
    """Forget all listings."""
    _listings.clear()


def _listing(folder: str) -> _Listing:
    try:
        changed = os.stat(folder).st_mtime_ns
    except OSError:
        return _Listing(0, {}, frozenset())
    known = _listings.get(folder)
    if known is not None and known.changed == changed:
        return known
    others: set[str] = set()
    try:
        files = sorted(os.listdir(folder))
    except OSError:
        files = []
    for file in files:
        stem, dot, suffix = file.partition(".")
        if not dot or dot + suffix in _SUFFIXES:
            others.add(stem)
    listing = _listings[folder] = _Listing(changed, by_name(files), frozenset(others))
    return listing
