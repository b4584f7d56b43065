"""Try a change: make it on a copy, compare what comes out, measure it in turns with the model.

What a change gains is told by whole runs of the model and of the changed copy, one after the
other, round by round. Both are called in the same way, by the lines that the user is shown.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from statistics import median
from typing import TYPE_CHECKING

import torch

from magics import units
from magics.measurement.machine.clock import CPU, NANOSECOND, WALL
from magics.measurement.machine.contention import CONTENDED
from magics.measurement.timing.racing import LEAST_ROUNDS, Race, Runner
from magics.records.advice import DOES_NOT_APPLY, NO_GAIN, NOT_TRIED, Suggestion
from magics.studies.advising.changes.context import NotTriedError
from magics.studies.advising.changes.copies import settings_kept
from magics.studies.advising.changes.telling import in_a_line
from magics.studies.advising.outcomes import SEED, Outcome, difference, outcome, training_step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magics.measurement.machine.clock import Clock
    from magics.records import Measurement
    from magics.studies.advising.changes.context import Change, Context, Variation
    from magics.studies.advising.changes.copies import Copy

_LEAST_S = 1.0
"""How long two are measured in turns, whatever was taken before [s]."""

_RUNS = 2 * (LEAST_ROUNDS + 3)
"""Runs that trying a change takes at least: warm, compared, and a few rounds of two."""


@dataclass(slots=True)
class Lab:
    """Where changes are tried: the model as it is, and how much time there is.

    Attributes:
        context: What is known of the model.
        deadline: When to be ready [ns].
        budget_s: How long all of it may take [s].
        clock: The clock of the device, if it has one of its own.
        untimed: Why nothing can be timed, '' if it can.
        contention: Most that others disturbed, wall over processor time; 1 on a quiet machine.
        lately: How much they disturbed what was measured last.
        raised: Messages of warnings that torch gave while something was tried.
    """

    context: Context
    deadline: float
    budget_s: float
    clock: Clock | None = None
    untimed: str = ""
    contention: float = 1.0
    lately: float = 1.0
    raised: dict[str, None] = field(default_factory=dict)
    _baseline: Copy | None = None
    _reference: Outcome = field(default_factory=lambda: Outcome([], {}))
    _length_s: float = 0.0

    @property
    def left_s(self) -> float:
        """Time that is left [s]."""
        return (self.deadline - WALL.read()) * NANOSECOND

    def extend(self, more_s: float) -> None:
        """Let all of it take so much longer [s]."""
        self.deadline += more_s / NANOSECOND
        self.budget_s += more_s

    def renew(self) -> None:
        """Forget the baseline: the model to copy from is in another mode now."""
        self._baseline = None

    def baseline(self) -> Copy:
        """Return the copy that is run as it is, after comparing and warming it up once."""
        if self._baseline is None:
            self._baseline = self.context.copied()
            with self.set_up():
                self._reference = outcome(self._baseline, backward=self.context.backward)
                runner = self.runner(self._baseline)
                self._length_s = runner.length(self.clock or WALL)
        return self._baseline

    @property
    def length_s(self) -> float:
        """How long one run takes, about [s]."""
        self.baseline()
        return self._length_s

    @contextmanager
    def set_up(self, *, gradients: bool = False) -> Iterator[None]:
        """Let torch be set as for the baseline."""
        with settings_kept(), torch.set_grad_enabled(self.context.backward or gradients):
            torch.set_num_threads(self.context.threads)
            yield

    def runner(
        self, made: Copy, settings: str = "", *, gradients: bool = False, settled: bool = False
    ) -> Runner:
        """Return what runs a copy in its turns.

        Args:
            made: The copy.
            settings: Lines that set torch, in its turns only.
            gradients: Record gradients, without a backward.
            settled: Run once before each replicate.
        """

        @contextmanager
        def setting() -> Iterator[None]:
            with self.set_up(gradients=gradients):
                made.put_inputs_back()
                if settings:
                    exec(settings, made.namespace)  # noqa: S102, the lines that the user is shown
                yield

        run = training_step(made) if self.context.backward else made.call
        return Runner(run, setting, settled=settled)

    def too_long(self, more_s: float = 0.0) -> str:
        """Return why something can't be timed, or not in what is left, '' if it can.

        Args:
            more_s: What it takes besides runs of the model [s].
        """
        if self.untimed:
            return self.untimed
        needed = _RUNS * self.length_s + more_s
        left = max(0.0, self.left_s)
        if needed <= left:
            return ""
        larger = ceil(self.budget_s + needed - left)
        return (
            f"it takes some {units.seconds(needed, 2)}, and of the budget of {self.budget_s:g} s "
            f"{f'{units.seconds(left, 2)} are' if left else 'nothing is'} left; "
            f"budget={larger} is enough"
        )

    def tried(self, change: Change, share_s: float) -> Suggestion:
        """Try a change.

        Args:
            change: What to try.
            share_s: How long it may take [s].
        """
        try:
            found = change.variation(self.context)
        except NotTriedError as error:
            return _told(change, NOT_TRIED, str(error))
        if isinstance(found, str):
            return _told(change, DOES_NOT_APPLY, found)
        try:
            reason = self.too_long(found.takes_s * self.lately) or self._out_of_reach(found)
            if reason:
                return _told(change, NOT_TRIED, reason, found, self.context.call)
            with _listened(self.raised), found.around():
                return self._tried(change, found, share_s)
        except NotTriedError as error:
            return _told(change, NOT_TRIED, str(error), found, self.context.call)
        except Exception as error:  # noqa: BLE001, a changed model may raise anything
            return _told(change, NOT_TRIED, in_a_line(error), found, self.context.call)

    def _out_of_reach(self, found: Variation) -> str:
        """Return why a change can't be made on a copy, '' if it can."""
        return self.context.uncopyable if found.code and not found.settings else ""

    def _tried(self, change: Change, found: Variation, share_s: float) -> Suggestion:
        baseline = self.baseline()
        made = self.context.copied(found.within)
        once_s = None
        lines = found.code if found.settings else ""
        with self.set_up():
            if found.code and not found.settings:
                begin = WALL.read()
                with torch.no_grad():
                    exec(found.code, made.namespace)  # noqa: S102, the lines that the user is shown
                once_s = (WALL.read() - begin) * NANOSECOND
        how = partial(self.runner, gradients=found.gradients, settled=found.settings)
        runner, plain = how(made, lines), how(baseline, found.before)
        with runner.setting():
            begin = WALL.read()
            result = outcome(made, backward=self.context.backward, still=not found.slow_start)
            first_s = (WALL.read() - begin) * NANOSECOND
        wall_only = "num_threads" in lines
        before, after = self.raced(plain, runner, share_s, wall_only=wall_only)
        if found.slow_start and once_s is not None:
            once_s += max(0.0, first_s - after.median_s)
        if once_s is not None and after.clock == CPU.name:
            once_s /= self.lately  # undisturbed, as the times are that it is to be paid back with
        tolerance = self.context.same if found.tolerance is None else found.tolerance
        return Suggestion(
            name=change.name,
            verdict=NO_GAIN,
            why=found.why,
            link=change.link,
            code=found.shown(self.context.call),
            layers=found.layers,
            before=before,
            after=after,
            error=self.error(result, tolerance, still=not found.slow_start),
            tolerance=tolerance,
            cost=found.cost,
            once_s=once_s,
            disturbed=wall_only and self.lately >= CONTENDED,
        )

    def raced(
        self, before: Runner, after: Runner, share_s: float, *, wall_only: bool = False
    ) -> list[Measurement]:
        """Measure two in turns, after warming both up.

        Raises:
            NotTriedError: If three rounds would take longer than is left.
        """
        lengths = [runner.length(self.clock or WALL) for runner in (before, after)]
        needed = (LEAST_ROUNDS + 1) * sum(lengths)
        if needed > max(self.left_s, _LEAST_S):
            raise NotTriedError(
                f"changed, the model takes {units.seconds(lengths[1])}, and {LEAST_ROUNDS} rounds "
                f"of that don't fit into the budget of {self.budget_s:g} s; "
                f"budget={ceil(self.budget_s + needed)} is enough",
            )
        race = Race(self.context.threads, self.clock, wall_only=wall_only)
        # What was worth making is worth a few rounds, even if making it took all that was left.
        budget_s = min(share_s, max(_LEAST_S, self.left_s))
        measured, contention = race.measured([before, after], budget_s)
        if not before.settled:
            self._length_s = median(before.wall)  # others may have come or gone
        self.contention, self.lately = max(self.contention, contention), contention
        return measured

    def error(self, found: Outcome, tolerance: float, *, still: bool) -> float | None:
        """Return how far what came out is from the model's own, relative to it.

        `None` where it is not the same because random numbers are not.
        """
        self.baseline()
        error = difference(self._reference, found)
        return None if error and error > tolerance and self._is_random(still=still) else error

    def _is_random(self, *, still: bool) -> bool:
        """Return whether the model draws random numbers that its outputs depend on."""
        made = self.context.copied()
        with self.set_up():
            found = [
                outcome(made, backward=False, seed=SEED + more, still=still) for more in (0, 1)
            ]
        return bool(difference(*found))


def _told(
    change: Change, verdict: str, why: str, found: Variation | None = None, call: str = ""
) -> Suggestion:
    code = found.shown(call) if found else ""
    layers = found.layers if found else ()
    return Suggestion(name=change.name, verdict=verdict, why=why, link=change.link, code=code,
                      layers=layers)  # fmt: skip


@contextmanager
def _listened(raised: dict[str, None]) -> Iterator[None]:
    """Keep warnings from being printed, or raised, and take note of them.

    What torch says of its own future is no concern of the model's.
    """
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield
    raised.update(
        (str(item.message).partition("\n")[0], None)
        for item in found
        if not issubclass(item.category, DeprecationWarning | FutureWarning)
    )
