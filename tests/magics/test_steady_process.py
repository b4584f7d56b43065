"""What a process gives back to the system between runs, and asks for again."""

import platform
import subprocess
import sys

import pytest

CHILD = """
import contextlib, resource, sys
import torch
from magics.measurement.process import steady

torch.set_num_threads(1)
net = torch.nn.Sequential(torch.nn.Conv2d(64, 64, 3, padding=1), torch.nn.ReLU())
maps = torch.randn(1, 64, 56, 56)
with torch.no_grad(), steady() if sys.argv[1] == "steady" else contextlib.nullcontext():
    for _ in range(5):
        net(maps)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        net(maps)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="how glibc's allocator behaves")
def test_runs_of_a_model_ask_the_system_for_no_pages_while_they_are_measured() -> None:
    faults = {
        how: int(subprocess.check_output([sys.executable, "-c", CHILD, how], text=True))
        for how in ("steady", "as it is")
    }
    pages_of_an_output = 64 * 56 * 56 * 4 // 4096
    assert faults["as it is"] > 20 * pages_of_an_output  # else there is nothing to show
    assert faults["steady"] <= 20 * pages_of_an_output / 10
