"""The tables of a sweep: a line per point and, for two axes, a matrix of times."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from magics import units
from magics.renderers.column import Column, numbers, printable, texts
from magics.renderers.sweep.findings import knees
from magics.renderers.sweep.words import STATUS, line_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from magics.records import Sweep, SweepAxis, SweepPoint

_NAME = 30


def columns(sweep: Sweep) -> list[Column]:
    """Return the columns of the table of points, line by line; without empty ones."""
    lines = sweep.lines()
    points = [point for line in lines for point in line]
    names = [line_name(sweep, line) for line in lines] if len(sweep.axes) > 1 else []
    none = [""] * (1 + len(names))

    def number(
        head: str,
        value: Callable[[SweepPoint], float | None],
        scale: Callable[[Iterable[float | None]], units.Scale],
        rank: int = 0,
    ) -> Column:
        values = [value(point) for point in points]
        return numbers(head, values, [None] * len(none), scale, rank=rank)

    def text(head: str, value: Callable[[SweepPoint], str], rank: int = 0) -> Column:
        return texts(head, list(map(value, points)), none, rank=rank)

    main, *others = sorted(sweep.axes, key=lambda axis: axis.name != sweep.main.name)
    batched = any((point.batch or 1) > 1 for point in points)
    each = number("per sample", lambda point: point.seconds_per_sample, units.time_scale)
    times = _times(points, number)
    split = 0 if batched else 1  # where a call is a sample, its time takes that one's place
    marked = {id(point) for point in knees(sweep) if point}
    sizes = [size for point in points for size in (point.peak_bytes, point.predicted_bytes)]
    memory = units.bytes_scale(sizes)  # one for both, so that they can be compared by eye

    def note(point: SweepPoint) -> str:
        return "knee" if id(point) in marked else STATUS.get(point.status, "")

    # What most readers look for comes first: on a narrow screen the rest is out of sight.
    found = [
        _axis(main, points, ["", *names]),
        *(_axis(axis, points, none) for axis in others),
        *([_with_bars(each, points)] if batched else []),
        *times[:split],
        number("samples/s", lambda point: point.samples_per_s, units.count_scale, 1),
        number("memory", lambda point: point.peak_bytes, lambda _: memory, 1),
        number("predicted", lambda point: point.predicted_bytes, lambda _: memory, 3),
        text("note", note),
        *times[split:],
        *([number("mem/sample", lambda p: p.bytes_per_sample, units.bytes_scale, 4)]
          if batched else []),
        number("MACs", lambda point: point.macs, units.count_scale, 7),
        number("moved", lambda point: point.bytes_moved, units.bytes_scale, 8),
        number("params", lambda point: point.params, units.count_scale, 9),
        text("where", lambda point: printable(point.where, _NAME), 2),
    ]  # fmt: skip
    alike = {name for name in ("where", "params") if len(_told(points, name)) < 2}  # noqa: PLR2004, all alike
    kept = [column for column in found[1:] if any(column.cells) and column.head not in alike]
    return [found[0], *kept]


def _told(points: Sequence[SweepPoint], name: str) -> set[object]:
    return {value for point in points if (value := getattr(point, name))}


def groups(sweep: Sweep) -> list[tuple[int, bool]]:
    """Return for each line how many points it has, and whether it has a name."""
    return [(len(line), len(sweep.axes) > 1) for line in sweep.lines()]


def _axis(axis: SweepAxis, points: Sequence[SweepPoint], below: Sequence[str]) -> Column:
    cells = [printable(str(point.values[axis.name]), _NAME) for point in points]
    return texts(printable(axis.name), cells, below, number=axis.is_numeric)


def _times(points: Sequence[SweepPoint], number: Callable[..., Column]) -> list[Column]:
    """Return the times of a call; with bars, where a call is a sample."""

    def forward(point: SweepPoint) -> float | None:
        return point.forward.median_s if point.forward else None

    def backward(point: SweepPoint) -> float | None:
        return point.backward.median_s if point.backward else None

    found = [number("forward", forward, units.time_scale)]
    if not any((point.batch or 1) > 1 for point in points):
        found = [_with_bars(found[0], points)]
    scale = units.time_scale(map(forward, points))
    spread = tuple(scale.text(p.forward.iqr_s) if p.forward else "" for p in points)
    found.append(Column("± forward", scale.unit, spread, sums=found[0].sums, rank=6))
    if any(map(backward, points)):
        found.append(number("backward", backward, units.time_scale, 2))
    return found


def _with_bars(column: Column, points: Sequence[SweepPoint]) -> Column:
    values = [cost(point) or 0.0 for point in points]
    return replace(column, share=tuple(values)) if any(values) else column


def cost(point: SweepPoint) -> float | None:
    """Return the time of a sample, or of a call where its samples are not known [s]."""
    return point.seconds_per_sample or point.seconds_per_call


def matrix(sweep: Sweep) -> list[Column]:
    """Return times per sample, a column for each value of the other axis; none for one axis."""
    lines, main = sweep.lines(), sweep.main
    if len(sweep.axes) < 2 or not any(map(cost, sweep.points)):  # noqa: PLR2004, a line is no matrix
        return []
    values = list(dict.fromkeys(point.values[main.name] for line in lines for point in line))
    if main.is_numeric:
        values.sort(key=float)
    scale = units.time_scale([cost(point) for point in sweep.points])
    found = [texts(main.name, [printable(str(value), _NAME) for value in values],
                   number=main.is_numeric)]  # fmt: skip
    for line in lines:
        there = {point.values[main.name]: point for point in line}
        cells = [_cell(there.get(value), scale) for value in values]
        found.append(Column(line_name(sweep, line), scale.unit, tuple(cells)))
    return found


def _cell(point: SweepPoint | None, scale: units.Scale) -> str:
    if point is None:
        return ""
    seconds = cost(point)
    return scale.text(seconds) if seconds else STATUS.get(point.status, "")
