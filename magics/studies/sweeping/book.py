"""The book of a sweep: which point is run next, what has become of each, and when to stop."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from magics.measurement.machine.clock import NANOSECOND, WALL
from magics.records import SweepAxis, SweepPoint
from magics.records.sweep import COUNTED, MEASURED, NOT_RUN
from magics.studies.sweeping.line import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from magics.studies.sweeping.axes import Axis, Value
    from magics.studies.sweeping.tasks import Task

_USUAL_S = 1.0
"""How long the times of a point are measured where there is time enough [s]."""

_USUAL_RUNS = 8
_SHORTEST_S = 0.01
_ANEW = 0.5
"""How much more than its share a point takes that finds others at work, and begins anew [1]."""

_OPEN_END = 3
"""How many more points an axis with an open end is thought to have, when time is shared out."""


_NO_GAIN = "more was no gain there, or nothing went on from a failed point"


class Book:
    """Keeps the book of a sweep.

    Attributes:
        axes: What is varied.
        lines: One for each value of the axis that is not the main one.
        kept: Points from before that were not asked for now.
    """

    def __init__(
        self,
        axes: Sequence[Axis],
        task: Callable[[dict[str, Value]], Task],
        *,
        dimensions: int,
        budget_s: float | None,
        among_others: bool = False,
    ) -> None:
        """Open the book.

        Args:
            axes: What is varied.
            task: Returns the task at some values.
            dimensions: How many axes the size of an input has.
            budget_s: How long the sweep may take [s].
            among_others: Others are known to work where points run: the processor's clock is
                the one to read.
        """
        self.axes = axes
        self._main = next((axis for axis in axes if axis.is_numeric), axes[0])
        others = [axis for axis in axes if axis is not self._main]
        combinations = itertools.product(*(axis.values for axis in others))
        names = [axis.name for axis in others]
        self.lines = [
            Line(self._main, dict(zip(names, values, strict=True)), dimensions)
            for values in combinations
        ]
        self._task, self._budget_s = task, budget_s
        self._deadline = None if budget_s is None else WALL.read() + budget_s / NANOSECOND
        self._undisturbed = among_others
        self.kept: list[SweepPoint] = []
        self._repeated: set[tuple[int, Value]] = set()

    def next_task(self) -> Task | None:
        """Return what is to be run next, or `None` if there is nothing now."""
        while True:
            # Lines take turns, so that what is to be compared is measured soon after one another.
            line = min(
                (line for line in self.lines if not line.ended and self._may_go_on(line)),
                key=lambda line: len(line.points) + len(line.running),
                default=None,
            )
            if line is None:
                return None
            value = line.next()
            if value is None:
                continue
            left = self._left_s()
            length = line.seconds(value) or self._shortest()
            if left is not None and length is not None and length > left:
                line.running.remove(value)
                line.waiting.insert(0, value)
                line.end(f"the budget of {self._budget_s:g} s would not suffice")
                continue
            return self._prepared(line, value, left, length)

    def _may_go_on(self, line: Line) -> bool:
        return bool(line.waiting) or (not line.running and not line.is_done)

    def _prepared(self, line: Line, value: Value, left: float | None, length: float | None) -> Task:
        values = {axis.name: {**line.rest, self._main.name: value}[axis.name] for axis in self.axes}
        share = None
        if left is not None:
            anew = 0.0 if self._undisturbed else _ANEW
            share = max(left / (self._to_come() + anew), _SHORTEST_S)
            if share >= max(_USUAL_S, _USUAL_RUNS / 6 * (length or _USUAL_S)):
                share = None
        return replace(
            self._task(values),
            budget_s=share,
            predicted_bytes=line.predicted(value),
            needed_bytes=line.needed(value),
            most_bytes=line.most(value),
            undisturbed=self._undisturbed,
        )

    def _left_s(self) -> float | None:
        """Return how much of the budget is left; `None` if there is none [s]."""
        if self._deadline is None:
            return None
        return (self._deadline - WALL.read()) * NANOSECOND

    def _shortest(self) -> float | None:
        """Return 0 if something was measured, `None` as long as a first point is due [s]."""
        points = (point for line in self.lines for point in line.points.values())
        return 0.0 if any(point.status == MEASURED for point in points) else None

    def _to_come(self) -> int:
        """Return how many points are still to be run, the one that is prepared among them."""
        open_ended = _OPEN_END if self._main.step is not None else 0
        return 1 + sum(
            len(line.waiting) + open_ended for line in self.lines if not line.ended
        )  # fmt: skip

    def note(self, values: Mapping[str, Value], point: SweepPoint) -> None:
        """Take note of what has become of a point."""
        line = self._line(values)
        if line is None:
            raise AssertionError(f"note: a point that no line has (got {dict(values)})")
        line.note(values[self._main.name], point)
        if point.status == MEASURED:
            self._notice_others(point)

    def _notice_others(self, point: SweepPoint) -> None:
        """See whether others were found to work on this machine.

        From then on there is one thread, and its processor's clock: what was measured before
        with several threads can't be compared with that, and is measured again; but for points
        from before, which nobody asked for now: there the record tells.
        """
        if point.forward is None or point.forward.clock != "cpu":
            return
        self._undisturbed = True
        if any(axis.name == "threads" for axis in self.axes):
            return
        for number, line in enumerate(self.lines):
            for value, other in line.points.items():
                same_place = other.where == point.where and other.status == MEASURED
                before = other.environment.get("threads") != point.environment.get("threads")
                if same_place and before and (number, value) not in self._repeated:
                    self._repeated.add((number, value))
                    line.again(value)

    def take_over(self, points: Iterable[SweepPoint]) -> None:
        """Take over points that were measured before."""
        for point in points:
            line = self._line(point.values)
            value = point.values[self._main.name]
            has_result = point.status in {MEASURED, COUNTED}
            if line is None or (not has_result and value not in line.waiting):
                if point.status != NOT_RUN:
                    self.kept.append(point)
                continue
            if not has_result:
                continue  # it is tried again
            if value in line.waiting:
                line.waiting.remove(value)
            line.points[value] = point
            self._repeated.add((self.lines.index(line), value))
            self._undisturbed |= point.forward is not None and point.forward.clock == "cpu"

    def _line(self, values: Mapping[str, Value]) -> Line | None:
        rest = {name: value for name, value in values.items() if name != self._main.name}
        return next((line for line in self.lines if line.rest == rest), None)

    def points(self) -> list[SweepPoint]:
        """Return what has become of all points, also of those that were not run, in order."""
        known = {tuple(point.values.values()): point for point in self.kept}
        names = [axis.name for axis in self.axes]
        reached = {value for line in self.lines for value in line.points}
        for line in self.lines:
            for value in (*self._main.values, *sorted(reached - {*self._main.values}, key=str)):
                values = {name: {**line.rest, self._main.name: value}[name] for name in names}
                known[tuple(values.values())] = line.points.get(value) or SweepPoint(
                    values=values, status=NOT_RUN, reason=line.ended or _NO_GAIN
                )
        ranks = [{value: rank for rank, value in enumerate(axis.values)}
                 for axis in self.recorded_axes()]  # fmt: skip

        def place(key: tuple[Value, ...]) -> list[int]:
            return [rank[value] for rank, value in zip(ranks, key, strict=True)]

        return [known[key] for key in sorted(known, key=place)]

    def recorded_axes(self) -> tuple[SweepAxis, ...]:
        """Return the axes with all values that were asked for or reached."""
        found = []
        for axis in self.axes:
            values: list[Value] = list(axis.values)
            points = [point for line in self.lines for point in line.points.values()]
            more = {point.values[axis.name] for point in (*points, *self.kept)} - {*values}
            values += sorted(more, key=lambda value: (isinstance(value, str), value))
            if more and axis.is_numeric and list(axis.values) == sorted(axis.values):
                values.sort()
            found.append(SweepAxis(name=axis.name, values=tuple(values),
                                   open_ended=axis.step is not None))  # fmt: skip
        return tuple(found)

    def progress(self, values: Mapping[str, Value]) -> tuple[float, float, str]:
        """Return from where to where a point that is now to be run brings the whole, in words too.

        With an open end, the whole is what is known of it.
        """
        running = sum(len(line.running) for line in self.lines)
        done = sum(len(line.points.keys() - {*line.waiting, *line.running}) for line in self.lines)
        waiting = sum(0 if line.ended else len(line.waiting) for line in self.lines)
        count = done + running + waiting
        setting = ", ".join(f"{name} {value}" for name, value in values.items())
        text = f"{setting}: {done + running} of {count}"
        return done / count, (done + 1) / count, text

    def end(self, reason: str) -> None:
        """Run no more."""
        for line in self.lines:
            line.end(reason)
