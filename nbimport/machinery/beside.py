"""What compiled import statements of notebooks call on for what lies in the notebook's own folder.

`meant` says which module a name means there. For a statement that takes names out of a module, that
module has a second name as well: ``nbimport.machinery.beside.%2Fhome%2Fme?utils?plots`` is what a
notebook in ``/home/me`` gets that says ``from utils.plots import …``. Such names stay in ``sys.modules``
for no longer than one import takes, so that deleting or replacing a module there has the effect it
always has. This module is their parent package: importlib binds what it has imported as the parent's
attribute last of all.
"""

from __future__ import annotations

import sys
from types import ModuleType

from nbimport.machinery.finder import standing
from nbimport.machinery.names import decode, encode

_MARK = "?"
__path__: list[str] = []


def meant(folder: str, dotted: str) -> str:
    """Return the full name of what a dotted name means to the notebooks in a folder."""
    finder = standing()
    return dotted if finder is None else finder.meant(folder, dotted)


def name_of(folder: str, dotted: str) -> str:
    """Return the second name of a module that a notebook in a folder imports as `dotted`."""
    return ".".join((__name__, encode(folder) + _MARK + dotted.replace(".", _MARK)))


def parse(tail: str) -> tuple[str, str]:
    """Return (folder, dotted name) from the last part of what `name_of` returns."""
    folder, _, dotted = tail.partition(_MARK)
    return decode(folder), dotted.replace(_MARK, ".")


class _Beside(ModuleType):
    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if _MARK in name:
            sys.modules.pop(f"{__name__}.{name}", None)


sys.modules[__name__].__class__ = _Beside
