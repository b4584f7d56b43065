"""Name -> spec or None: where a notebook answers to an import, and where it must not.

The finder stands just before `PathFinder` and asks it, and every finder after it, first: whatever
would be imported without nbimport is imported with it. Only then, in this order, answer: a mount, a
notebook beside the importing notebook, a notebook on the search path, a namespace package, a
``.py`` file or folder beside the importing notebook.

The usual case is decided here: a notebook on the search path, imported by its plain name. What is
rarer is imported when it is needed.
"""

from __future__ import annotations

import os
import sys
from _frozen_importlib_external import PathFinder

from nbimport.machinery import PREFIX, SUFFIX, folders, loader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from nbimport.machinery.caller import Importer

_BESIDE = "nbimport.machinery.beside"
# What `site` asks for whenever Python starts: no notebook, so that the start stays cheap where
# `enable` made every start import nbimport.
_SITES = frozenset({"sitecustomize", "usercustomize"})
# Modules that are extended when something imports them, see `extensions`.
EXTENDED = frozenset(
    {
        "IPython.extensions.autoreload",
        "_pytest.pathlib",
        "distributed.client",
        "doctest",
        "joblib.externals.loky.backend.spawn",
        "linecache",
        "loky.backend.spawn",
        "multiprocessing.spawn",
        "pdb",
        "pkgutil",
        "threading",
    }
)


def standing() -> NotebookFinder | None:
    """Return the finder that stands in ``sys.meta_path``, if one does."""
    for finder in sys.meta_path:
        if type(finder) is NotebookFinder:
            return finder
    return None


def meant(folder: str, dotted: str) -> str:
    """Return the full name of what a dotted name means to the notebooks in a folder.

    Compiled import statements ask this, see `siblings`, and import that module at once.
    """
    finder = standing()
    if finder is None:  # uninstalled: what is imported already keeps running
        return dotted
    if finder.is_plain(folder, dotted):
        return dotted
    from nbimport.machinery import beside

    return beside.meaning(finder, folder, dotted)


