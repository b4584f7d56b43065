"""File -> code -> module: `NotebookLoader`, a `SourceFileLoader` whose source is a notebook.

Only ``get_code``, ``get_source`` and what surrounds ``exec_module`` differ from importlib's own.
The warm path reads one cache entry and never opens the notebook; all that compiling needs is
imported when an entry is missing, and settings when a pyproject.toml mentions nbimport.
"""

from __future__ import annotations

import os
import stat
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import SourceFileLoader

from nbimport.machinery import ONLY_DEFINITIONS, SUFFIX, cache, folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Callable
    from types import CodeType, ModuleType
    from typing import Any

    from nbimport.config import Config
    from nbimport.errors import NotebookImportError
    from nbimport.notebook.reader import Notebook

    # Its own name, which sets its bytecode apart, and what changes the tree of a cell, given with
    # the cell's file name and text.
    Change = tuple[str, Callable[[ast.Module, str, str], None]]

# What a loader loads (see `NotebookLoader.subject`) -> name of the module made from it, so that one
# file is one module.
loaded: dict[str, str] = {}
# The code that was run, by the same key: `linecache` has to know the cells' names.
programs: dict[str, CodeType] = {}
# The settings given to install(), the last of which hold in place of any pyproject.toml's.
given: list[Config] = []
# What test tools change in the cells of some notebooks: (module's name, path) -> change or None.
changers: list[Callable[[str, str], Change | None]] = []
_held: list[str] = []
# Folder -> what the nearest pyproject.toml at or above it sets; None: nothing.
_settings: dict[str, Config | None] = {}


def spec_of(fullname: str, path: str, only: str | None = None) -> ModuleSpec:
    """Return the spec of one notebook file under a given name."""
    is_package = os.path.basename(path) == "__init__" + SUFFIX
    loader = NotebookLoader(fullname, path, only)
    spec = ModuleSpec(fullname, loader, origin=path, is_package=is_package)
    if is_package:
        spec.submodule_search_locations = [os.path.dirname(path)]
    spec.has_location = True
    spec.cached = loader.entry
    return spec


def settings(folder: str) -> Config | None:
    """Return the settings that hold in a folder, or None if all are as they are by default.

    Raises:
        ConfigError: The ``[tool.nbimport]`` of the nearest pyproject.toml is not what it may be.
    """
    if given:
        return given[-1]
    if folder not in _settings:
        parent = os.path.dirname(folder)
        pyproject = os.path.join(folder, "pyproject.toml")
        # access() says no in half the time that open() takes to fail.
        data = cache.content(pyproject) if os.access(pyproject, os.R_OK) else None
        if data is None:
            _settings[folder] = settings(parent) if parent != folder else None
        elif b"nbimport" in data:
            from nbimport.machinery import project

            _settings[folder] = project.config_of(pyproject, data)
        else:
            _settings[folder] = None
    return _settings[folder]


def forget_settings() -> None:
    """Forget every pyproject.toml read so far."""
    _settings.clear()


def announce(cache: dict[str, Any], code: CodeType) -> None:
    """Tell ``linecache`` that there is text for each cell's name, to be fetched when asked for.

    For a frame `inspect` finds no module by the cell's name, and then believes linecache alone.
    """
    for cell in code.co_consts:
        if type(cell) is type(code):
            cache.setdefault(cell.co_filename, (_no_text,))


def _no_text() -> None:
    """Stand where linecache keeps a function for text it has not fetched; ours comes otherwise."""


def hold(name: str, module: ModuleType) -> None:
    """Give a module a second name, see `beside`, for the one import statement that comes next."""
    release()
    _held.append(name)
    sys.modules[name] = module


def release() -> None:
    """Take second names back; another thread's statement would ask for its own again."""
    for name in _held[:]:
        sys.modules.pop(name, None)
    _held.clear()


