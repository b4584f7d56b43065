"""Paths as they are given to `load` and `mount`, or on the command line."""

from __future__ import annotations

import os

from nbimport.errors import NotebookImportError, NotebookNotFoundError
from nbimport.machinery import SUFFIX, caller
from nbimport.machinery.specs import kind_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Folders of tools, in which no notebook of a person lies.
_TOOLS = frozenset({"__pycache__", "node_modules", "site-packages"})


def beside_or_here(path: str) -> str:
    """Return the absolute path that a path means: beside the importing notebook, or here."""
    path = os.path.expanduser(path)
    if not os.path.isabs(path):
        beside = caller.folder()
        if beside is not None and os.path.exists(os.path.join(beside, path)):
            path = os.path.join(beside, path)
    return os.path.abspath(path)


def notebook_file(path: str) -> str:
    """Return the absolute path of a notebook, named with or without its suffix.

    Raises:
        NotebookNotFoundError: There is no such file.
        NotebookImportError: It is no notebook's file.
    """
    file = beside_or_here(path)
    if not file.endswith(SUFFIX) and not os.path.lexists(file):
        file = beside_or_here(path + SUFFIX)
    if not os.path.lexists(file):
        raise NotebookNotFoundError(
            f"{file}: no such notebook{_near(file)}; check the path", path=file
        )
    if not os.path.isfile(file):
        raise NotebookImportError(
            f"{file}: {kind_of(file)}, not a notebook; give the notebook's own path", path=file
        )
    if not file.endswith(SUFFIX):
        raise NotebookImportError(
            f"{file}: not a .ipynb file; give the path of a notebook", path=file
        )
    return file


def _near(file: str) -> str:
    """Return a hint at a notebook of nearly the same name in the same folder."""
    from difflib import get_close_matches  # only for a message

    folder, name = os.path.split(file)
    try:
        entries = os.listdir(folder)
    except OSError:
        return f" (there is no folder {folder})"
    stems = [entry.removesuffix(SUFFIX) for entry in entries if entry.endswith(SUFFIX)]
    close = get_close_matches(name.removesuffix(SUFFIX), stems, 1)
    return f" (did you mean {close[0] + SUFFIX!r}?)" if close else ""


def walk(folder: str, but: str | None = None) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder at and below one, and the names of its files, sorted.

    Left out are hidden folders and those in which tools keep what nobody wrote: caches, packages,
    virtual environments.

    Args:
        folder: Where to begin.
        but: One more folder to leave out.
    """
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if _is_written(os.path.join(place, name), but))
        yield place, sorted(files)


def _is_written(folder: str, but: str | None) -> bool:
    name = os.path.basename(folder)
    is_left_out = but is not None and os.path.abspath(folder) == os.path.abspath(but)
    is_environment = os.path.exists(os.path.join(folder, "pyvenv.cfg"))
    return not (name.startswith(".") or name in _TOOLS or is_left_out or is_environment)
