"""Show or clear compiled notebooks: those of a folder and those below it.

They lie in __pycache__ beside the notebooks or, where that can't be written, in the user's
cache folder. Without FOLDER: of the working directory, and the whole user's cache folder.
Clearing is always safe: the next import compiles again.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from nbimport.commands import files
from nbimport.machinery import cache, paths

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Sized

_ENTRY = re.compile(r"(.*\.ipynb)(-.+)?\.[\w-]+(\.opt-\w+)?\.pyc")
_UNITS = ("B", "KiB", "MiB", "GiB")
_STEP = 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "action",
        metavar="ACTION",
        choices=("show", "clear"),
        nargs="?",
        default="show",
        help="show (the default) or clear",
    )
    parser.add_argument("folder", metavar="FOLDER", nargs="?", help="see above")


def run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Show or clear; 1 if something could not be removed."""
    folder = files.folder(parser, arguments.folder or ".")
    own = _below_user_folder(folder if arguments.folder else None)
    of_user = _sizes(_in(own, (".nbimport",)))
    beside = {
        entry: size for entry, size in _sizes(_beside(folder)).items() if entry not in of_user
    }
    if arguments.action == "clear":
        return _clear({**beside, **of_user}, parser)
    for entry, size in sorted(beside.items()):
        sys.stdout.write(f"{_bytes(size):>10}  {entry}\n")
    if of_user:  # there may be hundreds
        sys.stdout.write(f"{_bytes(sum(of_user.values())):>10}  {own} ({_entries(of_user)})\n")
    total = {**beside, **of_user}
    sys.stdout.write(f"{_entries(total)}, {_bytes(sum(total.values()))}\n")
    return 0


def _clear(sizes: dict[str, int], parser: argparse.ArgumentParser) -> int:
    removed = {}
    for entry, size in sizes.items():
        try:
            os.unlink(entry)
        except FileNotFoundError:
            continue
        except OSError as error:
            sys.stderr.write(f"{parser.prog}: {entry}: {error.strerror}\n")
            continue
        removed[entry] = size
    sys.stdout.write(f"removed {_entries(removed)}, {_bytes(sum(removed.values()))}\n")
    return 0 if len(removed) == len(sizes) else 1


def _sizes(entries: Iterable[str]) -> dict[str, int]:
    sizes = {}
    for entry in entries:
        try:
            sizes[entry] = os.stat(entry).st_size
        except OSError:  # another process has replaced it
            continue
    return sizes


def _beside(folder: str) -> Iterator[str]:
    """Yield the entries beside the notebooks of a folder, or where PYTHONPYCACHEPREFIX says."""
    prefix = sys.pycache_prefix
    if prefix is not None:
        inside = os.path.join(prefix, os.path.splitdrive(folder)[1].lstrip(os.sep))
        yield from _in(inside)
        return
    for place, _ in paths.walk(folder):
        yield from _in(os.path.join(place, "__pycache__"))


def _below_user_folder(folder: str | None) -> str:
    """Return where the user's own entries lie: of one folder, or all."""
    if folder is None:
        return os.path.join(cache.user_folder(), "bytecode")
    return os.path.dirname(cache.user_entry_path(os.path.join(folder, "any")))


def _in(folder: str, suffixes: tuple[str, ...] = ()) -> Iterator[str]:
    for place, _, names in os.walk(folder):
        for name in names:
            if _ENTRY.fullmatch(name) or (suffixes and name.endswith(suffixes)):
                yield os.path.join(place, name)


def _entries(entries: Sized) -> str:
    return f"{len(entries)} {'entry' if len(entries) == 1 else 'entries'}"


def _bytes(count: int) -> str:
    """Return a size with its unit."""
    size, unit = float(count), 0
    while size >= _STEP and unit + 1 < len(_UNITS):
        size, unit = size / _STEP, unit + 1
    return f"{count} B" if unit == 0 else f"{size:.1f} {_UNITS[unit]}"
