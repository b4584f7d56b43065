"""Time per row: plain and instrumented runs in turn, until stable or out of budget.

The forward of every module that is a row is replaced on its instance and reads the clock
before and after; its own time is its duration less that of the rows inside. What the rows
leave of the whole run is everything else (glue, containers, framework), so that all add up to
it by construction; what the clock readings cost is measured and subtracted.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from magics.measurement.clock import CPU, NANOSECOND, PROCESS, WALL, Clock
from magics.measurement.contention import CONTENDED, Contention
from magics.measurement.runs import Meter
from magics.records import RELEVANT_SHARE, Measurement

if TYPE_CHECKING:
    from magics.measurement.rows import Key
    from magics.measurement.runs import Pass, Passes, Runner

WARM_UPS = 2
"""Runs of a new shape before anything is measured: kernels are chosen in the first ones.

Finding out what the model calls was one.
"""

STABLE = 0.05
"""Split-half difference under which a row counts as stable [1]."""

_BUDGET_S = (1.0, 10.0)
"""How long to measure, unless told otherwise: at least and at most [s]."""

_BUDGET_RUNS = 11
"""How many runs to measure, unless told otherwise and within those limits.

Five rounds and a first run: with what else a profile runs, it stays within 15 forwards.
"""

_MIN_STABLE_ROUNDS = 4
_CHECKS_PER_DOUBLING = 8
_MIN_CONTENDED_ROUNDS = 3
_LEAST_S = 0.1  # of tiny models, a few rounds would be stable by accident
_PROBE_S = 0.05


@dataclass(slots=True)
class Series:
    """Replicates of one pass, forward or backward; one of each per round.

    Attributes:
        rows: Per row [s].
        other: Everything else [s].
        plain: The plain run [s].
        instrumented: The instrumented run, its own cost included [s].
    """

    rows: dict[Key, list[float]] = field(default_factory=dict)
    other: list[float] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)
    instrumented: list[float] = field(default_factory=list)

    def add(self, plain: Pass, instrumented: Pass) -> None:
        """Add a round."""
        self.plain.append(plain.whole)
        self.instrumented.append(instrumented.whole)
        self.other.append(instrumented.other)
        for key, spent in instrumented.rows.items():
            self.rows.setdefault(key, []).append(spent)

    def is_stable(self) -> bool:
        """Return whether every row that matters is known to `STABLE`."""
        if len(self.plain) < _MIN_STABLE_ROUNDS:
            return False
        whole = Measurement(replicates_s=tuple(self.plain)).median_s
        rows = [Measurement(replicates_s=tuple(row)) for row in (*self.rows.values(), self.other)]
        return not any(
            row.split_half is not None and row.split_half >= STABLE
            for row in rows
            if row.median_s >= RELEVANT_SHARE * whole
        )


@dataclass(slots=True)
class Timings:
    """What was measured.

    Attributes:
        clock: The clock read.
        threads: Threads that torch ran with.
        forward: The forward's replicates.
        backward: The backward's; without any where there was none.
        contention: Wall over processor time; 1 on a quiet machine.
        stable: Whether every row that matters became stable.
        interrupted: Whether Ctrl-C ended it.
        no_backward: A backward was asked for, and no output can have a gradient.
    """

    clock: Clock
    threads: int
    forward: Series = field(default_factory=Series)
    backward: Series = field(default_factory=Series)
    contention: float = 1.0
    stable: bool = False
    interrupted: bool = False
    no_backward: bool = False

    @property
    def rounds(self) -> int:
        """Number of whole rounds."""
        return len(self.forward.plain)

    def add(self, plain: Passes, instrumented: Passes) -> None:
        """Add a round."""
        self.forward.add(plain[0], instrumented[0])
        if plain[1] is not None and instrumented[1] is not None:
            self.backward.add(plain[1], instrumented[1])
        if self.rounds % max(1, self.rounds // _CHECKS_PER_DOUBLING) == 0:
            self.stable = self.forward.is_stable() and (
                not self.backward.plain or self.backward.is_stable()
            )

    def measurement(self, replicates: list[float] | None) -> Measurement | None:
        """Return replicates as a record, or `None` where there are none."""
        if not replicates:
            return None
        return Measurement(replicates_s=tuple(replicates), clock=self.clock.name)


class Stopwatch:
    """Measures what a runner runs."""

    def __init__(
        self, runner: Runner, *, threads: int | None, budget_s: float | None, device: Clock | None
    ) -> None:
        """Prepare a measurement.

        Args:
            runner: Runs the model.
            threads: Threads for torch, `None` for as many as are set.
            budget_s: How long to measure at most, `None` for a default [s].
            device: The clock of the device, if it has one of its own.
        """
        self._runner, self._budget_s, self._device = runner, budget_s, device
        self._fixed_threads = threads
        self._timings = Timings(device or WALL, threads or torch.get_num_threads())

    def measure(self) -> Timings:
        """Measure until stable or until the budget ends, with the clock that fits.

        On a contended machine that is the processor clock; with one thread, unless the number
        of threads was given.
        """
        asked = self._runner.backward
        collecting = gc.isenabled()
        gc.collect()
        gc.disable()
        try:
            torch.set_num_threads(self._timings.threads)
            self._measure()
        except KeyboardInterrupt:
            self._timings.interrupted = True
        finally:
            if collecting:
                gc.enable()
            self._runner.put_back()
        self._timings.no_backward = asked and not self._runner.backward
        return self._timings

    def _measure(self) -> None:
        timings = self._timings
        contention = Contention(timings.threads)
        contention.start()
        begin = WALL.read()
        first = self._runner.first(timings.clock)
        length = sum(one.whole for one in first if one)
        deadline = begin + self._budget(length)
        if begin + length / NANOSECOND >= deadline:
            # Capturing warmed up, too: of such a model, not a single run is to spare.
            if self._device is None and contention.ratio() >= CONTENDED:
                self._undisturbed(contention.ratio())
                self._round(self._meter())
            else:
                self._round(self._meter(), first)
            return
        self._warm_up(2, length, deadline)
        if self._device is not None:
            self._rounds(deadline, None)
            return
        if contention.ratio() < CONTENDED:
            self._rounds(deadline, contention)
            if timings.contention < CONTENDED:
                return
        changed = self._undisturbed(max(timings.contention, contention.ratio()))
        begin = WALL.read()
        length = sum(one.whole for one in self._runner.plain(WALL) if one)
        budget = self._budget(length, _BUDGET_RUNS - WARM_UPS)
        deadline = begin + budget if self._budget_s is None else max(deadline, begin + budget / 2)
        if changed:
            self._warm_up(1, length, deadline)
        self._rounds(deadline, None)

    def _undisturbed(self, ratio: float) -> bool:
        """Start again with a clock that others can't disturb.

        Returns:
            Whether the number of threads is another one now, so that kernels are, too.
        """
        threads = self._fixed_threads or 1
        changed = threads != torch.get_num_threads()
        torch.set_num_threads(threads)
        self._timings = Timings(CPU if threads == 1 else PROCESS, threads, contention=ratio)
        return changed

    def _budget(self, length_s: float, runs: int = _BUDGET_RUNS) -> float:
        """Return how long to measure runs of some length [ns]."""
        least, most = _BUDGET_S
        usual = min(max(runs * length_s, least), most)
        return (self._budget_s or usual) / NANOSECOND

    def _warm_up(self, runs: int, length_s: float, deadline: float) -> None:
        """Run as often as a new shape needs, and for long enough to notice others.

        Args:
            runs: Number of runs that were before.
            length_s: Length of a run [s].
            deadline: When to be ready at last [ns].
        """
        enough = WALL.read() + (_PROBE_S - length_s) / NANOSECOND
        while runs < WARM_UPS or WALL.read() < enough:
            if WALL.read() + length_s / NANOSECOND > deadline:
                return
            self._runner.plain(WALL)
            runs += 1

    def _meter(self) -> Meter:
        return Meter(self._timings.clock, backward=self._runner.backward)

    def _rounds(self, deadline: float, contention: Contention | None) -> None:
        """Do rounds while the next one is likely to end before the deadline; one at least."""
        timings, meter = self._timings, self._meter()
        length = 0
        enough = WALL.read() + _LEAST_S / NANOSECOND
        while not timings.stable or WALL.read() < enough:
            begin = WALL.read()
            if timings.rounds and begin + length > deadline:
                return
            self._round(meter)
            length = WALL.read() - begin
            if contention is not None:
                timings.contention = contention.ratio()
                if timings.rounds >= _MIN_CONTENDED_ROUNDS and timings.contention >= CONTENDED:
                    return

    def _round(self, meter: Meter, plain: Passes | None = None) -> None:
        """Run once plain, unless that was done, and once instrumented.

        The order is always the same: if it changed, a row's replicates would differ by what
        ran before them, too.
        """
        plain = plain or self._runner.plain(meter.clock)
        instrumented = self._runner.instrumented(meter)
        # Only whole rounds are kept, so that replicates pair up after an interruption too.
        self._timings.add(plain, instrumented)
        gc.collect(0)  # what models leave behind would pile up
