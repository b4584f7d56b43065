"""File path <-> module name, for notebooks that are loaded by path.

A notebook outside ``sys.path`` gets a name that says where it is and that any process can import:
``/home/me/Data prep.ipynb`` is the module ``nbimport.at.home.me.Data prep``. Its folders are
packages, so relative imports work and pickles find their classes again. What a dotted name can't
hold is percent-encoded. Three marks at the end of a part are not part of the file's name:

- ``%2F`` (an encoded slash): this folder only as a folder, though it has an ``__init__`` or a
  notebook of the same name beside it;
- ``#definitions``: the notebook's definitions without its work;
- ``#program``: all of it, whatever the settings say, as a program that `run` has started: by this
  name spawned processes find it.

Knows names and the file system, not how modules are found or loaded.
"""

from __future__ import annotations

import os
from importlib.machinery import all_suffixes

from nbimport.machinery import ONLY_DEFINITIONS, PREFIX, SUFFIX

__all__ = [  # with the three that others know from here
    "ONLY_DEFINITIONS",
    "PREFIX",
    "PROGRAM",
    "SUFFIX",
    "decode",
    "dotted",
    "encode",
    "has_init",
    "is_hidden",
    "of_folder",
    "of_notebook",
    "path_of",
]
PROGRAM = "#program"
_FOLDER_ONLY = "%2F"
_RESERVED = "%./?#"
_SUFFIXES = tuple(all_suffixes())
_INITS = ("__init__.py", "__init__.ipynb")


def encode(part: str) -> str:
    """Return one part of a path as one part of a dotted name."""
    for character in _RESERVED:
        if character in part:
            part = part.replace(character, f"%{ord(character):02X}")
    return part


def decode(part: str) -> str:
    """Return the part of a path that `encode` made a part of a name from."""
    if "%" in part:
        for character in reversed(_RESERVED):
            part = part.replace(f"%{ord(character):02X}", character)
    return part


def has_init(folder: str) -> bool:
    """Tell whether a folder is a regular package, of Python files or of notebooks."""
    return any(os.path.isfile(os.path.join(folder, init)) for init in _INITS)


def is_hidden(path: str) -> bool:
    """Tell whether something else in its folder has a notebook's name, and wins."""
    place = path.removesuffix(SUFFIX)
    if os.path.basename(place) != "__init__" and has_init(place):
        return True
    return any(os.path.isfile(place + suffix) for suffix in _SUFFIXES)


def of_folder(folder: str) -> str:
    """Return the name of a folder as such: importing it runs nothing."""
    drive, tail = os.path.splitdrive(folder)
    parts = [drive] if drive else []
    above = drive + os.sep
    for part in tail.split(os.sep):
        if part:
            above = os.path.join(above, part)
            taken = has_init(above) or any(map(os.path.isfile, (above + ".py", above + SUFFIX)))
            parts.append(encode(part) + (_FOLDER_ONLY if taken else ""))
    return ".".join((PREFIX, *map(str, parts)))


def of_notebook(path: str, only: str | None = None) -> str:
    """Return the name under ``nbimport.at`` of a notebook that has no other name."""
    folder, stem = os.path.dirname(path), os.path.basename(path).removesuffix(SUFFIX)
    packages: list[str] = []
    if "." in stem or is_hidden(path):
        stem += SUFFIX  # spelt out, or the name would mean the folder or the .py file
    elif stem == "__init__":
        folder, stem = os.path.split(folder)
    while has_init(folder) and os.path.dirname(folder) != folder:
        packages.insert(0, encode(os.path.basename(folder)))
        folder = os.path.dirname(folder)
    last = encode(stem) + (ONLY_DEFINITIONS if only else "")
    return ".".join((of_folder(folder), *packages, last))


def path_of(name: str) -> tuple[str, str]:
    """Return (folder, decoded last part) of a name under ``nbimport.at``."""
    parts = name[len(PREFIX) + 1 :].split(".")
    decoded = [decode(part).rstrip("/") for part in parts[:-1]]
    return os.sep + os.sep.join(decoded), parts[-1]


def dotted(relative: str) -> str | None:
    """Return a relative path as a dotted name, or None where a part has a dot of its own."""
    parts = relative.removesuffix(SUFFIX).split(os.sep)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts) if parts and not any("." in part for part in parts) else None
