"""Who imports: the folder of the notebook whose code runs an import statement."""

from __future__ import annotations

import os
import sys

from nbimport.machinery.loader import NotebookLoader

_IMPORT_SYSTEM = ("importlib", "nbimport.hook", "nbimport.machinery")


def folder() -> str | None:
    """Return the importing notebook's folder, or None if it is no notebook that imports.

    A notebook module knows its file. A notebook that runs in a kernel is known by what VS Code puts
    into its namespace, or by the variable that Jupyter's server sets for the kernel.
    """
    frame = sys._getframe(1)  # noqa: SLF001 - there is no other way to know who imports
    while frame is not None:
        space = frame.f_globals
        name = space.get("__name__", "")
        if not (isinstance(name, str) and name.startswith(_IMPORT_SYSTEM)):
            loader = space.get("__loader__")
            if isinstance(loader, NotebookLoader):
                return os.path.dirname(loader.path)
            file = space.get("__file__")
            if isinstance(file, str):
                return os.path.dirname(os.path.abspath(file)) if file.endswith(".ipynb") else None
            return session_folder(space) if name == "__main__" else None
        frame = frame.f_back  # type: ignore[assignment] # the loop ends at None
    return None


def session_folder(space: dict[str, object]) -> str | None:
    """Return the folder of the notebook that runs in this kernel, from a session's namespace."""
    notebook = space.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    if not isinstance(notebook, str) or "ipykernel" not in sys.modules:
        return None
    beside = os.path.dirname(os.path.abspath(notebook))
    return beside if os.path.isdir(beside) else None


def here() -> str:
    """Return the working directory, or the root if it has been deleted."""
    try:
        return os.getcwd()
    except OSError:
        return os.sep
