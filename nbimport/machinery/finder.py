"""Name -> spec or None: where a notebook answers to an import, and where it must not.

The finder stands just before `PathFinder` and asks it, and every finder after it, first: whatever
would be imported without nbimport is imported with it. Only then, in this order, answer: a mount, a
notebook beside the importing notebook, a notebook on the search path, a namespace package, a
``.py`` file or folder beside the importing notebook.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import FileFinder, PathFinder

from nbimport import config as configuration
from nbimport.errors import NotebookNotFoundError
from nbimport.machinery import caller, folders, loader, names, observers, specs
from nbimport.machinery.archives import ArchiveFinder, ArchiveLoader, archive_finder
from nbimport.machinery.loader import NotebookLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_DETAILS = (NotebookLoader, [names.SUFFIX])
_BESIDE = "nbimport.machinery.beside"


def standing() -> NotebookFinder | None:
    """Return the finder that stands in ``sys.meta_path``, if one does."""
    return next((finder for finder in sys.meta_path if isinstance(finder, NotebookFinder)), None)


class NotebookFinder:
    """Find notebooks for the import system; one instance stands in ``sys.meta_path``."""

    def __init__(self) -> None:
        self.mounts: dict[str, str] = {}
        self._folders: dict[str, FileFinder | ArchiveFinder] = {}
        # Names of which modules have been found under another name of their own.
        self._aliases: set[str] = {_BESIDE}
        # (folder, name) -> what an import of that name by a notebook in that folder means.
        self._meanings: dict[tuple[str, str], str] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec that importlib shall load, or None where nothing answers."""
        tail = fullname
        if path is not None:
            parent, _, tail = fullname.rpartition(".")
            if parent in self._aliases and (spec := self._in_alias(fullname, parent, tail)):
                return spec
        place = folders.only_notebook(tail, sys.path if path is None else path)
        spec = self._regular(fullname, path, target, on_path=place is None)
        if spec is not None and spec.loader is not None:
            return observers.watched(fullname, spec)
        if fullname.startswith(names.PREFIX):
            return self._by_place(fullname, spec)
        if path is not None:
            return self._once(fullname, self._on_path(fullname, path, place)) or spec
        if fullname in sys.stdlib_module_names:
            return spec
        return self._top_level(fullname, spec, place)

    def invalidate_caches(self) -> None:
        """Forget what folders hold and what pyproject.toml files say."""
        for folder in self._folders.values():
            folder.invalidate_caches()
        folders.forget()
        configuration.forget()

    def forget(self, name: str) -> None:
        """Forget what names meant, for a mount is going."""
        self._meanings.clear()
        self._aliases = {key for key in self._aliases if not (key + ".").startswith(name + ".")}

    def name_of(self, path: str, only: str | None = None) -> str:
        """Return the name under which a notebook is, or would be, imported.

        It is the one it has already; else its name in a mount; else the one under which the
        search path finds it; else its place, ``nbimport.at...``.
        """
        subject = path + names.ONLY_DEFINITIONS if only else path
        known = loader.loaded.get(subject)
        if known is not None:
            spec = getattr(sys.modules.get(known), "__spec__", None)
            if spec is not None and isinstance(spec.loader, NotebookLoader) and spec.origin == path:
                return known
        if only is None and not names.is_hidden(path):
            return self._in_mount(path) or self._on_search_path(path) or names.of_notebook(path)
        return names.of_notebook(path, only)

    def meant(self, folder: str, dotted: str) -> str:
        """Return the full name of what a dotted name means to the notebooks in a folder."""
        if caller.find().beside is None and folders.is_package(folder):
            return dotted
        word, dot, rest = dotted.partition(".")
        return self._meaning(folder, word) + dot + rest

    def mounted(self, fullname: str, importer: caller.Importer | None = None) -> str | None:
        """Return the folder of a mount, given to mount() or set for the importing project."""
        folder = self.mounts.get(fullname)
        if folder is None:
            config = loader.given[-1] if loader.given else None
            if config is None:
                beside = caller.find().folder if importer is None else importer.folder
                config = configuration.nearest(beside if beside is not None else folders.here())
            folder = config.mounts.get(fullname)
        return folder

    def _regular(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
        *,
        on_path: bool = True,
    ) -> ModuleSpec | None:
        """Return what would be found without this finder; a namespace only if nothing better is.

        With ``on_path=False`` it is known that `PathFinder` would find nothing.
        """
        namespace = None
        after = False
        for finder in sys.meta_path:
            if finder is self:
                after = True
            elif after and (on_path or finder is not PathFinder) and hasattr(finder, "find_spec"):
                spec = finder.find_spec(fullname, path, target)
                if spec is not None:
                    if spec.loader is not None:
                        return spec
                    namespace = namespace or spec
        return namespace

    def _top_level(
        self, fullname: str, namespace: ModuleSpec | None, place: str | None
    ) -> ModuleSpec | None:
        importer = caller.find()
        folder = self.mounted(fullname, importer)
        if folder is not None:
            return specs.mount(fullname, folder)
        if importer.beside is not None and importer.beside != place:
            spec = self._for_importer(importer, importer.beside, fullname)
            if spec is not None:
                return spec
        return self._once(fullname, self._on_path(fullname, sys.path, place)) or namespace

    def _once(self, fullname: str, spec: ModuleSpec | None) -> ModuleSpec | None:
        """Return an alias in place of a spec whose notebook has been loaded by its path already.

        A name that no import statement can spell, such as "My notes", is an alias of the one that
        it can.
        """
        if spec is None or spec.origin is None or isinstance(spec.loader, ArchiveLoader):
            return spec
        spelt = fullname.replace(".", "").isidentifier()
        name = loader.loaded.get(spec.origin, fullname) if spelt else self.name_of(spec.origin)
        if name == fullname or (spelt and not name.startswith(names.PREFIX)):
            return spec
        is_there = name in sys.modules or not spelt
        return self._alias(fullname, name) if is_there and caller.find().wanted else spec

    def _for_importer(
        self, importer: caller.Importer, folder: str, fullname: str
    ) -> ModuleSpec | None:
        """Return what a name that is looked up at run time means beside the importer."""
        name = self._meaning(folder, fullname)
        if name == fullname:
            return None
        if not importer.wanted:  # find_spec() was called: it asks what there is, under this name
            return self._on_path(fullname, [folder]) or PathFinder.find_spec(fullname, [folder])
        if importer.is_session:  # it has the plain names to itself
            return self._alias(fullname, name)
        if importer.wanted != fullname:
            raise NotebookNotFoundError(
                f"{importer.wanted!r}: {fullname!r} was found beside the importing notebook, in "
                f"{folder}, where dotted names are for import statements; write "
                f"`import {importer.wanted}`",
                name=importer.wanted,
            )
        # Not registered under the plain word, which other folders use too.
        return specs.alias(f"{names.encode(folder)}?{fullname}", name)

    def _in_alias(self, fullname: str, parent: str, tail: str) -> ModuleSpec | None:
        if parent == _BESIDE:
            from nbimport.machinery import beside

            return specs.alias(fullname, self.meant(*beside.parse(tail)), is_imported=True)
        name = getattr(sys.modules.get(parent), "__name__", parent)
        return None if name == parent else self._alias(fullname, f"{name}.{tail}")

    def _meaning(self, folder: str, word: str) -> str:
        """Return the full name of what a name means to the notebooks in a folder."""
        module = sys.modules.get(word)
        if module is not None and self._is_regular(word, module):
            return word
        known = self._meanings.get((folder, word))
        if known not in sys.modules:
            known = self._meanings[folder, word] = self._looked_up(folder, word)
        return known

    def _is_regular(self, word: str, module: ModuleType) -> bool:
        """Tell whether what a name has imported is neither ours nor just a folder."""
        if isinstance(getattr(module, "__loader__", None), NotebookLoader):
            return False
        is_folder = getattr(module, "__file__", None) is None and hasattr(module, "__path__")
        return word not in self._aliases and not is_folder

    def _looked_up(self, folder: str, word: str) -> str:
        if (
            folders.only_notebook(word, sys.path) == folder
            and self._regular(word, None, on_path=False) is None
            and self.mounted(word) is None
            and loader.loaded.get(os.path.join(folder, word + names.SUFFIX), word) == word
        ):
            return word
        regular = self._regular(word, None)
        if (regular is not None and regular.loader is not None) or self.mounted(word) is not None:
            return word
        found = PathFinder.find_spec(word, [folder])
        if found is None or found.loader is None:
            notebook = self._on_path(word, [folder])
            if notebook is not None and notebook.origin is not None:
                return self.name_of(notebook.origin)
        if regular is not None and os.path.join(folder, word) in regular.submodule_search_locations:
            return word  # the namespace that has this folder in it
        if found is None:
            return word
        return self._in_mount(os.path.join(folder, word)) or f"{names.of_folder(folder)}.{word}"

    def _alias(self, fullname: str, name: str) -> ModuleSpec:
        self._aliases.add(fullname)
        return specs.alias(fullname, name)

    def _on_path(
        self, fullname: str, path: Sequence[str], place: str | None = None
    ) -> ModuleSpec | None:
        """Search folders for a notebook or a package of notebooks, as `PathFinder` does.

        Where the notebook lies in `place` for certain, nothing is searched.
        """
        tail = fullname.rpartition(".")[2]
        if place is not None:
            return specs.notebook(fullname, os.path.join(place, tail + names.SUFFIX))
        finders = [finder for entry in path if (finder := self._folder(entry, tail)) is not None]
        for finder in finders:
            spec = finder.find_spec(fullname)
            if spec is not None and spec.loader is not None:
                spec.cached = spec.loader.entry  # type: ignore[attr-defined] # a NotebookLoader
                return spec
        for finder in finders:
            stems = folders.stems_for(finder.path, tail)
            if stems:
                return specs.notebook(fullname, specs.only_file(fullname, finder.path, stems))
        return None

    def _folder(self, entry: object, tail: str) -> FileFinder | ArchiveFinder | None:
        """Return the finder of one entry of a search path, unless a name can't be there."""
        if not isinstance(entry, str):
            return None
        place = entry or folders.here()
        finder = self._folders.get(place)
        if finder is None and os.path.isdir(place):
            finder = FileFinder(place, _DETAILS)
        elif finder is None:
            finder = archive_finder(place)
        if finder is not None:
            self._folders[place] = finder
        is_folder = isinstance(finder, FileFinder)
        return None if is_folder and not folders.may_hold(place, tail) else finder

    def _by_place(self, fullname: str, namespace: ModuleSpec | None) -> ModuleSpec | None:
        """Return the spec of a name under ``nbimport.at``, see `names`."""
        if fullname == names.PREFIX:
            return specs.folder(fullname, os.sep)
        folder, last = names.path_of(fullname)
        if last.endswith(names.ONLY_DEFINITIONS):
            stem = names.decode(last.removesuffix(names.ONLY_DEFINITIONS))
            file = os.path.join(folder, stem.removesuffix(names.SUFFIX) + names.SUFFIX)
            return specs.notebook(fullname, file, "definitions")
        decoded = names.decode(last)
        place = os.path.join(folder, decoded.rstrip("/"))
        if not decoded.endswith("/"):
            files = (os.path.join(place, "__init__" + names.SUFFIX), place + names.SUFFIX, place)
            for file in files:
                if file.endswith(names.SUFFIX) and os.path.isfile(file):
                    name = self.name_of(file)
                    if name == fullname:
                        return specs.notebook(fullname, file)
                    return self._alias(fullname, name)
        return specs.folder(fullname, place) if os.path.isdir(place) else namespace

    def _in_mount(self, path: str) -> str | None:
        for name, folder in self.mounts.items():
            if path.startswith(folder + os.sep):
                dotted = names.dotted(os.path.relpath(path, folder))
                return f"{name}.{dotted}" if dotted else None
        return None

    def _on_search_path(self, path: str) -> str | None:
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
            spec = self._regular(top, None)
            if spec is None or spec.loader is None:
                spec = self._on_path(top, sys.path)
        home = path if top == dotted else os.path.join(root, top)
        origin = getattr(spec, "origin", None) or ""
        return dotted if origin == home or os.path.dirname(origin) == home else None
