"""Name -> spec or None: where a notebook answers to an import, and where it must not.

The finder stands just before `PathFinder` and asks it, and every finder after it, first: whatever
would be imported without nbimport is imported with it. Only then, in this order, answer: a mount, a
notebook beside the importing notebook, a notebook on the search path, a namespace package, a ``.py``
file or folder beside the importing notebook.
"""

from __future__ import annotations

import os
import stat
import sys
from importlib._bootstrap_external import spec_from_file_location
from importlib.machinery import FileFinder, ModuleSpec, PathFinder, SourceFileLoader
from typing import TYPE_CHECKING

from nbimport import config as configuration
from nbimport.errors import NotebookNotFoundError
from nbimport.machinery import caller, folders, loader, names, observers
from nbimport.machinery.alias import AliasLoader
from nbimport.machinery.archives import ArchiveFinder, archive_finder
from nbimport.machinery.loader import NotebookLoader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

_DETAILS = (NotebookLoader, [names.SUFFIX])


class NotebookFinder:
    """Find notebooks for the import system; one instance stands in ``sys.meta_path``."""

    def __init__(self) -> None:
        self.mounts: dict[str, str] = {}
        self._folders: dict[str, FileFinder | ArchiveFinder] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec that importlib shall load, or None where nothing answers."""
        spec = self._regular(fullname, path, target)
        if spec is not None and spec.loader is not None:
            return observers.watched(fullname, spec)
        if fullname.startswith(names.PREFIX):
            return self._by_place(fullname, spec)
        if path is not None:
            return self._on_path(fullname, path) or spec
        if fullname in sys.stdlib_module_names:
            return spec
        return self._top_level(fullname, spec)

    def invalidate_caches(self) -> None:
        """Forget what folders hold and what pyproject.toml files say."""
        for folder in self._folders.values():
            folder.invalidate_caches()
        folders.forget()
        configuration.forget()

    def name_of(self, path: str, only: str | None = None) -> str:
        """Return the name under which a notebook is, or would be, imported.

        It is the one it has already; else its name in a mount; else the one under which the
        search path finds it; else its place, ``nbimport.at...``.
        """
        subject = path + names.ONLY_DEFINITIONS if only else path
        known = loader.loaded.get(subject)
        if known is not None:
            spec = getattr(sys.modules.get(known), "__spec__", None)
            if isinstance(getattr(spec, "loader", None), NotebookLoader) and spec.origin == path:
                return known
        if only is None:
            return self._in_mount(path) or self._on_search_path(path) or names.of_notebook(path)
        return names.of_notebook(path, only)

    def mounted(self, fullname: str) -> str | None:
        """Return the folder of a mount, given to mount() or set for the importing project."""
        folder = self.mounts.get(fullname)
        if folder is None:
            config = loader.given[-1] if loader.given else None
            if config is None:
                beside = caller.folder()
                config = configuration.nearest(beside if beside is not None else caller.here())
            folder = config.mounts.get(fullname)
        return folder

    def _regular(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return what would be found without this finder; a namespace only if nothing better is."""
        namespace = None
        after = False
        for finder in sys.meta_path:
            if finder is self:
                after = True
            elif after and hasattr(finder, "find_spec"):
                spec = finder.find_spec(fullname, path, target)
                if spec is not None:
                    if spec.loader is not None:
                        return spec
                    namespace = namespace or spec
        return namespace

    def _top_level(self, fullname: str, namespace: ModuleSpec | None) -> ModuleSpec | None:
        folder = self.mounted(fullname)
        if folder is not None:
            return _mount_spec(fullname, folder)
        beside = caller.folder()
        if beside is not None:
            spec = self._on_path(fullname, [beside])
            if spec is not None and spec.origin is not None:
                name = self.name_of(spec.origin)
                return spec if name == fullname else _alias_beside(fullname, beside, name)
        found = self._on_path(fullname, sys.path) or namespace
        if found is not None and found.origin and not fullname.isidentifier():
            name = self.name_of(found.origin)  # "My notes", when my_notes was imported as such
            return found if name == fullname else _alias(fullname, name)
        if found is None and beside is not None and PathFinder.find_spec(fullname, [beside]):
            # A .py file or a folder: imported under its place, so two folders never collide.
            found = _alias_beside(fullname, beside, f"{names.of_folder(beside)}.{fullname}")
        return found

    def _on_path(self, fullname: str, path: Sequence[str]) -> ModuleSpec | None:
        """Search folders for a notebook or a package of notebooks, as `PathFinder` does."""
        finders = [finder for entry in path if (finder := self._folder(entry)) is not None]
        for finder in finders:
            spec = finder.find_spec(fullname)
            if spec is not None and spec.loader is not None:
                spec.cached = spec.loader.entry  # type: ignore[attr-defined] # a NotebookLoader
                return spec
        tail = fullname.rpartition(".")[2]
        for finder in finders:
            stems = folders.stems_for(finder.path, tail)
            if stems:
                return notebook_spec(fullname, _only_file(fullname, finder.path, stems))
        return None

    def _folder(self, entry: object) -> FileFinder | ArchiveFinder | None:
        """Return the finder of one entry of a search path, kept as importlib keeps its own."""
        if not isinstance(entry, str):
            return None
        place = entry or caller.here()
        finder = self._folders.get(place)
        if finder is None and os.path.isdir(place):
            finder = FileFinder(place, _DETAILS)
        elif finder is None:
            finder = archive_finder(place)
        if finder is not None:
            self._folders[place] = finder
        return finder

    def _by_place(self, fullname: str, namespace: ModuleSpec | None) -> ModuleSpec | None:
        """Return the spec of a name under ``nbimport.at``, see `names`."""
        if fullname == names.PREFIX:
            return _folder_spec(fullname, os.sep)
        parent, _, tail = fullname.rpartition(".")
        if names.UNLESS_INSTALLED in parent:  # inside a package that was bound by an import
            return _alias(fullname, f"{sys.modules[parent].__name__}.{tail}")
        folder, last = names.path_of(fullname)
        if last.endswith(names.UNLESS_INSTALLED):
            return self._unless_installed(fullname, folder, names.decode(last[:-1]))
        if last.endswith(names.ONLY_DEFINITIONS):
            stem = names.decode(last.removesuffix(names.ONLY_DEFINITIONS)).removesuffix(
                names.SUFFIX
            )
            return notebook_spec(fullname, os.path.join(folder, stem + names.SUFFIX), "definitions")
        decoded = names.decode(last)
        place = os.path.join(folder, decoded.rstrip("/"))
        if not decoded.endswith("/"):
            files = (os.path.join(place, "__init__" + names.SUFFIX), place + names.SUFFIX, place)
            for file in files:
                if file.endswith(names.SUFFIX) and os.path.isfile(file):
                    name = self.name_of(file)
                    return (
                        notebook_spec(fullname, file)
                        if name == fullname
                        else _alias(fullname, name)
                    )
        return _folder_spec(fullname, place) if os.path.isdir(place) else namespace

    def _unless_installed(self, fullname: str, folder: str, stem: str) -> ModuleSpec:
        word = stem.replace(" ", "_").replace("-", "_")
        module = sys.modules.get(word)
        if module is not None:
            present = not isinstance(getattr(module, "__loader__", None), NotebookLoader)
        else:
            regular = self._regular(word, None)
            present = regular is not None and regular.loader is not None
        place = os.path.join(folder, stem)
        if os.path.isfile(place + names.SUFFIX):
            place += names.SUFFIX
        else:
            place = os.path.join(place, "__init__" + names.SUFFIX)
        return _alias(fullname, word if present else self.name_of(place))

    def _in_mount(self, path: str) -> str | None:
        for name, folder in self.mounts.items():
            if path.startswith(folder + os.sep):
                dotted = _dotted(os.path.relpath(path, folder))
                return f"{name}.{dotted}" if dotted else None
        return None

    def _on_search_path(self, path: str) -> str | None:
        """Return the plain name of a notebook, if importing that name would import this file."""
        root = os.path.dirname(path)
        while names.has_init(root) and os.path.dirname(root) != root:
            root = os.path.dirname(root)
        if not any((entry or caller.here()) == root for entry in sys.path):
            return None
        dotted = _dotted(os.path.relpath(path, root))
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
            spec = self._regular(top, None)
            if spec is None or spec.loader is None:
                spec = self._on_path(top, sys.path)
        home = path if top == dotted else os.path.join(root, top)
        origin = getattr(spec, "origin", None) or ""
        return dotted if origin == home or os.path.dirname(origin) == home else None


