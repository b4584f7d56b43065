"""Time that passes only when an operator runs, by what the operator is called.

Everything else is free, so the time of a layer is that of its operators, to the nanosecond,
whatever the machine does meanwhile.
"""

from collections import Counter

from torch.utils._python_dispatch import TorchDispatchMode

from magics.measurement.machine import contention
from magics.measurement.machine.clock import Clock
from magics.measurement.timing import stopwatch as timing

COSTS = {
    "convolution": 1_000_000,
    "convolution_backward": 2_100_000,
    "native_batch_norm": 300_000,
    "native_batch_norm_backward": 410_000,
    "relu": 50_000,
    "threshold_backward": 60_000,
    "max_pool2d_with_indices": 200_000,
    "max_pool2d_with_indices_backward": 230_000,
    "addmm": 400_000,
    "mm": 350_000,
    "add": 70_000,
    "cat": 90_000,
    "mul": 110_000,
}
"""What an operator takes [ns]; those that are not named take nothing."""


class Ticking(TorchDispatchMode):
    """Lets time pass.

    Attributes:
        now: Time [ns].
        runs: How often each operator ran.
        factor: By what all costs are multiplied.
    """

    def __init__(self):
        super().__init__()
        self.now = 1
        self.runs = Counter()
        self.factor = 1

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.removeprefix("aten::").rstrip("_")
        name = {"_native_batch_norm_legit_no_training": "native_batch_norm"}.get(name, name)
        self.runs[name] += 1
        self.now += COSTS.get(name, 0) * self.factor
        return func(*args, **(kwargs or {}))

    def read(self):
        return self.now


def installed(monkeypatch, *, busy=1.0):
    """Let the profiler read a fake clock on a machine that is `busy` times slowed by others."""
    time = Ticking()
    monkeypatch.setattr(timing, "WALL", Clock("wall", time.read))
    monkeypatch.setattr(timing, "CPU", Clock("cpu", time.read))
    monkeypatch.setattr(timing, "PROCESS", Clock("cpu", time.read))
    # Times for noticing others and for having enough of tiny models: nothing to wait for here.
    monkeypatch.setattr(timing, "_PROBE_S", 0.0)
    monkeypatch.setattr(timing, "_LEAST_S", 0.0)
    monkeypatch.setattr(timing, "Contention", lambda threads: _Steady(threads, busy))
    return time


class _Steady(contention.Contention):
    def __init__(self, threads, busy):
        super().__init__(threads)
        self._steady = busy

    def ratio(self):
        return self._steady
