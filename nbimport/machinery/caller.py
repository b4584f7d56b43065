"""Who imports: the notebook whose code runs an import statement."""

from __future__ import annotations

import os
import sys

from nbimport.machinery.loader import NotebookLoader

_IMPORT_SYSTEM = ("importlib", "nbimport.hook", "nbimport.machinery")


class Importer:
    """Hold what is known of who imports.

    Attributes:
        folder: The notebook's folder, or None if it is no notebook that imports.
        beside: The folder in which absolute names are looked up as well: the same, but None in a
            package, where they mean the same in every module.
        is_session: True in a kernel, False in an imported notebook.
        wanted: The name that is imported, of which the finder may be asked for a parent only;
            empty where no import is going on.
    """

    __slots__ = ("beside", "folder", "is_session", "wanted")

    def __init__(
        self,
        wanted: str,
        folder: str | None = None,
        beside: str | None = None,
        *,
        is_session: bool = False,
    ) -> None:
        self.wanted = wanted
        self.folder = folder
        self.beside = beside
        self.is_session = is_session


def find() -> Importer:
    """Find the innermost frame that is not part of the import system.

    A notebook module knows its file. A notebook that runs in a kernel is known by what VS Code puts
    into its namespace, or by the variable that Jupyter's server sets for the kernel.
    """
    wanted = ""
    frame = sys._getframe(1)  # there is no other way to know who imports
    while frame is not None:
        space = frame.f_globals
        name = space.get("__name__", "")
        if wanted and name == "nbimport.hook":
            return Importer(wanted)  # load() knows the file: nothing beside the importer is meant
        if not isinstance(name, str) or not name.startswith(_IMPORT_SYSTEM):
            folder = _folder(space, name)
            if folder is None:
                return Importer(wanted)
            inside = _is_in_package(space)
            beside = None if inside else folder
            return Importer(wanted, folder, beside, is_session=name == "__main__")
        if frame.f_code.co_name == "_find_and_load":
            wanted = frame.f_locals.get("name", wanted)
        frame = frame.f_back  # type: ignore[assignment] # the loop ends at None
    return Importer(wanted)


def folder() -> str | None:
    """Return the importing notebook's folder, or None if it is no notebook that imports."""
    return find().folder


def session_folder(space: dict[str, object]) -> str | None:
    """Return the folder of the notebook that runs in this kernel, from a session's namespace."""
    notebook = space.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    if not isinstance(notebook, str) or "ipykernel" not in sys.modules:
        return None
    beside = os.path.dirname(os.path.abspath(notebook))
    return beside if os.path.isdir(beside) else None


def _folder(space: dict[str, object], name: object) -> str | None:
    loader = space.get("__loader__")
    if isinstance(loader, NotebookLoader):
        return os.path.dirname(loader.path)
    file = space.get("__file__")
    if isinstance(file, str):
        return os.path.dirname(os.path.abspath(file)) if file.endswith(".ipynb") else None
    return session_folder(space) if name == "__main__" else None


def _is_in_package(space: dict[str, object]) -> bool:
    """Tell whether a module belongs to a package with an ``__init__``."""
    package = sys.modules.get(str(space.get("__package__")))
    return getattr(package, "__file__", None) is not None
