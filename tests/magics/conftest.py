"""What several files of tests share."""

import os

import pytest
import torch
from advised import shortly
from IPython.core.interactiveshell import InteractiveShell
from ticking import installed

from magics.measurement import whole
from magics.measurement.timing import stopwatch as timing
from magics.measurement.timing.pace import Pace

# Several threads wait for one another; where others work too, that takes a hundred times longer.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"  # for the processes that tests start
# Else torch's compiler keeps a process at hand, and warns when it is collected.
os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"


@pytest.fixture(autouse=True)
def _one_thread():
    """Begin with one thread, whatever a test before has left."""
    torch.set_num_threads(1)


@pytest.fixture
def time(monkeypatch):
    """A clock that only operators move, on a quiet machine; see `ticking`."""
    with installed(monkeypatch) as ticking:
        yield ticking


@pytest.fixture
def quick(monkeypatch):
    """Let points of a sweep take a handful of runs, however unstable their times are."""
    monkeypatch.setattr(timing, "_PROBE_S", 0.0)
    monkeypatch.setattr(timing, "_LEAST_S", 0.0)
    monkeypatch.setattr(whole, "_TIMES_AS_LONG", 0.0)
    monkeypatch.setattr(whole, "PACE", Pace(limits_s=(0.0, 0.0), runs_always=4))
    monkeypatch.setattr(whole, "_REPLICATE_S", 0.0)
    monkeypatch.setattr(whole, "_ROUND_S", 0.0)


@pytest.fixture(scope="module")
def one_shell():
    """The process's IPython shell, with the extension; tests put names into it."""
    made = InteractiveShell.instance()
    made.run_line_magic("load_ext", "magics")
    yield made
    InteractiveShell.clear_instance()


@pytest.fixture(scope="module")
def briefly():
    """Let advice measure every change for a moment only, and compile nothing; see `advised`."""
    with pytest.MonkeyPatch.context() as patch:
        shortly(patch)
        yield
