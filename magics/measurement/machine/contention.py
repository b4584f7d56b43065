"""Whether somebody else works on this machine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from magics.measurement.machine.clock import NANOSECOND

CONTENDED = 1.1
"""Wall time over processor time from which on a machine counts as contended [1]."""

_SHORTEST_S = 0.2
"""Shortest period about which the system's counters (10 ms each) tell anything [s]."""

_LEAST_FREE = 0.1
"""Share of the time that others are thought to leave at least [1]."""

_STAT = Path("/proc/stat")


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
        seconds = (time.perf_counter_ns() - self._wall) * NANOSECOND
        thread = (time.thread_time_ns() - self._thread) * NANOSECOND
        process = (time.process_time_ns() - self._process) * NANOSECOND
        own = seconds / thread if thread else 1.0
        busy, _ = _busy_seconds()
        if busy is None or self._busy is None or seconds < _SHORTEST_S:
            return own
        others = max(0.0, busy - self._busy - process)
        wanted = min(self.threads, self._processors) * seconds
        free = max(seconds * _LEAST_FREE, self._processors * seconds - others)
        return max(own, wanted / free)


def _busy_seconds() -> tuple[float | None, int]:
    """Return how long all processors have been busy since start-up [s], and their number."""
    try:
        lines = _STAT.read_text(encoding="ascii").splitlines()
        user, nice, system, _idle, _iowait, irq, softirq, *rest = map(int, lines[0].split()[1:])
    except (OSError, ValueError, IndexError):
        return None, 1
    stolen = rest[0] if rest else 0
    processors = sum(line.startswith("cpu") for line in lines) - 1
    return (user + nice + system + irq + softirq + stolen) / 100, max(1, processors)
