"""Write .pyi files that tell editors and type checkers what is in notebooks.

They lie beside the notebooks, or in the folder that --out names. With --check nothing is
written, and the exit code is 1 where a stub is missing or no longer says what its notebook says.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from nbimport.commands import files
from nbimport.integrations import stubs

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "places",
        metavar="PATH",
        nargs="*",
        help="notebooks, and folders with those below them (default: the working directory)",
    )
    parser.add_argument("--out", metavar="FOLDER", help="folder for the stubs")
    parser.add_argument("--check", action="store_true", help="write nothing, say what is stale")


def run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Write or check the stubs; 1 if one is not as it should be."""
    places = arguments.places or ["."]
    for place in places:
        if not os.path.exists(place):
            files.refuse(parser, f"{place}: no such notebook or folder; check the path")
    outcomes = []
    for outcome in stubs.update(places, arguments.out, check=arguments.check):
        outcomes.append(outcome)
        why = f": {outcome.why}" if outcome.why else ""
        sys.stdout.write(f"{outcome.state:<8}  {os.path.relpath(outcome.path)}{why}\n")
    return 0 if all(outcome.is_good for outcome in outcomes) else 1
