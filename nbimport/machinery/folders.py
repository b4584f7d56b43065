"""Which notebooks a folder holds, by the names that an import statement can use for them.

Listings are kept while the folder's modification time stays, as importlib's own finder does it.
"""

from __future__ import annotations

import os

from nbimport.machinery.names import SUFFIX

_listings: dict[str, tuple[int, dict[str, list[str]]]] = {}


def stems_for(folder: str, name: str) -> list[str]:
    """Return the stems of the notebooks in a folder that answer to a name in an import statement.

    ``my_plot`` is answered by ``my_plot.ipynb`` alone where that exists, else by every one of
    ``my plot.ipynb``, ``my-plot.ipynb``: more than one is ambiguous.
    """
    stems = _listing(folder).get(name, [])
    return [name] if name in stems else stems


def neighbours(path: str) -> dict[str, str]:
    """Return the other notebooks in a notebook's folder: name to import -> file stem."""
    folder, own = os.path.split(path)
    found = {}
    for name, stems in _listing(folder).items():
        stem = name if name in stems else stems[0] if len(stems) == 1 else None
        if stem is not None and stem + SUFFIX != own:
            found[name] = stem
    return found


def forget() -> None:
    """Forget all listings."""
    _listings.clear()


def _listing(folder: str) -> dict[str, list[str]]:
    try:
        changed = os.stat(folder).st_mtime_ns
    except OSError:
        return {}
    known = _listings.get(folder)
    if known is not None and known[0] == changed:
        return known[1]
    listing: dict[str, list[str]] = {}
    try:
        files = os.listdir(folder)
    except OSError:
        files = []
    for file in sorted(files):
        if file.endswith(SUFFIX):
            stem = file[: -len(SUFFIX)]
            listing.setdefault(stem.replace(" ", "_").replace("-", "_"), []).append(stem)
    _listings[folder] = (changed, listing)
    return listing
