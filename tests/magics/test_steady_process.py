"""What a process gives back to the system between runs, and asks for again."""

import os
import platform
import subprocess
import sys

import pytest

CHILD = """
import contextlib, resource, sys
import torch
from magics.measurement.machine.process import steady

torch.set_num_threads(1)
net = torch.nn.Sequential(torch.nn.Conv2d(64, 64, 3, padding=1), torch.nn.ReLU())
asked = 0
with torch.no_grad(), steady() if sys.argv[1] == "steady" else contextlib.nullcontext():
    for size in (32, 40, 48, 56, 64, 72, 80, 96):
        maps = torch.randn(1, 64, size, size)
        for _ in range(3):
            net(maps)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(10):
            net(maps)
        asked += resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(asked)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="how glibc's allocator behaves")
def test_runs_of_a_model_ask_the_system_for_few_pages_while_they_are_measured() -> None:
    # dask sets one of these for its workers, and leaves it set.
    usual = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    faults = {
        how: int(subprocess.check_output([sys.executable, "-c", CHILD, how], text=True, env=usual))
        for how in ("steady", "as it is")
    }
    # Where blocks lie differs from process to process, and so does how often they are given back.
    assert faults["steady"] < faults["as it is"] / 4
