"""Specs: what importlib is told about a folder, a mount or an alias, and why a name has none."""

from __future__ import annotations

import os
import stat
from importlib._bootstrap_external import spec_from_file_location
from importlib.machinery import ModuleSpec, SourceFileLoader

from nbimport.errors import NotebookNotFoundError
from nbimport.machinery import names
from nbimport.machinery.alias import AliasLoader
from nbimport.machinery.loader import spec_of


def folder(fullname: str, path: str) -> ModuleSpec:
    """Return the spec of a folder as such: importing it runs nothing."""
    spec = ModuleSpec(fullname, None, is_package=True)
    spec.submodule_search_locations = [path]
    return spec


def mount(fullname: str, path: str) -> ModuleSpec:
    """Return the spec of a mounted folder: a package if it has an ``__init__``.

    Raises:
        NotebookNotFoundError: There is no such folder.
    """
    if not os.path.isdir(path):
        raise NotebookNotFoundError(
            f"mount {fullname!r}: there is no folder {path}; correct the mount", name=fullname
        )
    init = os.path.join(path, "__init__")
    if os.path.isfile(init + ".py"):
        loader = SourceFileLoader(fullname, init + ".py")
        spec = spec_from_file_location(
            fullname, init + ".py", loader=loader, submodule_search_locations=[path]
        )
        if spec is not None:
            return spec
    if os.path.isfile(init + names.SUFFIX):
        return spec_of(fullname, init + names.SUFFIX)
    return folder(fullname, path)


def alias(fullname: str, name: str, *, is_imported: bool = False) -> ModuleSpec:
    """Return a spec that makes `fullname` another name of the module `name`."""
    loader = AliasLoader(name, is_imported=is_imported)
    return ModuleSpec(fullname, loader, origin=name)  # type: ignore[arg-type] # quacks like one


def only_stem(fullname: str, place: str, stems: list[str]) -> str:
    """Return the one file name, without suffix, that answers to an import.

    Raises:
        NotebookNotFoundError: Two files answer.
    """
    if len(stems) > 1:
        listed = ", ".join(repr(stem + names.SUFFIX) for stem in stems)
        raise NotebookNotFoundError(
            f"{place}: {fullname!r} could mean {listed}; "
            "rename one of them, or use nbimport.load()",
            name=fullname,
        )
    return stems[0]


def only_file(fullname: str, place: str, stems: list[str]) -> str:
    """Return the notebook whose file name answers to a name without being equal to it.

    Raises:
        NotebookNotFoundError: Two files answer, or what is there is no file.
    """
    path = os.path.join(place, only_stem(fullname, place, stems) + names.SUFFIX)
    if not os.path.isfile(path):
        raise NotebookNotFoundError(
            f"{path}: {kind_of(path)}, not a notebook file; put the notebook there or rename it",
            path=path,
            name=fullname,
        )
    return path


def kind_of(path: str) -> str:
    """Say what lies at a path that is not a regular file."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        return f"a link that leads nowhere ({error.strerror})"
    return "a folder" if stat.S_ISDIR(mode) else "a pipe, socket or device"
