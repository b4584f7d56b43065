"""Say which notebooks of a folder load, and why not.

Each is imported in a process of its own, in its folder, with nothing on standard input: its code
runs, as it does in any import. --no-run reads and compiles only, which finds files that
are no notebooks, syntax errors and missing signatures. Exit code 1 if one does not load.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from typing import Any

from nbimport.commands import files, progress

# The error of a notebook that loads is None.
Found = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        nargs="?",
        default=".",
        help="a folder, with those below it, or a notebook (default: the working directory)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    parser.add_argument("--no-run", action="store_true", help="compile only, run nothing")
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        help="a notebook that takes longer does not load (default: no limit)",
    )


def run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Check all notebooks; print what was found out."""
    if os.path.isdir(arguments.folder):
        folder = os.path.abspath(arguments.folder)
        paths = files.notebooks(folder)
    elif not os.path.exists(arguments.folder):
        files.refuse(parser, f"{arguments.folder}: no such folder or notebook; check the path")
    else:
        paths = [files.notebook(parser, arguments.folder)]
        folder = os.path.dirname(paths[0])
    found: list[Found] = []
    with progress.Bar(len(paths), sys.stderr) as bar:
        for path in paths:
            bar.show(len(found), os.path.relpath(path, folder))
            error = _error_of(path, run=not arguments.no_run, timeout=arguments.timeout)
            found.append({"path": path, "loads": error is None, "error": error})
    failed = sum(not one["loads"] for one in found)
    if arguments.json:
        import json

        report = {"folder": folder, "notebooks": found, "failed": failed}
        sys.stdout.write(json.dumps(report, indent=1) + "\n")
    else:
        for one in found:
            sys.stdout.write(_line(one, folder))
        bad = f"; {failed} of them {'does' if failed == 1 else 'do'} not load" if failed else ""
        sys.stdout.write(f"{files.in_words(len(found), 'notebook')}{bad}\n")
    return 1 if failed else 0


def _error_of(path: str, *, run: bool, timeout: float | None) -> dict[str, Any] | None:
    """Return what keeps a notebook from loading, or None."""
    import json

    with tempfile.TemporaryDirectory() as scratch:
        answer = os.path.join(scratch, "answer")
        command = [sys.executable, "-c", _start(path), path, answer]
        try:
            ended = subprocess.run(  # noqa: S603 - this Python, this package
                command + (["run"] if run else []),
                cwd=os.path.dirname(path),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return _error("TimeoutExpired", f"still running after {timeout:g} s")
        try:
            with open(answer, encoding="utf-8") as file:
                error: dict[str, Any] | None = json.load(file)
        except (OSError, ValueError):  # os._exit(), or a crash
            return _error("ProcessEnded", f"ended its process with exit code {ended.returncode}")
        return error


def _start(path: str) -> str:
    """Return what the process runs first: it finds nbimport and the packages found here, too.

    The notebook's own folder is left out of the search path, for it needs none: like this relative
    imports work in it.
    """
    import nbimport

    own = os.path.dirname(os.path.dirname(os.path.abspath(nbimport.__file__)))
    more = [folder for folder in (os.getcwd(), own) if folder != os.path.dirname(path)]
    return (
        "import sys; sys.path[:] = [folder for folder in sys.path if folder]; "
        f"sys.path += {more!r}; from nbimport.commands import probe; probe.main()"
    )


def _error(kind: str, message: str) -> dict[str, Any]:
    return {"type": kind, "message": message, "cell": None, "line": None}


def _line(found: Found, folder: str) -> str:
    path = os.path.relpath(found["path"], folder)
    error = found["error"]
    if error is None:
        return f"ok    {path}\n"
    place = "" if error["cell"] is None else f" cell {error['cell']}, line {error['line']}"
    message = " ".join(error["message"].split()).removeprefix(found["path"] + ": ")
    return f"FAIL  {path}{place}: {error['type']}{': ' if message else ''}{message}\n"


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return value
