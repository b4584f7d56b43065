"""Whole runs, measured in turns: one replicate of each per round, nothing instrumented.

What the machine does meanwhile it does to all that take turns, so the replicates of a round
belong together. Who goes first finds colder caches than who follows the same work, so the order
is turned round in every second round, and short runs are run once before the clock is read.
Wall and processor time are both read; on a machine where others work too, the processor's is
kept.
"""

from __future__ import annotations

import gc
from contextlib import nullcontext
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING

from magics.measurement.machine.clock import CPU, NANOSECOND, PROCESS, WALL, Clock
from magics.measurement.machine.contention import CONTENDED, Contention
from magics.measurement.machine.process import steady
from magics.records import Measurement
from magics.records.ratio import of_times

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

LEAST_ROUNDS = 3
"""Rounds that are measured however long they take."""

_STABLE_ROUNDS = 8
_MOST_ROUNDS = 101
_REPLICATE_S = 5e-4
"""How long a replicate takes at least, several runs if need be: reading clocks takes 2 us [s]."""

_COLD_S = 5e-3
"""Length of a run up to which what caches hold when it begins shows in its time [s]."""

_NARROW = 1.04
"""Upper over lower end of an interval that is narrow enough to stop [1]."""


@dataclass(slots=True)
class Runner:
    """One of those that take turns.

    Attributes:
        run: Runs it once.
        setting: What has to hold around a replicate, outside the clock.
        settled: Whether a run comes before each replicate however long it takes, because the
            setting is slow to settle.
        wall: Replicates by the wall clock, or the device's [s].
        processor: Replicates by the processor's clock [s].
    """

    run: Callable[[], object]
    setting: Callable[[], AbstractContextManager[object]] = nullcontext
    settled: bool = False
    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def length(self, clock: Clock) -> float:
        """Run once, and return how long it took [s]."""
        with self.setting():
            begin = clock.read()
            self.run()
            (took,) = clock.seconds(begin, clock.read())
        return took

    def replicate(self, runs: int, clock: Clock, processor: Clock, *, warm: bool) -> None:
        """Run so many times, after once for warming up, and keep how long one took."""
        run = self.run
        with self.setting():
            if warm or self.settled:
                run()
            on_processor = processor.read()
            begin = clock.read()
            for _ in range(runs):
                run()
            (took,) = clock.seconds(begin, clock.read())
            (worked,) = processor.seconds(on_processor, processor.read())
        self.wall.append(took / runs)
        self.processor.append(worked / runs)


@dataclass(frozen=True, slots=True)
class Race:
    """How to measure.

    Attributes:
        threads: Threads that torch works with.
        device: The clock of the device, if it has one of its own.
        wall_only: Processor time says nothing here: those that take turns differ in threads.
    """

    threads: int
    device: Clock | None = None
    wall_only: bool = False

    def measured(
        self, runners: Sequence[Runner], budget_s: float
    ) -> tuple[list[Measurement], float]:
        """Measure until the ratios are known well enough, or the budget ends.

        When to stop is told by the width of the interval, never by where it lies: otherwise
        chance would be given many tries to move it past 1.

        Args:
            runners: What takes turns, that which the others are compared with first.
            budget_s: How long to measure [s]; three rounds are measured in any case.

        Returns:
            What was measured of each, and wall over processor time: 1 on a quiet machine.
        """
        contention = Contention(self.threads)
        contention.start()
        deadline = WALL.read() + budget_s / NANOSECOND
        clock = self.device or WALL
        processor = CPU if self.threads == 1 else PROCESS
        shortest = min(runner.length(clock) for runner in runners)
        runs = max(1, ceil(_REPLICATE_S / max(shortest, 1e-7)))
        warm = shortest < _COLD_S
        with steady(0):
            rounds, length = 0, 0
            while rounds < LEAST_ROUNDS or (
                rounds < _MOST_ROUNDS
                and WALL.read() + length < deadline
                and not _are_known(runners, rounds, by_processor=self._disturbed(contention))
            ):
                begin = WALL.read()
                for runner in runners if rounds % 2 else reversed(runners):
                    runner.replicate(runs, clock, processor, warm=warm)
                gc.collect(0)
                length = WALL.read() - begin
                rounds += 1
        ratio = contention.ratio() if self.device is None else 1.0
        by_processor = self._disturbed(contention)
        name = processor.name if by_processor else clock.name
        kept = [runner.processor if by_processor else runner.wall for runner in runners]
        return [Measurement(replicates_s=tuple(values), clock=name) for values in kept], ratio

    def _disturbed(self, contention: Contention) -> bool:
        """Return whether the processor's clock is the better one."""
        return self.device is None and not self.wall_only and contention.ratio() >= CONTENDED


def _are_known(runners: Sequence[Runner], rounds: int, *, by_processor: bool) -> bool:
    if rounds < _STABLE_ROUNDS or rounds % 4:
        return False
    first, *others = (
        Measurement(replicates_s=tuple(runner.processor if by_processor else runner.wall))
        for runner in runners
    )
    ratios = [of_times(first, other, paired=True) for other in others]
    return all(ratio is not None and ratio.high <= _NARROW * ratio.low for ratio in ratios)
