"""Measure what importing a notebook costs, as ratios to the same code as ``.py``.

    python benchmarks/imports.py [--peers] [--seconds N] [ROW ...]

Every figure comes from fresh processes that alternate between the notebook and its reference, so
that whatever else the machine does meets both alike. A process reports the CPU time of its import
statement alone; what is shown is the median of the pairs' ratios. ``--peers`` adds other importers,
each installed from PyPI into a virtual environment of its own under a temporary folder.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import import_peers
import import_samples
from import_peers import Importer

CELLS = 30
OUTPUTS_BYTES = 30_000_000
CHAIN = 100
ORDINARY = 200
_MINIMUM_PAIRS = 7

# What a child runs: everything before the timed statement is set-up.
_CHILD = """\
import sys, time
sys.path.insert(0, {folder!r})
{setup}
begin = time.process_time_ns()
{statement}
print(time.process_time_ns() - begin)
"""
_WHOLE = "import sys\nsys.path.insert(0, {folder!r})\n{setup}\n{statement}"


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        title: What is measured.
        goal: The ratio that must not be exceeded.
        notebook: Folder and statement that import notebooks.
        reference: Folder, set-up and statement that they are compared with.
        cold: Whether bytecode is removed before each run.
        whole: Whether the whole process is timed, not its import statement.
        ordinary: Whether the notebook's side imports ``.py`` files, with the hook installed.
    """

    title: str
    goal: float
    notebook: tuple[str, str]
    reference: tuple[str, str, str]
    cold: bool = False
    whole: bool = False
    ordinary: bool = False


_PARSE = "with open('../heavy/analysis.ipynb', 'rb') as file: json.loads(file.read())\n"
_ALL = "for number in range({count}): __import__(f'{name}{{number}}')"
ROWS = {
    "warm": Row(
        f"warm import of a {CELLS}-cell notebook",
        1.10,
        ("light", "import analysis"),
        ("py", "", "import analysis"),
    ),
    "heavy": Row(
        "the same with 30 MB of outputs",
        1.10,
        ("heavy", "import analysis"),
        ("py", "", "import analysis"),
    ),
    "chain": Row(
        f"chain of {CHAIN} notebooks, warm",
        1.2,
        ("chain", "import link0"),
        ("chain_py", "", "import link0"),
    ),
    "cold": Row(
        f"cold, {CELLS} cells, cache written",
        1.5,
        ("light", "import analysis"),
        ("py", "", "import analysis"),
        cold=True,
    ),
    "cold-heavy": Row(
        "cold, 30 MB of outputs, against `json.loads` of it + the cold `.py`",
        1.2,
        ("heavy", "import analysis"),
        ("py", "import json", _PARSE + "import analysis"),
        cold=True,
    ),
    "process": Row(
        "whole process: `import nbimport` and one warm notebook",
        1.15,
        ("light", "import analysis"),
        ("py", "", "import analysis"),
        whole=True,
    ),
    "ordinary": Row(
        f"{ORDINARY} imports of ordinary modules with the hook installed",
        1.02,
        ("ordinary", _ALL.format(count=ORDINARY, name="plain")),
        ("ordinary", "", _ALL.format(count=ORDINARY, name="plain")),
        ordinary=True,
    ),
}


def write_samples(place: Path) -> None:
    """Write everything that the rows import."""
    for folder in ("light", "heavy", "py", "chain", "chain_py", "ordinary"):
        (place / folder).mkdir()
    texts = import_samples.cells(CELLS)
    import_samples.write_notebook(place / "light/analysis.ipynb", texts)
    import_samples.write_notebook(place / "heavy/analysis.ipynb", texts, OUTPUTS_BYTES)
    import_samples.write_script(place / "py/analysis.py", texts)
    for number in range(CHAIN):
        texts = import_samples.cells(6, number)
        if number + 1 < CHAIN:
            texts.insert(1, f"import link{number + 1}")
        import_samples.write_notebook(place / f"chain/link{number}.ipynb", texts)
        import_samples.write_script(place / f"chain_py/link{number}.py", texts)
    for number in range(ORDINARY):
        texts = import_samples.cells(6, 1000 + number)
        import_samples.write_script(place / f"ordinary/plain{number}.py", texts)


