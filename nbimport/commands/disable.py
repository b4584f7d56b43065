"""Take `enable` back: remove the .pth file from this environment's site-packages."""

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
    """Remove the file and say where it was."""
    del arguments
    try:
        was_there = environment.remove()
    except OSError as error:
        sys.stderr.write(f"{parser.prog}: {environment.path()}: {error.strerror}\n")
        return 1
    sys.stdout.write(f"{'disabled' if was_there else 'not enabled'}: {environment.path()}\n")
    return 0
