"""Notebooks in zip files on the search path, through `zipimport`; compiled at each import."""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec

from nbimport.machinery import cache, folders, specs
from nbimport.machinery.loader import NotebookLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any
    from zipimport import zipimporter

    from nbimport.notebook.reader import Notebook


class ArchiveFinder:
    """Find notebooks in one entry of the search path that lies in a zip file."""

    def __init__(self, path: str, archive: zipimporter) -> None:
        self.path = path
        self._archive = archive

    def find_spec(self, fullname: str) -> ModuleSpec | None:
        """Return the spec of a notebook, or of a package of notebooks, in the archive."""
        place = os.path.join(self.path, self._stem(fullname))
        for path, is_package in (
            (os.path.join(place, "__init__.ipynb"), True),
            (place + ".ipynb", False),
        ):
            try:
                data = self._archive.get_data(path)
            except OSError:
                continue
            loader = ArchiveLoader(fullname, path, data)
            spec = ModuleSpec(fullname, loader, origin=path, is_package=is_package)
            if is_package:
                spec.submodule_search_locations = [place]
            spec.has_location = True
            return spec
        return None

    def _stem(self, fullname: str) -> str:
        """Return the file's own name for one in which underscores stand for spaces and dashes.

        Raises:
            NotebookNotFoundError: Two files answer.
        """
        tail = fullname.rpartition(".")[2]
        inside = self._archive.prefix
        stems = folders.by_name(
            file[len(inside) :] for file in self._files() if file.startswith(inside)
        ).get(tail, [tail])
        if tail in stems:
            return tail
        return specs.only_stem(fullname, self.path, stems)

    def _files(self) -> Iterable[str]:
        archive: Any = self._archive
        files: dict[str, Any] = (
            archive._get_files() if hasattr(archive, "_get_files") else archive._files
        )
        return files

    def invalidate_caches(self) -> None:
        """Forget the archive's table of contents."""
        self._archive.invalidate_caches()


class ArchiveLoader(NotebookLoader):
    """Load a notebook from bytes that came out of an archive."""

    def __init__(self, fullname: str, path: str, data: bytes) -> None:
        super().__init__(fullname, path)
        self._data = data

    def _entry(self) -> str | None:
        """Return None: there is no folder beside it to keep bytecode in."""
        return None

    def get_data(self, path: str) -> bytes:
        """Return the notebook, or another member of its archive."""
        if path == self.path:
            return self._data
        for importer in sys.path_importer_cache.values():
            archive = getattr(importer, "archive", None)
            if archive and path.startswith(archive + os.sep):
                return importer.get_data(path)  # type: ignore[union-attr, no-any-return] # a zipimporter
        raise OSError(f"{path}: not in an archive on the search path")

    def _notebook(self) -> tuple[Notebook, cache.Stamp, int, bytes]:
        from nbimport.notebook import reader, sourcemap  # the cold path

        notebook = reader.read(self._data, self.path)
        sourcemap.remember(notebook)
        return notebook, cache.UNTRUSTED, 0, self._data


def archive_finder(path: str) -> ArchiveFinder | None:
    """Return a finder if an entry of the search path is a zip file or lies in one."""
    importer = sys.path_importer_cache.get(path)
    if importer is None or not hasattr(importer, "archive"):
        return None
    return ArchiveFinder(path, importer)  # type: ignore[arg-type] # only zipimporters have an archive
