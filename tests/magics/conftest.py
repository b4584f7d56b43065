"""Fixtures that several files of tests share."""

import pytest
import torch
from ticking import installed


@pytest.fixture
def time(monkeypatch):
    """A clock that only operators move, on a quiet machine; see `ticking`."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # several wait for one another, and for busy processors
    with installed(monkeypatch) as ticking:
        yield ticking
    torch.set_num_threads(before)


@pytest.fixture
def one_thread():
    """One thread for torch: on a busy machine several wait for one another, a hundredfold."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
