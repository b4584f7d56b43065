"""What a process gives back to the system between runs, and asks for again."""

import os
import platform
import subprocess
import sys

import pytest

CHILD = """
import contextlib, resource, sys
import torch
from magics.measurement.machine.heap import freed_is_kept
from magics.measurement.machine.process import steady

torch.set_num_threads(1)
net = torch.nn.Sequential(torch.nn.Conv2d(64, 64, 3, padding=1), torch.nn.ReLU())

def run():
    asked = 0
    for size in (32, 40, 48, 56, 64, 72, 80, 96):
        maps = torch.randn(1, 64, size, size)
        for _ in range(3):
            net(maps)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(10):
            net(maps)
        asked += resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    return asked

with torch.no_grad():
    if sys.argv[1] == "as it is":
        print(run())
    else:
        with freed_is_kept() if sys.argv[1] == "kept" else contextlib.nullcontext(), steady():
            print(run())
    if sys.argv[1] == "kept":
        print(run())
"""


# dask sets one of these for its workers, and leaves it set.
USUAL = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="how glibc's allocator behaves"
)


def asked(how: str, **environment: str) -> list[int]:
    """Return how many pages are asked for: while that holds, and after it if it is put back."""
    command = [sys.executable, "-c", CHILD, how]
    printed = subprocess.check_output(command, text=True, env=USUAL | environment)
    return [int(line) for line in printed.splitlines()]


# Where blocks lie differs from process to process, and so does how often they are given back.


def test_runs_of_a_model_ask_the_system_for_few_pages_while_they_are_measured() -> None:
    assert asked("steady")[0] < asked("as it is")[0] / 4


def test_so_they_do_where_the_environment_says_otherwise_and_only_meanwhile() -> None:
    environment = {"MALLOC_TRIM_THRESHOLD_": "65536"}
    kept, after = asked("kept", **environment)
    assert kept < min(after, asked("steady", **environment)[0]) / 4
