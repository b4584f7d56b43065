"""What time it is, for the device that works: one interface for every clock.

A clock is read as often as needed and tells afterwards, all at once, what was read: reading
an event of a GPU means waiting for it, which must not happen in between.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NANOSECOND = 1e-9

TIMED = frozenset({"cpu", "cuda"})
"""Types of devices for which there is a clock."""


def _as_read(marks: Sequence[int]) -> Sequence[int]:
    return marks


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock.

    Attributes:
        name: 'wall', 'cpu' or 'cuda'.
        read: Returns a mark.
        settled: Turns marks into nanoseconds since some moment [ns]. No mark that was read
            before is valid afterwards.
        calibrated: Whether the cost of reading it can be measured and subtracted.
    """

    name: str
    read: Callable[[], int]
    settled: Callable[[Sequence[int]], Sequence[int]] = _as_read
    calibrated: bool = True

    def seconds(self, *marks: int) -> list[float]:
        """Return the lengths of the intervals between marks that follow one another [s]."""
        times = self.settled(marks)
        return [(end - begin) * NANOSECOND for begin, end in itertools.pairwise(times)]


WALL = Clock("wall", time.perf_counter_ns)
"""Right on a quiet machine."""

CPU = Clock("cpu", time.thread_time_ns)
"""Others can't lengthen it by taking the processor away; it knows the calling thread only."""

PROCESS = Clock("cpu", time.process_time_ns)
"""Like `CPU` for several threads: their times add up, and waiting ones that spin count too."""
