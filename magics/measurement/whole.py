"""A model timed as a whole: plain runs alone, and one in which its memory is followed.

For many settings of one model, where layers would be too much to read: no run is instrumented,
and memory is followed with less ado than for rows.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass, field, replace
from math import inf
from typing import TYPE_CHECKING, Any

import torch

from magics.measurement.machine.allocator import allocator_peak
from magics.measurement.machine.clock import NANOSECOND, WALL
from magics.measurement.machine.headroom import is_out_of_memory
from magics.measurement.storage.storages import StorageTracker
from magics.measurement.timing.pace import Pace
from magics.measurement.timing.runs import Pass
from magics.measurement.timing.stopwatch import Stopwatch, whole

if TYPE_CHECKING:
    from magics.measurement.timing.runs import Passes, Runner

PACE = Pace(limits_s=(1.0, inf), runs=8, runs_always=4)
"""A second, or as long as five rounds take after what comes before them; one round always."""

_TIMES_AS_LONG = 16
"""How much longer the measuring goes on than getting ready for it took, at least.

So all that is not a run of the model stays under a tenth of what is.
"""

_REPLICATE_S = 0.002
"""How long a replicate takes about, several forwards if need be [s]."""

_ROUND_S = 0.04
"""How long a round takes about, several replicates if need be [s].

After each round what the model wrote is put back, and others that work here are looked for.
"""

_MOST_S = 4.0
"""But it doesn't go on for longer than this because of that [s]."""


@dataclass(slots=True)
class Footprint:
    """Memory of one run: a forward or a training step.

    Attributes:
        places: Bytes alive after each operator that made something, in order [bytes].
        allocator: The allocator's peak, workspace included, where it tells [bytes].
        problem: Why nothing is known, '' if something is.
    """

    places: list[int] = field(default_factory=list)
    allocator: int | None = None
    problem: str = ""

    @property
    def peak(self) -> int:
        """Most that is alive at any moment [bytes]."""
        return max(self.places, default=0)


class WholeStopwatch(Stopwatch):
    """Measures plain runs alone; there are no rows, so all is *everything else*.

    Attributes:
        footprint: The memory of a run.
        runs: How often the model ran, capturing included.
        begun: When getting ready for this began, by the wall clock [ns].
    """

    def __init__(self, runner: Runner, timed: Runner | None = None, **options: Any) -> None:  # noqa: ANN401, passed on
        """Prepare a measurement.

        Args:
            runner: Runs the model eagerly, as memory is followed.
            timed: Runs what is to be timed, where that is a compiled guise of the model.
            **options: As for a `Stopwatch`.
        """
        super().__init__(timed or runner, **options)
        self.pace = PACE
        self.footprint = Footprint()
        self.runs = 1  # it was captured
        self.begun = WALL.read()
        self._eager = runner
        self._calls = self._replicates = 1
        self._is_paced = True
        self.generation = 1  # all the older garbage, once for each of many, takes too long

    def first(self) -> Passes:
        """Run for the first time, follow the memory of a run, and return a run.

        With capturing, a shape has run twice at least when this returns.
        """
        begin = WALL.read()
        passes = super().first()
        self.runs += 1
        if self._eager is not self._runner:
            self.begun += WALL.read() - begin  # it compiled, however long that takes
            self.plain()
            with self._running():
                self._eager.first(WALL)
                passes = self._runner.plain(self.timings.clock)
            self.runs += 2
        with self._running():
            length = min(whole(passes), self._follow())
            if length < _ROUND_S:  # of short ones the first ones take several times as long
                length = min(length, whole(self._runner.plain(WALL)))
                self.runs += 1
        ready = max(0.0, (WALL.read() - self.begun) * NANOSECOND - self.runs * length)
        enough = min(_TIMES_AS_LONG * ready, _MOST_S)
        self._take_pace(length)
        least, most = PACE.limits_s
        self.pace = replace(PACE, enough_s=enough, limits_s=(max(least, enough), most))
        return passes

    def _take_pace(self, length: float) -> None:
        """Decide how many runs a replicate and a round have, for runs of some length [s]."""
        length = max(length, NANOSECOND)
        if not self._runner.backward:
            self._calls = max(1, round(_REPLICATE_S / length))
        self._replicates = max(1, round(_ROUND_S / (self._calls * length)))
        self._is_paced = True

    def undisturbed(self, ratio: float) -> bool:
        """Start again with a clock that others can't disturb.

        With another number of threads, on a busy machine above all, runs may take a hundred times
        less than they did: how many a replicate has is decided anew, or points would differ by it.
        """
        self._is_paced = False
        return super().undisturbed(ratio)

    @property
    def input_bytes(self) -> int:
        """Size of the inputs [bytes]."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self._eager.inputs())

    def plain(self) -> float:
        """Run once more, without keeping how long it took, and return that [s]."""
        with self._running():
            length = whole(self._runner.plain(WALL, calls=self._calls))
            self.runs += self._calls
            if not self._is_paced:
                if length < _ROUND_S:  # the first one was with other caches, too
                    length = min(length, whole(self._runner.plain(WALL)))
                    self.runs += 1
                self._take_pace(length)
            return length

    def round(self, plain: Passes | None = None) -> None:
        """Run plain as often as makes up for what a round costs, unless that was done."""
        clock, done = self.timings.clock, [plain] if plain else []
        with self._running():
            while len(done) < self._replicates and not plain:
                last = len(done) + 1 == self._replicates
                done.append(self._runner.plain(clock, calls=self._calls, restored=last))
                self.runs += self._calls
            for forward, backward in done:
                instrumented = _unread(forward), _unread(backward) if backward else None
                self.timings.add((forward, backward), instrumented)
            gc.collect(0)  # as between rounds that are instrumented

    def finish(self) -> None:
        """Leave gradients as they were found, and note whether there was a backward."""
        super().finish()
        with self.turn():
            self._eager.put_back()

    def _follow(self) -> float:
        """Follow the memory of a run, and return how long it took [s]."""
        found = self.footprint
        tracker = StorageTracker(found.places.append, _nothing)
        self.runs += 1
        try:
            with allocator_peak(torch.device("cuda" if self.device else "cpu")) as peak, tracker:
                passes = self._eager.plain(WALL)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            # A model may refuse to be observed, having run without.
            found.places.clear()
            found.problem = f"{type(error).__name__}: {error}"
            return inf
        found.allocator = peak.nbytes
        return whole(passes)


def _unread(plain: Pass) -> Pass:
    """Return a run in which no row was read: all of it is everything else."""
    return Pass(plain.whole, other=plain.whole)


def _nothing(_name: str) -> None:
    """Take no note of an operator."""
