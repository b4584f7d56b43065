"""List the folders that the pyproject.toml of a project gives names to, for imports."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from nbimport.commands import files
from nbimport.machinery import loader

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        nargs="?",
        default=".",
        help="a folder of the project (default: the working directory)",
    )


def run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Print one line a mount; where a mount's folder is missing the exit code is 1.

    Raises:
        ConfigError: The settings are not what they may be.
    """
    folder = files.folder(parser, arguments.folder)
    config = loader.settings(folder)
    if config is None or not config.mounts:
        sys.stdout.write(f"no mounts: no pyproject.toml at or above {folder} sets any\n")
        return 0
    pyproject = os.path.join(config.root, "pyproject.toml")
    width = max(map(len, config.mounts))
    is_complete = True
    for name, place in sorted(config.mounts.items()):
        is_there = os.path.isdir(place)
        is_complete = is_complete and is_there
        missing = "" if is_there else ": no such folder"
        sys.stdout.write(f"{name:<{width}}  {place}{missing}  (from {pyproject})\n")
    return 0 if is_complete else 1
