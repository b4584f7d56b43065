"""Install other notebook importers, each into its own environment, and say how to use each."""

from __future__ import annotations

import subprocess
import sys
import venv
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


class Importer(NamedTuple):
    """Say who imports notebooks.

    Attributes:
        name: What the table calls it.
        python: The interpreter that has it.
        setup: What switches it on, in Python.
        imports: The statement that imports a notebook; ``{name}`` is the notebook's.
    """

    name: str
    python: str
    setup: str
    imports: str = "import {name}"


# Distribution -> how it is switched on, and how it imports.
_PEERS = {
    "importnb": ("from importnb import Notebook; Notebook().__enter__()", "import {name}"),
    "ipynb": ("import ipynb", "import ipynb.fs.full.{name}"),
    "import-ipynb": ("import import_ipynb", "import {name}"),
    "nbimporter": ("import nbimporter", "import {name}"),
}
# What they import and forget to require, or require in versions that are gone.
_COMPANIONS = ("ipython", "nbformat", "setuptools")


def installed(place: Path) -> list[Importer]:
    """Return the importers that can be installed and used here; say why others can't."""
    found = []
    for name, (setup, imports) in _PEERS.items():
        folder = place / f"venv-{name}"
        venv.create(folder, with_pip=True)
        python = str(folder / "bin" / "python")
        try:
            _run(python, "-m", "pip", "install", "--quiet", name, *_COMPANIONS)
            _run(python, "-c", f"{setup}; import sys; print(sys.version)")
        except subprocess.CalledProcessError as error:
            reason = error.stderr.strip().splitlines()[-1:] or ["no reason given"]
            print(f"{name} is left out: {reason[0]}", file=sys.stderr)
        else:
            found.append(Importer(name, python, setup, imports))
    return found


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
