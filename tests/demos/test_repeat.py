"""Repeated checks under load: what the summary says is what happened."""

import subprocess
import sys
from pathlib import Path

REPEAT = Path(__file__).parents[2] / "demo_notebooks" / "repeat.py"
COUNTS = """
import os, pathlib, sys
runs = pathlib.Path(sys.argv[1])
number = len(runs.read_text()) + 1 if runs.exists() else 1
runs.write_text("x" * number)
children = pathlib.Path(f"/proc/{os.getppid()}/task/{os.getppid()}/children")
busy = len(children.read_text().split()) - 1 if children.exists() else 2
print("beside", busy)
print(f"== this was number {number} ==")
sys.exit(number == int(sys.argv[2]))
"""


def repeated(tmp_path, red):
    command = [sys.executable, REPEAT, "3", sys.executable, "-c", COUNTS, tmp_path / "runs", red]
    return subprocess.run(map(str, command), capture_output=True, text=True, check=False)


def test_all_runs_green_is_said_and_exits_with_0(tmp_path):
    done = repeated(tmp_path, red=0)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line.partition(": ")[2] for line in lines[:-1]] == [
        f"this was number {number}" for number in (1, 2, 3)
    ]
    assert lines[-1] == "3 of 3 runs green, beside 2 busy processes"


def test_a_red_run_is_shown_and_the_others_still_happen(tmp_path):
    done = repeated(tmp_path, red=2)
    assert done.returncode == 1
    assert done.stdout.count("beside 2\n") == 1  # the red run's own output, and only that
    assert done.stdout.endswith("2 of 3 runs green, beside 2 busy processes\n")
    assert len((tmp_path / "runs").read_text()) == 3