class NotebookLoader(SourceFileLoader):
    """Load one notebook.

    Args:
        fullname: The module's name.
        path: The notebook's absolute path.
        only: "definitions" to leave the work out, None for what the settings say.

    Attributes:
        entry: Where the bytecode lies, whether or not it is there; None: nowhere.
    """

    def __init__(self, fullname: str, path: str, only: str | None = None) -> None:
        super().__init__(fullname, path)
        self.only = only
        self.change: Change | None = None
        for changer in changers:
            self.change = self.change or changer(fullname, path)
        self.entry = self._entry()

    @property
    def config(self) -> Config:
        """The settings that hold for this notebook."""
        found = settings(os.path.dirname(self.path))
        if found is None:
            from nbimport.config import Config

            return Config()
        return found

    @property
    def subject(self) -> str:
        """The notebook's path, marked where only its definitions are loaded."""
        return self.path + ONLY_DEFINITIONS if self.only else self.path

    def _entry(self) -> str | None:
        """Return where the bytecode lies, whether or not it is there."""
        variant = f"-{self.only}" if self.only else ""
        return cache.entry_path(
            self.path, variant + f"-{self.change[0]}" if self.change else variant
        )

    def exec_module(self, module: ModuleType) -> None:
        """Run the cells; a reload that fails leaves the module as it was."""
        namespace = module.__dict__
        first = getattr(module.__spec__, "_initializing", False)
        before = None if first else dict(namespace)
        loaded[self.subject] = module.__name__
        folders.began(module)
        try:
            try:
                code = self.get_code(module.__name__)
            except (SyntaxError, ImportError) as error:
                # Where in nbimport it was noticed helps nobody.
                raise error.with_traceback(None)  # noqa: B904 - the same error, not a second one
            programs[self.subject] = code
            linecache = sys.modules.get("linecache")
            if linecache is not None:
                announce(linecache.cache, code)
            exec(code, namespace)  # noqa: S102 - what an import does
        except BaseException:
            if before is None:
                loaded.pop(self.subject, None)
            else:
                namespace.clear()
                namespace.update(before)
            raise
        finally:
            folders.ended(module)
            release()  # after a statement that failed
            execution = sys.modules.get("nbimport.machinery.execution")
            if execution is not None:
                execution.finish(namespace)

    # CPython cuts frames of this file and function name from the traceback of an import.
    exec_module.__code__ = exec_module.__code__.replace(
        co_filename="<frozen importlib._bootstrap_external>", co_name="_call_with_frames_removed"
    )

    def get_code(self, fullname: str) -> CodeType:
        """Return the code that runs all cells, from the cache or compiled.

        Raises:
            NotebookFormatError: The file is no notebook that can be read.
            NotebookImportError: There is no such file, or it can't be read.
            SyntaxError: A cell is neither Python nor IPython syntax.
        """
        del fullname
        path = self.path
        entry = self.entry
        config = settings(os.path.dirname(path))
        key = (self.only or "") if config is None else config.key(path, self.only)
        if self.change is not None:
            key += self.change[0]
        found = None
        if entry is not None:
            try:
                status = os.stat(path)
            except OSError:
                status = None
            if status is not None:
                read = cache.read
                if config is not None and config.trust == "signed":
                    from nbimport.machinery.trust import read
                found = read(entry, path, key, status)
        if found is not None and found.fresh and self._binding_holds(found.payload):
            return found.payload[0]  # type: ignore[no-any-return] # what write() put there
        return self._compiled(entry, key, found)

    def get_source(self, fullname: str) -> str:
        """Return the Python that an import executes, cell after cell.

        Raises:
            ImportError: The notebook can't be read or is not Python.
        """
        from nbimport.errors import NotebookImportError
        from nbimport.machinery import compiler

        self.get_filename(fullname)  # refuses to speak for another module
        try:
            return compiler.python_source(self._notebook()[0], self.config, self.only)
        except SyntaxError as error:
            raise NotebookImportError(f"{self.path}: {error}", path=self.path) from error

    def _binding_holds(self, payload: tuple[Any, ...]) -> bool:
        """Tell whether the notebooks beside this one are still those the code was bound to."""
        imports, bound = payload[1:3]
        if not imports:
            return True
        neighbours = folders.neighbours(self.path)
        return tuple(name for name in imports if name in neighbours) == tuple(bound)

    def _compiled(self, entry: str | None, key: str, found: cache.Entry | None) -> CodeType:
        from nbimport.machinery import compiler

        compiler.check_path(self.path)
        notebook, stamp, mode, data = self._notebook()
        seals, write = [], cache.write
        if self.config.trust == "signed":
            from nbimport.machinery import trust

            seals, write = [trust.sealed(data, self.path)], trust.write
        digest = cache.digest_of(notebook.content())
        if found is not None and found.digest == digest and self._binding_holds(found.payload):
            payload = found.payload[:3]
        else:
            neighbours = folders.neighbours(self.path)
            change = None if self.change is None else self.change[1]
            program = compiler.compile_notebook(
                notebook, self.config, self.only, neighbours, change
            )
            payload = tuple(program)
        if entry is not None:
            write(entry, mode, cache.packed(stamp, self.path, key, digest, (*payload, *seals)))
        return payload[0]  # type: ignore[no-any-return] # the first of a Program

    def _notebook(self) -> tuple[Notebook, cache.Stamp, int, bytes]:
        """Read the notebook; return it with stamp, mode and content of the file that was read."""
        from nbimport.errors import NotebookImportError
        from nbimport.notebook import reader

        path = self.path
        try:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
            with open(descriptor, "rb") as file:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode):
                    raise NotebookImportError(
                        f"{path}: not a regular file; give the notebook's own path", path=path
                    )
                stamp = cache.careful_stamp_of(status)
                data = file.read()
                if cache.stamp_of(os.fstat(descriptor)) != cache.stamp_of(status):
                    stamp = cache.UNTRUSTED
        except OSError as error:
            raise unreadable(path, error) from error
        return reader.read(data, path), stamp, status.st_mode, data


def unreadable(path: str, error: OSError) -> NotebookImportError:
    """Return what to raise for a notebook that the system won't let us read."""
    from nbimport.errors import NotebookImportError, NotebookNotFoundError

    kind = NotebookNotFoundError if isinstance(error, FileNotFoundError) else NotebookImportError
    return kind(f"{path}: {error.strerror or error}; check the path", path=path)
