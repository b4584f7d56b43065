"""Print the Python that an import of a notebook executes, a line `# %% cell N` above each cell."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from nbimport.commands import files
from nbimport.machinery import loader

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("notebook", metavar="NOTEBOOK", help="path of the notebook")


def run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Print the source.

    Raises:
        NotebookImportError: The notebook can't be read, or a cell is not Python.
    """
    path = files.notebook(parser, arguments.notebook)
    name = os.path.basename(path)
    text = loader.NotebookLoader(name, path).get_source(name)
    sys.stdout.write(re.sub(r"(?m)^ (# %% cell \d+)\n\n", r"\1\n", text))
    return 0
