"""Helpers for tests that import: write a notebook, run a snippet in a fresh interpreter."""

import json
import os
import subprocess
import sys
import textwrap
import time

import pytest

# What would hide the cache, or tell a test process about the session it runs in.
_UNWANTED = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONPYCACHEPREFIX", "JPY_SESSION_NAME")


# A file just written might be written again within one tick of the file system's clock, so bytecode
# made meanwhile is compared with it once more: what a new process does is only then predictable.
_TICK_NS = 50_000_000
_last_written = [0]


def _cell(cell):
    """Return one raw cell: a string is a code cell, a tuple a code cell and its tags."""
    if isinstance(cell, str):
        cell = {"source": textwrap.dedent(cell).strip("\n")}
    elif isinstance(cell, tuple):
        source, *tags = cell
        cell = {"source": textwrap.dedent(source).strip("\n"), "metadata": {"tags": tags}}
    kind = cell.get("cell_type", "code")
    extra = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, "source": "", **extra, **cell}


@pytest.fixture
def markdown():
    """Make a markdown cell."""
    return lambda text: {"cell_type": "markdown", "source": text}


@pytest.fixture
def notebook(tmp_path):
    """Write a notebook into the test's folder and return its path.

    Cells are strings (code, dedented), tuples (code, tag, ...) or raw cells. Keywords replace parts
    of the document.
    """

    def write(name, *cells, **document):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = {
            "cells": [_cell(cell) for cell in cells],
            "metadata": {},
            "nbformat": 4,
            "nbformat_minor": 5,
            **document,
        }
        path.write_text(json.dumps(raw, ensure_ascii=False, indent=1), encoding="utf-8")
        _last_written[0] = time.time_ns()
        return path

    return write


@pytest.fixture
def script(tmp_path):
    """Write a text file (dedented) into the test's folder and return its path."""

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return path

    return write


@pytest.fixture
def unmeasured(monkeypatch):
    """Keep coverage.py out of child processes: it imports modules there, and writes files."""
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)


@pytest.fixture
def python(tmp_path):
    """Run a snippet in a fresh interpreter that has nbimport on; return what it printed.

    With ``fails=True`` the snippet must end with an uncaught error, and stderr is returned.
    Without, stderr must be empty: an import is silent.
    """

    def run(  # noqa: PLR0913 - what one can ask of a process
        snippet="",
        *,
        args=None,
        cwd=tmp_path,
        options=(),
        env=None,
        hook=True,
        fails=False,
        quiet=True,
    ):
        code = ("import nbimport\n" if hook else "") + textwrap.dedent(snippet)
        environment = {key: value for key, value in os.environ.items() if key not in _UNWANTED}
        while time.time_ns() - _last_written[0] < _TICK_NS:
            pass
        done = subprocess.run(
            [sys.executable, *options, *(args if args is not None else ("-c", code))],
            cwd=cwd,
            env={**environment, "IPYTHONDIR": str(tmp_path / ".ipython"), **(env or {})},
            capture_output=True,
            check=False,
            timeout=120,
            encoding="utf-8",
        )
        report = f"{done.stdout}\n{done.stderr}"
        assert (done.returncode != 0) == fails, report
        if fails:
            return done.stderr
        assert not (quiet and done.stderr), report
        return done.stdout

    return run


@pytest.fixture
def stubs(python):
    """Run ``python -m nbimport stubs`` in the test's folder; return its lines, and end as told."""

    def run(*arguments, fails=False):
        text = python(args=["-m", "nbimport", "stubs", *arguments], fails=fails)
        return sorted(" ".join(line.split()) for line in text.splitlines())

    return run


@pytest.fixture
def same(notebook, script, python):
    """Run a snippet on modules written as ``.py`` and as notebooks, and expect the same output.

    Files are given by name without suffix. Python alone on the ``.py`` files is the truth; then
    come all of them as notebooks, and each one alone as a notebook among ``.py`` files.
    """

    def check(files, snippet, *, under=""):
        def write(folder, notebooks):
            for name, text in files.items():
                if name in notebooks:
                    cells = textwrap.dedent(text).strip("\n").split("\n\n")
                    notebook(f"{folder}/{name}.ipynb", *cells)
                else:
                    script(f"{folder}/{name}.py", text)

        folder = script("as_py/__marker__", "").parent
        write(folder.name, ())
        truth = python(snippet, cwd=folder / under, hook=False)
        alone = [(name,) for name in files] if len(files) > 1 else []
        for number, notebooks in enumerate([tuple(files), *alone]):
            folder = script(f"as_notebooks_{number}/__marker__", "").parent
            write(folder.name, notebooks)
            assert python(snippet, cwd=folder / under) == truth, notebooks
        return truth

    return check
