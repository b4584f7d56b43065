"""Time per row: plain and instrumented runs in turn, until stable or out of budget.

The forward of every module that is a row is replaced on its instance and reads the clock
before and after; its own time is its duration less that of the rows inside. What the rows
leave of the whole run is everything else (glue, containers, framework), so that all add up to
it by construction; what the clock readings cost is measured and subtracted.

Several models are measured together by taking turns, round by round: whatever the machine
does meanwhile, it does to all of them.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import torch

from magics.measurement.capturing.problems import running_again
from magics.measurement.machine.clock import CPU, NANOSECOND, PROCESS, WALL, Clock
from magics.measurement.machine.contention import CONTENDED, Contention
from magics.measurement.machine.process import steady
from magics.measurement.timing.company import Company
from magics.measurement.timing.pace import Pace
from magics.measurement.timing.runs import Meter
from magics.measurement.timing.timings import Timings
from magics.progress import report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from magics.measurement.timing.runs import Passes, Runner

WARM_UPS = 2
"""Runs of a new shape before measuring, for kernels are chosen in them; capturing was one."""

_MIN_CONTENDED_ROUNDS = 3
_LEAST_S = 0.1  # of tiny models, a few rounds would be stable by accident
_PROBE_S = 0.05


class Stopwatch:
    """Measures what a runner runs.

    Attributes:
        pace: How long, where `budget_s` doesn't tell.
        timings: What was measured.
        device: The clock of the device, if it has one of its own.
        budget_s: How long to measure at most, `None` for a default [s].
        generation: What garbage is collected before: that of this generation and younger.
        keeps_clock: The clock and the threads stay as they are, whoever else works here.
        turn: Makes the state of torch and of the modules that of this model, for a while.
    """

    def __init__(
        self,
        runner: Runner,
        *,
        threads: int | None,
        budget_s: float | None,
        device: Clock | None,
        place: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        """Prepare a measurement.

        Args:
            runner: Runs the model.
            threads: Threads for torch, `None` for as many as are set.
            budget_s: How long to measure at most, `None` for a default [s].
            device: The clock of the device, if it has one of its own.
            place: Makes the device that works the current one.
        """
        self.pace, self.keeps_clock, self.generation = Pace(), False, 2
        self.budget_s, self.device = budget_s, device
        self.turn: Callable[[], AbstractContextManager[object]] = nullcontext
        self._runner, self._place = runner, place
        self._backward_asked = runner.backward
        self._fixed_threads = threads
        self.timings = Timings(device or WALL, threads or torch.get_num_threads())
        self._meter: Meter | None = None

    def measure(self) -> Timings:
        """Measure until stable or until the budget ends, with the clock that fits.

        On a contended machine that is the processor's; with one thread, unless it was given.
        """
        together([self])
        return self.timings

    def first(self) -> Passes:
        """Run once, and find out what there is to measure."""
        with self._running():
            return self._runner.first(self.timings.clock)

    def plain(self) -> float:
        """Run once more, without keeping how long it took, and return that [s]."""
        with self._running():
            return whole(self._runner.plain(WALL))

    def round(self, plain: Passes | None = None) -> None:
        """Run once plain, unless that was done, and once instrumented.

        The order is always the same: if it changed, a row's replicates would differ by what
        ran before them, too.
        """
        with self._running():
            if self._meter is None:
                self._meter = Meter(self.timings.clock, backward=self._runner.backward)
            plain = plain or self._runner.plain(self._meter.clock)
            instrumented = self._runner.instrumented(self._meter)
            # Only whole rounds are kept, so that replicates pair up after an interruption too.
            self.timings.add(plain, instrumented)
            gc.collect(0)  # what models leave behind would pile up

    def undisturbed(self, ratio: float) -> bool:
        """Start again with a clock that others can't disturb.

        Returns:
            Whether the number of threads is another one now, so that kernels are, too.
        """
        changed = self.threads_alone != self.timings.threads
        threads = self.threads_alone
        self.timings = Timings(CPU if threads == 1 else PROCESS, threads, contention=ratio)
        self._meter = None
        return changed

    @property
    def threads_alone(self) -> int:
        """Threads for torch where others disturb."""
        return self._fixed_threads or 1

    def finish(self) -> None:
        """Leave gradients as they were found, and note whether there was a backward."""
        with self.turn():
            self._runner.put_back()
        self.timings.no_backward = self._backward_asked and not self._runner.backward

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Run the model where and how it is to run.

        Raises:
            ForwardError: If the model raises now, having run once.
        """
        with self.turn(), self._place():
            torch.set_num_threads(self.timings.threads)
            with running_again():
                yield


