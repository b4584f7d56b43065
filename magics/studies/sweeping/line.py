"""One line of a sweep: points along the main axis, what comes next, and when it ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from magics.records.sweep import FAILED, MEASURED, OUT_OF_MEMORY, WITH_A_KNEE, SweepPoint, knee
from magics.studies.sweeping.axes import GROWING, extent
from magics.theory.memory import predicted_peak

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from magics.studies.sweeping.axes import Axis, Value

_PAST_THE_KNEE = 2
"""How many points past the knee an axis with an open end goes on."""

_LEAST_RUNS = 6
"""How many runs a point takes at least."""


@dataclass(slots=True, eq=False)
class Line:
    """Points along the main axis, at one value of the other axis if there is another.

    Attributes:
        axis: The main axis.
        rest: The value on the other axis, by name.
        dimensions: How many axes the size of an input has.
        waiting: Values still to be run, the next one first.
        running: Values being run.
        points: What has become of the others.
        ended: Why no more is run, '' as long as more may be.
    """

    axis: Axis
    rest: Mapping[str, Value]
    dimensions: int
    waiting: list[Value] = field(default_factory=list)
    running: list[Value] = field(default_factory=list)
    points: dict[Value, SweepPoint] = field(default_factory=dict)
    ended: str = ""
    _goes_on: bool = False

    def __post_init__(self) -> None:
        self._goes_on = self.axis.step is not None
        self.waiting = sorted(self.axis.values, key=self._rank)

    def next(self) -> Value | None:
        """Return the value to run next, and take it as running; `None` if there is none now."""
        if self.ended:
            return None
        if not self.waiting and self._goes_on and not self.running:
            self._extend()
        if not self.waiting or self.ended:
            return None
        value = self.waiting.pop(0)
        self.running.append(value)
        return value

    def again(self, value: Value) -> None:
        """Let a value be run once more."""
        if not self.ended and value not in self.waiting and value not in self.running:
            self.waiting.insert(0, value)

    def note(self, value: Value, point: SweepPoint) -> None:
        """Take note of what has become of a value."""
        if value in self.running:
            self.running.remove(value)
        self.points[value] = point
        if point.status == OUT_OF_MEMORY and self.axis.name in GROWING:
            self.end(f"{self.axis.name} {value} was out of memory")
        elif point.status == FAILED:
            self._goes_on = False

    def end(self, reason: str) -> None:
        """Run no more; what is running may still end."""
        self.ended = self.ended or reason

    @property
    def is_done(self) -> bool:
        """Whether nothing will be run any more."""
        more = self.waiting or (self._goes_on and self.points)
        return not self.running and (bool(self.ended) or not more)

    def measured(self) -> list[SweepPoint]:
        """Return the points that were measured, in the order of the axis."""
        found = [point for point in self.points.values() if point.status == MEASURED]
        return sorted(found, key=lambda point: self._rank(point.values[self.axis.name]))

    def _rank(self, value: Value) -> int:
        """Return what values are ordered by: what grows with them, or else their places."""
        grown = extent(self.axis.name, value, self.dimensions)
        if grown is not None:
            return grown
        return value if self.axis.is_numeric and isinstance(value, int) else (
            self.axis.values.index(value))  # fmt: skip

    def _extend(self) -> None:
        """Go on to a value more, unless that is no gain any more."""
        measured = self.measured()
        best = knee(measured) if self.axis.name in WITH_A_KNEE else None
        if best is not None:
            past = len(measured) - 1 - next(
                place for place, point in enumerate(measured) if point is best
            )  # fmt: skip
            if past >= _PAST_THE_KNEE:
                self._goes_on = False
                return
        last = max(value for value in (*self.axis.values, *self.points) if isinstance(value, int))
        if self.axis.step is not None:
            self.waiting.append(self.axis.step(last))

    def predicted(self, value: Value) -> int | None:
        """Return the peak that a value will have, from points that were measured [bytes]."""
        return self._extrapolated(value, lambda point: point.peaks)

    def needed(self, value: Value) -> int | None:
        """Return what a value will need: its inputs, its peak, workspace included [bytes]."""
        inputs = self._extrapolated(value, lambda point: _known(point.input_bytes))
        peaks = [
            self.predicted(value),
            self._extrapolated(value, lambda point: _known(point.allocator_bytes)),
        ]
        known = [peak for peak in peaks if peak is not None]
        return max(known) + (inputs or 0) if known else None

    def most(self, value: Value) -> int | None:
        """Return what a value can need at most, from one point: all grows with it [bytes]."""
        known = [point for point in self.measured() if point.peaks]
        after = extent(self.axis.name, value, self.dimensions)
        if not known or after is None:
            return None
        last = known[-1]
        before = extent(self.axis.name, last.values[self.axis.name], self.dimensions) or 1
        whole = max(*last.peaks, last.allocator_bytes or 0) + (last.input_bytes or 0)
        return whole * max(after, before) // before

    def _extrapolated(
        self, value: Value, sizes: Callable[[SweepPoint], tuple[int, ...]]
    ) -> int | None:
        """Continue the line through the last two measured points, each place by itself."""
        known = [point for point in self.measured() if sizes(point)]
        at = extent(self.axis.name, value, self.dimensions)
        if at is None:
            return max(sizes(known[-1])) if known and self.axis.is_numeric else None
        pairs = [
            (
                extent(self.axis.name, point.values[self.axis.name], self.dimensions) or 0,
                sizes(point),
            )
            for point in known
        ]
        if len(pairs) < 2:  # noqa: PLR2004, a line goes through two points
            return None
        first, second = pairs[-2:]
        if len(first[1]) != len(second[1]) or first[0] == second[0]:
            return None
        return max(0, round(predicted_peak(first, second, at)))

    def seconds(self, value: Value) -> float | None:
        """Return how long a value will take at least, or `None` where nothing tells [s]."""
        known = self.measured()
        if not known:
            return None
        last = known[-1]
        each = last.seconds_per_call or 0.0
        before = extent(self.axis.name, last.values[self.axis.name], self.dimensions)
        after = extent(self.axis.name, value, self.dimensions)
        grown = after / before if before and after else 1.0
        return _LEAST_RUNS * each * grown


def _known(size: int | None) -> tuple[int, ...]:
    return () if size is None else (size,)