def seconds_of(python: str, folder: Path, setup: str, statement: str, row: Row) -> float:
    """Run one child process and return its CPU time, or that of its import statement.

    Raises:
        RuntimeError: The process failed.
    """
    if row.cold:
        shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    template = _WHOLE if row.whole else _CHILD
    code = template.format(folder=str(folder), setup=setup, statement=statement)
    unwanted = ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")
    environment = {key: value for key, value in os.environ.items() if key not in unwanted}
    child = subprocess.Popen(
        [python, "-c", code],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    printed, complaint = child.stdout.read(), child.stderr.read()  # type: ignore[union-attr] # pipes
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{statement!r} in {folder} failed: {complaint.strip()[-300:]}")
    return usage.ru_utime + usage.ru_stime if row.whole else int(printed.split()[-1]) / 1e9


def measure(
    row: Row, importer: Importer, place: Path, budget_s: float
) -> tuple[float, float, float, int]:
    """Return (median ratio, notebook's seconds, reference's seconds, number of pairs)."""
    statement = row.notebook[1]
    if not row.ordinary:
        statement = importer.imports.format(name=statement.split()[-1])

    def notebook() -> float:
        folder = place / row.notebook[0]
        return seconds_of(importer.python, folder, importer.setup, statement, row)

    def reference() -> float:
        folder, setup, statement = row.reference
        return seconds_of(importer.python, place / folder, setup, statement, row)

    notebook(), reference()  # write the bytecode, warm the disk
    pairs: list[tuple[float, float]] = []
    end = time.monotonic() + budget_s
    while len(pairs) < _MINIMUM_PAIRS or time.monotonic() < end:
        if len(pairs) % 2:
            second = reference()
            pairs.append((notebook(), second))
        else:
            pairs.append((notebook(), reference()))
    return (
        statistics.median(ours / theirs for ours, theirs in pairs),
        statistics.median(ours for ours, _ in pairs),
        statistics.median(theirs for _, theirs in pairs),
        len(pairs),
    )


def machine() -> str:
    """Describe machine, interpreter and date in a line."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    today = dt.datetime.now(tz=dt.UTC).date()
    return (
        f"{model}, {os.cpu_count()} CPUs, {platform.system()} {platform.release()}, "
        f"{platform.python_implementation()} {platform.python_version()}, {today}"
    )


def print_peers(rows: list[Row], place: Path, budget_s: float) -> None:
    """Print the same rows for other importers; the reference runs in their environment."""
    peers = import_peers.installed(place)
    print(f"\n| what | {' | '.join(peer.name for peer in peers)} |")
    print("|---" * (len(peers) + 1) + "|")
    for row in rows:
        ratios = []
        for peer in peers:
            # Their cost is a multiple: a few pairs tell it.
            try:
                ratios.append(f"{measure(row, peer, place, budget_s / 4)[0]:.2f}x")
            except RuntimeError as error:
                print(f"{peer.name}: {error}", file=sys.stderr)
                ratios.append("fails")
        print(f"| {row.title} | {' | '.join(ratios)} |", flush=True)


def main() -> int:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description="Measure what importing a notebook costs.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; else all")
    parser.add_argument("--seconds", type=float, default=22.0, help="time for each figure")
    parser.add_argument("--peers", action="store_true", help="measure other importers too")
    options = parser.parse_args()
    unknown = set(options.rows).difference(ROWS)
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}; choose from {', '.join(ROWS)}")
    rows = [ROWS[name] for name in options.rows or ROWS]
    with tempfile.TemporaryDirectory(prefix="nbimport-benchmark-") as temporary:
        place = Path(temporary)
        write_samples(place)
        print(f"{machine()}\n")
        print("| what | at most | nbimport | notebook | reference | pairs |")
        print("|---|---|---|---|---|---|")
        own = Importer("nbimport", sys.executable, "import nbimport")
        for row in rows:
            ratio, ours, theirs, pairs = measure(row, own, place, options.seconds)
            print(
                f"| {row.title} | {row.goal:.2f}x | {ratio:.2f}x | {ours * 1e3:.2f} ms "
                f"| {theirs * 1e3:.2f} ms | {pairs} |",
                flush=True,
            )
        if options.peers:
            print_peers(rows, place, options.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
