"""What several commands ask of files and folders."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

from nbimport.errors import NotebookImportError
from nbimport.machinery import SUFFIX, paths

if TYPE_CHECKING:
    import argparse


def refuse(parser: argparse.ArgumentParser, message: str) -> NoReturn:
    """End with one line and exit code 2: an argument can't be used."""
    parser.exit(2, f"{parser.prog}: {message}\n")
    raise AssertionError  # exit() does not return, as its type says from Python 3.13 on


def notebook(parser: argparse.ArgumentParser, path: str) -> str:
    """Return the absolute path of a notebook given on the command line, or end with exit code 2."""
    try:
        return paths.notebook_file(path)
    except NotebookImportError as error:
        refuse(parser, str(error))


def folder(parser: argparse.ArgumentParser, path: str) -> str:
    """Return the absolute path of a folder given on the command line, or end with exit code 2."""
    if not os.path.isdir(path):
        refuse(parser, f"{path}: no such folder; check the path")
    return os.path.abspath(path)


def notebooks(folder: str) -> list[str]:
    """Return the notebooks at and below a folder, sorted."""
    return [
        os.path.join(place, name)
        for place, files in paths.walk(folder)
        for name in files
        if name.endswith(SUFFIX) and not name.startswith(".")
    ]


def in_words(count: int, thing: str) -> str:
    """Return a count with its noun."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
