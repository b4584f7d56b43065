"""What a process gives back to the system between runs, and asks for again."""

import os
import platform
import subprocess
import sys

import pytest

CHILD = """
import contextlib, ctypes, resource, sys
import torch
from magics.measurement.machine.heap import freed_is_kept
from magics.measurement.machine.process import steady

torch.set_num_threads(1)
net = torch.nn.Sequential(torch.nn.Conv2d(64, 64, 3, padding=1), torch.nn.ReLU())
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]

class Info(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

libc.mallinfo2.restype = Info

def pages():
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

def borrowed():
    before = libc.mallinfo2().hblks
    blocks = [libc.malloc(2**20) for _ in range(64)]  # more than is free in between
    found = libc.mallinfo2().hblks - before
    for block in blocks:
        libc.free(block)
    return found

how, count = sys.argv[1], {"pages": pages, "borrowed": borrowed}[sys.argv[2]]
with torch.no_grad():
    with contextlib.ExitStack() as stack:
        if how == "kept":
            stack.enter_context(freed_is_kept())
        if how != "as it is":
            stack.enter_context(steady())
        print(count())
    print(count())
"""


# dask sets one of these for its workers, and leaves it set.
USUAL = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
TOLD = {"MALLOC_TRIM_THRESHOLD_": "65536"}

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc"
    or tuple(map(int, platform.libc_ver()[1].split("."))) < (2, 33),
    reason="how glibc's allocator behaves, and tells of it since 2.33",
)


def counted(how: str, what: str, told: dict[str, str] | None = None) -> list[int]:
    """Return how many pages, or large blocks, are asked for: meanwhile, and afterwards."""
    command = [sys.executable, "-c", CHILD, how, what]
    printed = subprocess.check_output(command, text=True, env=USUAL | (told or {}))
    return [int(line) for line in printed.splitlines()]


@pytest.fixture(scope="module")
def never_kept() -> int:
    """Pages that runs ask for where all that is freed goes back at once."""
    return counted("as it is", "pages", TOLD)[0]


def test_large_blocks_are_kept_for_the_next_ones_while_a_model_is_measured() -> None:
    # How many pages that saves depends on where blocks lie, which differs between processes.
    assert counted("as it is", "borrowed")[0] > 0
    assert counted("steady", "borrowed")[0] == 0


def test_runs_of_a_model_ask_the_system_for_few_pages_then(never_kept) -> None:
    assert counted("steady", "pages")[0] < never_kept / 20


def test_so_they_do_where_the_environment_says_otherwise(never_kept) -> None:
    assert counted("steady", "pages", TOLD)[0] > never_kept / 2
    assert counted("kept", "pages", TOLD)[0] < never_kept / 20


def test_and_only_meanwhile() -> None:
    meanwhile, after = counted("kept", "borrowed", TOLD)
    assert meanwhile == 0
    assert after > 0
