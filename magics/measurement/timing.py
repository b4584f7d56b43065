"""Time per row: plain and instrumented runs in turn, until stable or out of budget.

Every module's forward is replaced on its instance and reads the clock before and after; a
module's own time is its duration less that of the calls inside. A container's own time is
glue, so all rows add up to the whole run by construction; what the clock readings cost is
measured and subtracted.
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
_MIN_CONTENDED_ROUNDS = 3
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
        begin, timings = WALL.read(), self._timings
        contention = Contention(timings.threads)
        contention.start()
        first = self._runner.first(timings.clock)
        length = sum(one.whole for one in first if one)
        budget = self._budget_s or min(max(_BUDGET_RUNS * length, _BUDGET_S[0]), _BUDGET_S[1])
        deadline = begin + budget / NANOSECOND
        if length >= budget:
            # Capturing warmed up, too: of such a model, not a single run is to spare.
            if self._device or contention.ratio() < CONTENDED:
                self._round(self._meter(), first)
                return
        else:
            self._warm_up(length, deadline)
        if self._device:
            self._rounds(deadline, None)
            return
        if contention.ratio() < CONTENDED:
            self._rounds(deadline, contention)
            if timings.contention < CONTENDED:
                return
        self._contended(max(timings.contention, contention.ratio()))
        self._warm_up(length, deadline)
        self._rounds(max(deadline, WALL.read() + budget / 2 / NANOSECOND), None)

    def _contended(self, ratio: float) -> None:
        """Start again with a clock that others can't disturb."""
        threads = self._fixed_threads or 1
        torch.set_num_threads(threads)
        self._timings = Timings(CPU if threads == 1 else PROCESS, threads, contention=ratio)

    def _warm_up(self, length: float, deadline: float) -> None:
        """Run as often as a new shape needs, and for long enough to notice others."""
        enough = WALL.read() + _PROBE_S / NANOSECOND
        runs = 1
        while runs < WARM_UPS or WALL.read() < enough:
            if WALL.read() + length / NANOSECOND > deadline:
                return
            self._runner.plain(WALL)
            runs += 1

    def _meter(self) -> Meter:
        return Meter(self._timings.clock, backward=self._runner.backward)

    def _rounds(self, deadline: float, contention: Contention | None) -> None:
        """Do rounds while the next one is likely to end before the deadline; one at least."""
        timings, meter = self._timings, self._meter()
        length = 0
        while not timings.stable:
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
        """Run once plain and once instrumented, in alternating order."""
        if plain is None and self._timings.rounds % 2 == 0:
            plain = self._runner.plain(meter.clock)
        instrumented = self._runner.instrumented(meter)
        if plain is None:
            plain = self._runner.plain(meter.clock)
        # Only whole rounds are kept, so that replicates pair up after an interruption too.
        self._timings.add(plain, instrumented)
        gc.collect(0)  # what models leave behind would pile up
