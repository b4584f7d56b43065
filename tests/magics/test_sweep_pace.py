"""How long the replicates of a sweep are."""

import pytest
import torch

from magics.measurement import whole
from magics.measurement.timing.runs import Pass
from magics.measurement.whole import WholeStopwatch

pytestmark = pytest.mark.usefixtures("quick")

X = torch.randn(3, 4, 8, 8)


class _Paced:
    """Runs that take a hundred times less with one thread, as on a busy machine."""

    backward = False

    def __init__(self):
        self.asked = []

    def plain(self, _clock, *, calls=1, **_options):
        self.asked.append(calls)
        return Pass(1e-4 if torch.get_num_threads() == 1 else 1e-2), None

    def first(self, clock):
        return self.plain(clock)

    def inputs(self):
        return []

    def put_back(self):
        pass


def test_replicates_are_as_long_where_threads_change_as_where_they_were_right(monkeypatch):
    monkeypatch.setattr(whole, "_REPLICATE_S", 0.002)
    monkeypatch.setattr(whole, "_ROUND_S", 0.04)
    asked = []
    before = torch.get_num_threads()
    try:
        for threads in (2, 1):
            runner = _Paced()
            watch = WholeStopwatch(runner, threads=None, budget_s=None, device=None)
            watch.timings.threads = threads
            watch.first()
            if threads > 1:
                watch.undisturbed(3.0)
                watch.plain()
            runner.asked.clear()
            watch.round()
            asked.append(runner.asked)
    finally:
        torch.set_num_threads(before)
    assert asked[0] == asked[1]
    assert set(asked[0]) == {20}  # of 0.1 ms, for 2 ms
