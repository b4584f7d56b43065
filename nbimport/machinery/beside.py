"""What the names in a notebook's import statements mean, where something in its folder has them.

Compiled import statements (see `siblings`) ask `finder.meant`, which asks here. For a statement
that takes names out of a module, that module has a second name as well:
``nbimport.machinery.beside.%2Fhome%2Fme?utils?plots`` is what a notebook in ``/home/me`` gets that
says ``from utils.plots import …``. Such names stay in ``sys.modules`` for no longer than one import
takes, so that deleting or replacing a module there has the effect it always has. This module is
their parent package: importlib binds what it has imported as the parent's attribute last of all.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from types import ModuleType

from nbimport.errors import NotebookNotFoundError
from nbimport.machinery import caller, folders, loader, names, places, search, specs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

    from nbimport.machinery.finder import NotebookFinder

_MARK = "?"
__path__: list[str] = []


def meaning(finder: NotebookFinder, folder: str, dotted: str) -> str:
    """Return the full name of what a dotted name means to the notebooks in a folder."""
    if folders.is_package(folder) and caller.find().beside is None:
        return dotted
    word, dot, rest = dotted.partition(".")
    return _top_meaning(finder, folder, word) + dot + rest


def name_of(folder: str, dotted: str) -> str:
    """Return the second name of a module that a notebook in a folder imports as `dotted`."""
    return ".".join((__name__, names.encode(folder) + _MARK + dotted.replace(".", _MARK)))


def second_spec(finder: NotebookFinder, fullname: str, tail: str) -> ModuleSpec:
    """Return the spec of a second name, of which `tail` is the last part."""
    folder, _, dotted = tail.partition(_MARK)
    name = meaning(finder, names.decode(folder), dotted.replace(_MARK, "."))
    return specs.alias(fullname, name, is_imported=True)


def spec_for(
    finder: NotebookFinder, importer: caller.Importer, folder: str, fullname: str
) -> ModuleSpec | None:
    """Return the spec of what a name that is looked up at run time means beside the importer.

    Raises:
        NotebookNotFoundError: A dotted name, which would need the plain word for this folder alone.
    """
    name = _top_meaning(finder, folder, fullname)
    if name == fullname:
        return None
    if not importer.wanted:  # find_spec() was called: it asks what there is, under this name
        return search.on_path(fullname, [folder]) or PathFinder.find_spec(fullname, [folder])
    if importer.is_session:  # it has the plain names to itself
        return finder.alias(fullname, name)
    if importer.wanted != fullname:
        raise NotebookNotFoundError(
            f"{importer.wanted!r}: {fullname!r} was found beside the importing notebook, in "
            f"{folder}, where dotted names are for import statements; write "
            f"`import {importer.wanted}`",
            name=importer.wanted,
        )
    # Not registered under the plain word, which other folders use too.
    return specs.alias(f"{names.encode(folder)}{_MARK}{fullname}", name)


def _top_meaning(finder: NotebookFinder, folder: str, word: str) -> str:
    """Return the full name of what a top-level name means to the notebooks in a folder."""
    module = sys.modules.get(word)
    if module is not None and _is_regular(finder, word, module):
        return word
    known = finder.meanings.get((folder, word))
    if known not in sys.modules:
        known = finder.meanings[folder, word] = _looked_up(finder, folder, word)
    return known


def _is_regular(finder: NotebookFinder, word: str, module: ModuleType) -> bool:
    """Tell whether what a name has imported is neither ours nor just a folder."""
    if isinstance(getattr(module, "__loader__", None), loader.NotebookLoader):
        return False
    is_folder = getattr(module, "__file__", None) is None and hasattr(module, "__path__")
    return word not in finder.aliases and not is_folder


def _looked_up(finder: NotebookFinder, folder: str, word: str) -> str:
    regular = finder.regular(word, None)
    if finder.mounted(word, folder) is not None or (regular is not None and regular.loader):
        return word
    found = PathFinder.find_spec(word, [folder])
    if found is None or found.loader is None:
        notebook = search.on_path(word, [folder])
        if notebook is not None and notebook.origin is not None:
            return places.name_of(finder, notebook.origin)
    if regular is not None and os.path.join(folder, word) in (
        regular.submodule_search_locations or ()
    ):
        return word  # the namespace that has this folder in it
    if found is None:
        return word
    below = os.path.join(folder, word)
    return places.in_mount(finder, below) or f"{names.of_folder(folder)}.{word}"


class _Beside(ModuleType):
    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if _MARK in name:
            sys.modules.pop(f"{__name__}.{name}", None)


sys.modules[__name__].__class__ = _Beside
