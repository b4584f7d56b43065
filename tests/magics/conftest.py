"""What several files of tests share."""

import os

import pytest
import torch
from ticking import installed

# Several threads wait for one another; where others work too, that takes a hundred times longer.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"  # for the processes that tests start
# Else torch's compiler keeps a process at hand, and warns when it is collected.
os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"


@pytest.fixture
def time(monkeypatch):
    """A clock that only operators move, on a quiet machine; see `ticking`."""
    with installed(monkeypatch) as ticking:
        yield ticking
