"""The pictures of a sweep: time of a sample, and memory, along an axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magics.renderers.pictures import Picture
from magics.renderers.svg import INK, Axis, Canvas, Panel, linear_axis, log_axis
from magics.renderers.sweep import series

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magics.records import Sweep
    from magics.renderers.sweep.series import Drawn, Mark, Quantity

_WIDTH, _LEFT, _HEIGHT = 450, 62, 206
_PLOT = _WIDTH - _LEFT - 12
_LETTER = 6.1  # px
_BAR = 22  # px
_DASHES = ' stroke-width="1.2" stroke-dasharray="4 3"'


def pictures(sweep: Sweep) -> list[Picture]:
    """Return the pictures that the sweep has something to show in."""
    drawn = (_drawn(sweep, quantity) for quantity in (series.TIME, series.MEMORY))
    return [picture for picture in drawn if picture]


def _drawn(sweep: Sweep, quantity: Quantity) -> Picture | None:
    lines = series.drawn(sweep, quantity)
    if not any(line.marks for line in lines):
        return None
    values = [mark.y for line in lines for mark in (*line.marks, *line.predicted)]
    scale = quantity.scale(values)
    shown = [value / scale.factor for value in values]
    canvas = Canvas(_WIDTH, 300)
    across, named = _across(sweep)
    up = log_axis(shown) if series.is_steep(lines) else linear_axis(shown)
    panel = Panel(canvas, _LEFT, 8, _PLOT, _HEIGHT, across, up)
    panel.axes(sweep.main.name, quantity.axis(scale), lambda x: named[x],
               lambda y: f"{y:g}")  # fmt: skip
    joined = sweep.main.is_numeric
    room = min(_BAR, 0.8 * _PLOT / (len(named) * len(lines)))
    for number, line in enumerate(lines):
        if joined:
            _line(panel, line, scale.factor)
        else:
            _bars(panel, line, scale.factor, room, number - (len(lines) - 1) / 2)
    _missing(panel, series.missing(sweep))
    entries = [(line.name or "measured", line.colour, line.marker) for line in lines]
    if any(mark.knee for line in lines for mark in line.marks):
        entries.append(("knee", INK, "ring"))
    if joined and any(len(line.predicted) > 1 for line in lines):
        entries.append(("predicted", INK, "dashes"))
    if series.missing(sweep):
        entries.append(("not measured", INK, "X"))
    canvas.legend(8, 262, entries)
    reading = series.reading(sweep, quantity)
    title = quantity.title
    points = sum(len(line.marks) for line in lines)
    alt = f"{title} of {points} points along the axis {sweep.main.name}. {reading}"
    return Picture(title, reading, alt, canvas.uri(), canvas.width, canvas.height)


def _across(sweep: Sweep) -> tuple[Axis, dict[float, str]]:
    """Return the main axis, and what is written at each of its places that has room for it."""
    named = series.ticks(sweep)
    places = list(named)
    log = series.is_logarithmic(sweep)
    if log:
        around = log_axis(places)
        axis = Axis(around.low, around.high, log=True)
    else:
        length = places[-1] - places[0]
        room = length * 0.05 if sweep.main.is_numeric and length else 0.5
        axis = Axis(places[0] - room, places[-1] + room)
    kept: list[float] = []
    end = float("-inf")
    for place in places:
        half = len(named[place]) * _LETTER / 2
        x = _PLOT * axis.share(place)
        if x - half > end:
            kept.append(place)
            end = x + half + _LETTER
    return Axis(axis.low, axis.high, log=log, at=tuple(kept)), named


def _line(panel: Panel, line: Drawn, factor: float) -> None:
    """Draw a line through its marks, a dashed one through what was predicted."""
    if len(line.predicted) > 1:
        outline = _joined(panel, line.predicted, factor)
        panel.canvas.path(outline, stroke=line.colour, more=_DASHES)
    if not line.marks:
        return
    outline = _joined(panel, line.marks, factor)
    panel.canvas.path(outline, stroke=line.colour, more=' stroke-width="1.5"')
    knees = [_place(panel, mark, factor) for mark in line.marks if mark.knee]
    if knees:
        panel.canvas.marks("ring", INK, knees)
    places = [_place(panel, mark, factor) for mark in line.marks]
    panel.canvas.marks(line.marker, line.colour, places)


def _bars(panel: Panel, line: Drawn, factor: float, room: float, number: float) -> None:
    """Draw a bar for each mark: between values that have no order there is nothing to join.

    Args:
        panel: Where.
        line: What.
        factor: The unit.
        room: How broad a bar is, with the gap to the next one [px].
        number: Which of the bars at one place it is, 0 for the one in the middle.
    """
    places = [_place(panel, mark, factor) for mark in line.marks]
    places = [(x + room * number, y) for x, y in places]
    bottom = panel.top + panel.height
    outline = "".join(f"M{x:.1f} {bottom:.0f}V{y:.1f}" for x, y in places)
    if outline:
        panel.canvas.path(outline, stroke=line.colour, more=f' stroke-width="{0.8 * room:.1f}"')
        panel.canvas.marks(line.marker, line.colour, [(x, y - 8) for x, y in places])


def _joined(panel: Panel, marks: Sequence[Mark], factor: float) -> str:
    corners = (_place(panel, mark, factor) for mark in marks)
    return "M" + "L".join(f"{x:.5g} {y:.4g}" for x, y in corners)


def _place(panel: Panel, mark: Mark, factor: float) -> tuple[float, float]:
    return panel.x(mark.x), panel.y(mark.y / factor)


def _missing(panel: Panel, places: Sequence[float]) -> None:
    if places:
        bottom = panel.top + panel.height
        panel.canvas.marks("X", INK, [(panel.x(place), bottom) for place in places])
