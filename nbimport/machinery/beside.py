"""Names of what lies beside an importing notebook, as its compiled import statements use them.

``nbimport.machinery.beside.%2Fhome%2Fme?utils?plots`` means: what a notebook in ``/home/me`` that says
``import utils.plots`` gets. Such names stay in ``sys.modules`` for no longer than one import takes, so
that deleting or replacing a module there has the effect it always has. This module is their parent
package: importlib binds what it has imported as the parent's attribute last of all.
"""

from __future__ import annotations

import sys
from types import ModuleType

from nbimport.machinery.names import decode, encode

_MARK = "?"
__path__: list[str] = []


def name_of(folder: str, dotted: str) -> str:
    """Return what to import for a dotted name that a notebook in a folder imports."""
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
