"""Let every process of this environment import notebooks, without `import nbimport`.

Writes a .pth file into the environment's site-packages. `disable` removes it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from nbimport.commands import environment

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare that the command takes nothing."""
    del parser


def run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Write the file and say where."""
    del arguments
    try:
        is_new = environment.write()
    except OSError as error:
        sys.stderr.write(f"{parser.prog}: {environment.path()}: {error.strerror}\n")
        return 1
    sys.stdout.write(f"{'enabled' if is_new else 'enabled already'}: {environment.path()}\n")
    if not environment.works():
        sys.stderr.write(
            f"{parser.prog}: but {sys.executable} can't import nbimport in every folder; "
            "install it in this environment\n"
        )
        return 1
    return 0
