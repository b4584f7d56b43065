"""Notebooks by their path: which name one has, and what a name under ``nbimport.at`` means.

Needed for notebooks that are loaded by path, mounted, or bound to what lies beside another one; an
import of a plain name on the search path does without.
"""

from __future__ import annotations

import os
import sys

from nbimport.machinery import folders, loader, names, specs
from nbimport.machinery.loader import NotebookLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

    from nbimport.machinery.finder import NotebookFinder

# Mark of a name -> what is loaded of the notebook; empty: all, whatever the settings say.
_MARKED = {names.ONLY_DEFINITIONS: "definitions", names.PROGRAM: ""}


def name_of(finder: NotebookFinder, path: str, only: str | None = None) -> str:
    """Return the name under which a notebook is, or would be, imported.

    It is the one it has already; else its name in a mount; else the one under which the search path
    finds it; else its place, ``nbimport.at...``.
    """
    subject = path + names.ONLY_DEFINITIONS if only else path
    known = loader.loaded.get(subject)
    if known is not None:
        spec = getattr(sys.modules.get(known), "__spec__", None)
        if spec is not None and isinstance(spec.loader, NotebookLoader) and spec.origin == path:
            return known
    if only is None and not names.is_hidden(path):
        plain = in_mount(finder, path) or _on_search_path(finder, path)
        return plain or names.of_notebook(path)
    return names.of_notebook(path, only)


def in_mount(finder: NotebookFinder, path: str) -> str | None:
    """Return the name of a file or folder that lies in a mount."""
    for name, folder in finder.mounts.items():
        if path.startswith(folder + os.sep):
            dotted = names.dotted(os.path.relpath(path, folder))
            return f"{name}.{dotted}" if dotted else None
    return None


def spec_at(
    finder: NotebookFinder, fullname: str, namespace: ModuleSpec | None
) -> ModuleSpec | None:
    """Return the spec of a name under ``nbimport.at``, see `names`."""
    if fullname == names.PREFIX:
        return specs.folder(fullname, os.sep)
    folder, last = names.path_of(fullname)
    for mark, only in _MARKED.items():
        if last.endswith(mark):
            stem = names.decode(last.removesuffix(mark))
            file = os.path.join(folder, stem.removesuffix(names.SUFFIX) + names.SUFFIX)
            return loader.spec_of(fullname, file, only)
    decoded = names.decode(last)
    place = os.path.join(folder, decoded.rstrip("/"))
    if not decoded.endswith("/"):
        files = (os.path.join(place, "__init__" + names.SUFFIX), place + names.SUFFIX, place)
        for file in files:
            if file.endswith(names.SUFFIX) and os.path.isfile(file):
                name = name_of(finder, file)
                if name == fullname:
                    return loader.spec_of(fullname, file)
                return finder.alias(fullname, name)
    return specs.folder(fullname, place) if os.path.isdir(place) else namespace


def _on_search_path(finder: NotebookFinder, path: str) -> str | None:
    """Return the plain name of a notebook, if importing that name would import this file."""
    root = os.path.dirname(path)
    while names.has_init(root) and os.path.dirname(root) != root:
        root = os.path.dirname(root)
    if root not in (os.path.abspath(entry) for entry in sys.path if isinstance(entry, str)):
        return None
    dotted = names.dotted(os.path.relpath(path, root))
    if not dotted:
        return None
    word = dotted.replace(" ", "_").replace("-", "_")
    if word != dotted and word.isidentifier():
        folder, stem = os.path.dirname(path), os.path.basename(path)
        if folders.stems_for(folder, word) == [stem.removesuffix(names.SUFFIX)]:
            dotted = word
    top = dotted.partition(".")[0]
    spec = getattr(sys.modules.get(top), "__spec__", None)
    if spec is None and top not in sys.modules and top not in sys.stdlib_module_names:
        spec = finder.on_search_path(top)
    home = path if top == dotted else os.path.join(root, top)
    origin = getattr(spec, "origin", None) or ""
    return dotted if origin == home or os.path.dirname(origin) == home else None