def whole(passes: Passes) -> float:
    """Return the length of a run [s]."""
    return sum(one.whole for one in passes if one)


def together(watches: Sequence[Stopwatch]) -> None:
    """Measure several models round by round, until all are stable or the budget ends.

    Ctrl-C ends it as well.
    """
    try:
        with steady(max(watch.generation for watch in watches)):
            _Race(watches).run()
    except KeyboardInterrupt:
        for watch in watches:
            watch.timings.interrupted = True
    finally:
        for watch in watches:
            watch.finish()


class _Race:
    """Decides what is run next, and with which clock, the same for all that take turns."""

    def __init__(self, watches: Sequence[Stopwatch]) -> None:
        self._watches, self._company = watches, Company(watches)
        budgets = [watch.budget_s for watch in watches if watch.budget_s is not None]
        self._budget_s = sum(budgets) if budgets else None
        # Processor time of one thread and of several can't be compared, nor can the clock of
        # a device be replaced.
        alike = len({watch.threads_alone for watch in watches}) == 1
        kept = any(watch.device is not None or watch.keeps_clock for watch in watches)
        self._can_change = alike and not kept

    def run(self) -> None:
        contention = Contention(max(watch.timings.threads for watch in self._watches))
        contention.start()
        begin = WALL.read()
        first = [watch.first() for watch in self._watches]
        length = sum(map(whole, first))
        deadline = begin + self._budget(length)
        if begin + length / NANOSECOND >= deadline:
            # Capturing warmed up, too: of such a model, not a single run is to spare.
            if self._can_change and contention.ratio() >= CONTENDED:
                self._undisturbed(contention.ratio())
                self._round()
            else:
                self._round(first)
            return
        self._warm_up(2, length, deadline)
        if not self._can_change:
            self._rounds(deadline, None)
            self._note(contention.ratio())
            return
        if contention.ratio() < CONTENDED:
            self._rounds(deadline, contention)
            if self._contention < CONTENDED:
                return
        changed = self._undisturbed(max(self._contention, contention.ratio()))
        begin = WALL.read()
        length = self._plain()
        budget = self._budget(length, done=WARM_UPS)
        deadline = begin + budget if self._budget_s is None else max(deadline, begin + budget / 2)
        if changed:
            self._warm_up(1, length, deadline)
        self._rounds(deadline, None)

    @property
    def _contention(self) -> float:
        return max(watch.timings.contention for watch in self._watches)

    def _note(self, ratio: float) -> None:
        for watch in self._watches:
            if watch.device is None:
                watch.timings.contention = ratio

    def _undisturbed(self, ratio: float) -> bool:
        changed = [watch.undisturbed(ratio) for watch in self._watches]
        return any(changed)

    @property
    def _pace(self) -> Pace:
        return self._watches[0].pace

    def _budget(self, length_s: float, done: int = 0) -> float:
        """Return how long to measure runs of some length, of which some are done [ns]."""
        least, most = (limit * len(self._watches) for limit in self._pace.limits_s)
        usual = min(max((self._pace.runs - done) * length_s, least), most)
        return max(self._budget_s or usual, self._pace.runs_always * length_s) / NANOSECOND

    def _plain(self) -> float:
        return sum(watch.plain() for watch in self._watches)

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
            self._plain()
            runs += 1

    def _rounds(self, deadline: float, contention: Contention | None) -> None:
        """Do rounds while the next one is likely to end before the deadline; one at least."""
        length = 0
        start = WALL.read()
        enough = start + max(_LEAST_S, self._pace.enough_s) / NANOSECOND
        company = self._company = Company(self._watches)
        while company.waiting and not company.is_dear:
            begin = WALL.read()
            report((begin - start) / max(1, deadline - start), "measuring times")
            rounds = self._watches[0].timings.rounds
            if rounds and begin + length > deadline:
                return
            self._round()
            now = WALL.read()
            length = now - begin
            if now >= enough:
                company.settle()
            if contention is not None:
                self._note(contention.ratio())
                if rounds + 1 >= _MIN_CONTENDED_ROUNDS and self._contention >= CONTENDED:
                    return

    def _round(self, plain: Sequence[Passes | None] | None = None) -> None:
        """Do one round of each; in every second one the other way round.

        Who goes first finds caches colder than those that follow, and would seem slower.
        """
        turns = list(zip(self._watches, plain or [None] * len(self._watches), strict=True))
        for watch, done in turns if self._watches[0].timings.rounds % 2 else reversed(turns):
            begin = WALL.read()
            watch.round(done)
            self._company.spend(watch, WALL.read() - begin)