class NotebookFinder:
    """Find notebooks for the import system; one instance stands in ``sys.meta_path``.

    Attributes:
        mounts: Package name -> folder, as given to mount().
        aliases: Names under which modules have been found that have another name of their own.
        meanings: (folder, name) -> what an import of that name by a notebook in that folder means.
        certain: Name -> folder, of a notebook that was just looked up and is about to be imported.
    """

    def __init__(self) -> None:
        self.mounts: dict[str, str] = {}
        self.aliases: set[str] = {_BESIDE}
        self.meanings: dict[tuple[str, str], str] = {}
        self.certain: dict[str, str] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec that importlib shall load, or None where nothing answers."""
        tail = fullname
        if path is not None:
            parent, _, tail = fullname.rpartition(".")
            if parent in self.aliases and (spec := self._in_alias(fullname, parent, tail)):
                return spec
        elif self.certain:
            place = self.certain.pop(fullname, None)
            if place is not None:
                return loader.spec_of(fullname, os.path.join(place, fullname + SUFFIX))
            self.certain.clear()
        place = None
        if tail in folders.found_stems:
            place = folders.only_notebook(tail, sys.path if path is None else path)
        if path is None or fullname.startswith(PREFIX):
            spec = self.regular(fullname, path, target, on_path=place is None)
        else:
            spec = self._in_package(fullname, path, target, place)
        if spec is not None and spec.loader is not None:
            return _watched(fullname, spec) if fullname in EXTENDED else spec
        if fullname.startswith(PREFIX):
            from nbimport.machinery import places

            return places.spec_at(self, fullname, spec)
        if path is not None or fullname in sys.stdlib_module_names or fullname in _SITES:
            return spec
        return self._top_level(fullname, place) or spec

    def invalidate_caches(self) -> None:
        """Forget what folders hold and what pyproject.toml files say."""
        folders.forget()
        loader.forget_settings()
        self.certain.clear()
        search = sys.modules.get("nbimport.machinery.search")
        if search is not None:
            search.invalidate_caches()

    def forget(self, name: str) -> None:
        """Forget what names meant, for a mount is going."""
        self.meanings.clear()
        self.certain.clear()
        self.aliases = {key for key in self.aliases if not (key + ".").startswith(name + ".")}

    def mounted(self, fullname: str, beside: str | None) -> str | None:
        """Return the folder of a mount, given to mount() or set for the importer's project.

        Args:
            fullname: The name.
            beside: The importing notebook's folder, or None for the working directory.
        """
        folder = self.mounts.get(fullname)
        if folder is None:
            config = loader.settings(beside if beside is not None else folders.here())
            folder = None if config is None else config.mounts.get(fullname)
        return folder

    def is_plain(self, folder: str, word: str) -> bool:
        """Tell whether a word is the name of a notebook in a folder, and of nothing else.

        If it is not imported yet, the import that follows need not look again.
        """
        file = os.path.join(folder, word + SUFFIX)
        module = sys.modules.get(word)
        if module is not None:
            own = getattr(module, "__loader__", None)
            return type(own) is loader.NotebookLoader and own.path == file
        if (
            folders.only_notebook(word, sys.path) == folder
            and not folders.is_package(folder)
            and self.regular(word, None, on_path=False) is None
            and self.mounted(word, folder) is None
            and loader.loaded.get(file, word) == word
        ):
            self.certain[word] = folder
            return True
        return False

    def regular(
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

    def on_search_path(self, name: str) -> ModuleSpec | None:
        """Return the spec of what the search path alone holds under a top-level name."""
        place = folders.only_notebook(name, sys.path)
        spec = self.regular(name, None, on_path=place is None)
        return spec if spec and spec.loader else self._on_path(name, sys.path, place) or spec

    def alias(self, fullname: str, name: str) -> ModuleSpec:
        """Return the spec of another name of a module."""
        from nbimport.machinery import specs

        self.aliases.add(fullname)
        return specs.alias(fullname, name)

    def _in_package(
        self, fullname: str, path: Sequence[str], target: ModuleType | None, place: str | None
    ) -> ModuleSpec | None:
        """Return the spec of a submodule: a notebook has the rank of a ``.py`` file in its place.

        Finders behind `PathFinder` come later, for a package's own path leads to its own modules.
        """
        spec = PathFinder.find_spec(fullname, path, target) if place is None else None
        if spec is None or spec.loader is None:
            spec = self._once(fullname, self._on_path(fullname, path, place)) or spec
        if spec is None or spec.loader is None:
            spec = self.regular(fullname, path, target, on_path=False) or spec
        return spec

    def _top_level(self, fullname: str, place: str | None) -> ModuleSpec | None:
        if place is None:
            place = folders.only_notebook(fullname, sys.path, is_fresh=True)
        importer = _importer()
        folder = self.mounted(fullname, None if importer is None else importer.folder)
        if folder is not None:
            from nbimport.machinery import specs

            return specs.mount(fullname, folder)
        if importer is not None and importer.beside is not None and importer.beside != place:
            from nbimport.machinery import beside

            spec = beside.spec_for(self, importer, importer.beside, fullname)
            if spec is not None:
                return spec
        return self._once(fullname, self._on_path(fullname, sys.path, place))

    def _on_path(self, fullname: str, path: Sequence[str], place: str | None) -> ModuleSpec | None:
        """Return the spec of a notebook on a path, which lies in `place` if that is known."""
        if place is None:
            place = folders.only_notebook(fullname.rpartition(".")[2], path, is_fresh=True)
        if place is None:
            if folders.none_holds(fullname.rpartition(".")[2], path):
                return None
            from nbimport.machinery import search

            return search.on_path(fullname, path)
        return loader.spec_of(fullname, os.path.join(place, fullname.rpartition(".")[2] + SUFFIX))

    def _once(self, fullname: str, spec: ModuleSpec | None) -> ModuleSpec | None:
        """Return an alias in place of a spec whose notebook has been loaded by its path already.

        A name that no import statement can spell, such as "My notes", is an alias of the one that
        it can.
        """
        if spec is None or spec.origin is None or spec.cached is None:
            return spec
        spelt = fullname.replace(".", "").isidentifier()
        if spelt and spec.origin not in loader.loaded:
            return spec
        from nbimport.machinery import caller, places

        name = loader.loaded[spec.origin] if spelt else places.name_of(self, spec.origin)
        if name == fullname or (spelt and not name.startswith(PREFIX)):
            return spec
        is_there = name in sys.modules or not spelt
        return self.alias(fullname, name) if is_there and caller.find().wanted else spec

    def _in_alias(self, fullname: str, parent: str, tail: str) -> ModuleSpec | None:
        if parent == _BESIDE:
            from nbimport.machinery import beside

            return beside.second_spec(self, fullname, tail)
        name = getattr(sys.modules.get(parent), "__name__", parent)
        return None if name == parent else self.alias(fullname, f"{name}.{tail}")


def _importer() -> Importer | None:
    """Return who imports, or None where no notebook can be running."""
    if not loader.programs and "IPython" not in sys.modules:
        return None
    from nbimport.machinery import caller

    return caller.find()


def _watched(fullname: str, spec: ModuleSpec) -> ModuleSpec:
    from nbimport.machinery import extensions, observers

    extensions.install()
    return observers.watched(fullname, spec)
