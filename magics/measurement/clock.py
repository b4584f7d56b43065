"""What time it is, for the device that works: one interface for three clocks.

'wall' is the clock on the wall, right on a quiet machine. 'cpu' is the time that this thread
spent on a processor: other processes can't lengthen it by pre-empting, but it knows one
thread only. 'cuda' reads events recorded on the current stream.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NANOSECOND = 1e-9
CONTENDED = 1.1
"""Wall time over processor time from which on a machine counts as contended [1]."""

_CALIBRATION_CALLS = 400
_CALIBRATION_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock: `read` returns nanoseconds."""

    name: str
    read: Callable[[], int]


WALL = Clock("wall", time.perf_counter_ns)
CPU = Clock("cpu", time.thread_time_ns)


@dataclass(frozen=True, slots=True)
class CallCost:
    """What instrumenting one call costs.

    Attributes:
        inside_ns: Part that falls into the call's own interval [ns].
        outside_ns: Part that falls into the caller's [ns].
    """

    inside_ns: float
    outside_ns: float


def calibrate(
    clock: Clock,
    wrap: Callable[[Callable[..., Any]], tuple[Callable[..., Any], Callable[[], float]]],
) -> CallCost:
    """Measure what a wrapper adds to a call.

    Args:
        clock: The clock that the wrapper reads.
        wrap: Returns the wrapped function and a function that gives the mean interval that
            the wrapper recorded since it was last asked [ns].
    """

    def nothing(*_: object, **__: object) -> None:
        return None

    wrapped, recorded = wrap(nothing)

    def loop(function: Callable[..., Any]) -> float:
        begin = clock.read()
        for _ in range(_CALIBRATION_CALLS):
            function(None)
        return (clock.read() - begin) / _CALIBRATION_CALLS

    loop(wrapped)
    recorded()
    inside: list[float] = []
    total: list[float] = []
    for _ in range(_CALIBRATION_ROUNDS):
        plain = loop(nothing)
        total.append(loop(wrapped) - plain)
        inside.append(recorded() - plain)
    # The least disturbed round: calibration is short, so that pre-emption only adds.
    whole, own = max(0.0, min(total)), max(0.0, min(inside))
    return CallCost(inside_ns=min(own, whole), outside_ns=max(0.0, whole - own))


@dataclass(slots=True)
class Contention:
    """Notices that somebody else works on this machine.

    Compares wall with processor time of this thread, and, where the system tells, what all
    processors did with what this process asked of them: a thread of a parallel region that
    waits for a processor is seen only so.
    """

    threads: int
    _wall: int = 0
    _thread: int = 0
    _process: int = 0
    _busy: float | None = None
    _processors: int = 1

    def start(self) -> None:
        """Start a period of observation."""
        self._busy, self._processors = _busy_seconds()
        self._process = time.process_time_ns()
        self._thread = time.thread_time_ns()
        self._wall = time.perf_counter_ns()

    def ratio(self) -> float:
        """Return wall over processor time since `start`; 1 on a quiet machine."""
        wall = time.perf_counter_ns() - self._wall
        thread = time.thread_time_ns() - self._thread
        process = (time.process_time_ns() - self._process) * NANOSECOND
        own = wall / thread if thread else 1.0
        busy, _ = _busy_seconds()
        if busy is None or self._busy is None or wall * NANOSECOND < _JIFFIES:
            return own
        seconds = wall * NANOSECOND
        others = max(0.0, busy - self._busy - process)
        wanted = min(self.threads, self._processors) * seconds
        free = max(seconds * 0.1, self._processors * seconds - others)
        return max(own, wanted / free)


_JIFFIES = 0.2
"""Shortest period about which the system's counters (10 ms each) tell anything [s]."""


def _busy_seconds() -> tuple[float | None, int]:
    """Return how long all processors have been busy since start-up, and their number."""
    try:
        lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return None, 1
    fields = [int(text) for text in lines[0].split()[1:]]
    user, nice, system, _idle, _iowait, irq, softirq, *rest = fields
    steal = rest[0] if rest else 0
    processors = sum(line.startswith("cpu") for line in lines) - 1
    return (user + nice + system + irq + softirq + steal) / 100, max(1, processors)
