"""Every exception and warning that nbimport raises; knows nothing of the rest.

    ImportError
    └── NotebookImportError       root of what nbimport raises; carries path, cell and line
        ├── NotebookFormatError   the file is not a notebook that can be read
        ├── NotebookNotFoundError nothing to import there (also a ModuleNotFoundError)
        ├── MagicError            a magic of a cell could not run
        ├── MountError            a mount was refused
        └── ConfigError           a setting is misspelt or has the wrong type

A cell's own ``SyntaxError`` stays a ``SyntaxError``, and whatever a cell raises stays what it is.
Messages read *where: what; what to do*.
"""

from __future__ import annotations


class NotebookImportError(ImportError):
    """Say that a notebook can't be imported, where, and what to do.

    Attributes:
        path: The notebook's file, or None.
        cell: The code cell's number (1 is the first code cell), or None.
        line: The line in that cell, or None.
    """

    __module__ = "nbimport"

    def __init__(
        self,
        message: str,
        *,
        path: str | None = None,
        cell: int | None = None,
        line: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(message, name=name, path=path)
        self.cell = cell
        self.line = line


class NotebookFormatError(NotebookImportError):
    """Say that a file is not a notebook that can be read."""

    __module__ = "nbimport"


class NotebookNotFoundError(NotebookImportError, ModuleNotFoundError):
    """Say that there is no notebook to import at a place."""

    __module__ = "nbimport"


class MagicError(NotebookImportError):
    """Say that a magic in a cell could not run during an import."""

    __module__ = "nbimport"


class MountError(NotebookImportError):
    """Say why a folder can't be mounted under a name."""

    __module__ = "nbimport"


class ConfigError(NotebookImportError):
    """Say which setting is wrong, and what it may be."""

    __module__ = "nbimport"