def notebook_spec(fullname: str, path: str, only: str | None = None) -> ModuleSpec:
    """Return the spec of one notebook file under a given name."""
    is_package = os.path.basename(path) == "__init__" + names.SUFFIX
    loader = NotebookLoader(fullname, path, only)
    spec = ModuleSpec(fullname, loader, origin=path, is_package=is_package)
    if is_package:
        spec.submodule_search_locations = [os.path.dirname(path)]
    spec.has_location = True
    spec.cached = loader.entry
    return spec


def _mount_spec(fullname: str, folder: str) -> ModuleSpec:
    if not os.path.isdir(folder):
        raise NotebookNotFoundError(
            f"mount {fullname!r}: there is no folder {folder}; correct the mount", name=fullname
        )
    init = os.path.join(folder, "__init__")
    if os.path.isfile(init + ".py"):
        loader = SourceFileLoader(fullname, init + ".py")
        spec = spec_from_file_location(
            fullname, init + ".py", loader=loader, submodule_search_locations=[folder]
        )
        if spec is not None:
            return spec
    if os.path.isfile(init + names.SUFFIX):
        return notebook_spec(fullname, init + names.SUFFIX)
    return _folder_spec(fullname, folder)


def _folder_spec(fullname: str, folder: str) -> ModuleSpec:
    spec = ModuleSpec(fullname, None, is_package=True)
    spec.submodule_search_locations = [folder]
    return spec


def _alias(fullname: str, name: str) -> ModuleSpec:
    return ModuleSpec(fullname, AliasLoader(name), origin=name)


def _alias_beside(word: str, folder: str, name: str) -> ModuleSpec:
    """Return an alias that is not registered under the plain word, which other folders use too."""
    return _alias(f"{names.of_folder(folder)}.{names.encode(word)}{names.UNLESS_INSTALLED}", name)


def _dotted(relative: str) -> str | None:
    """Return a relative path as a dotted name, or None where a part has a dot of its own."""
    parts = relative.removesuffix(names.SUFFIX).split(os.sep)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts) if parts and not any("." in part for part in parts) else None


def _only_file(fullname: str, folder: str, stems: list[str]) -> str:
    """Return the notebook whose file name answers to a name without being equal to it.

    Raises:
        NotebookNotFoundError: Two files answer, or what is there is no file.
    """
    if len(stems) > 1:
        listed = ", ".join(repr(stem + names.SUFFIX) for stem in stems)
        raise NotebookNotFoundError(
            f"{folder}: {fullname!r} could mean {listed}; rename one of them, or use nbimport.load()",
            name=fullname,
        )
    path = os.path.join(folder, stems[0] + names.SUFFIX)
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
