"""The roofline: layers as points, under what was measured of the device."""

from __future__ import annotations

from math import atan2, degrees, dist, log10
from typing import TYPE_CHECKING

from magics import units
from magics.renderers import series
from magics.renderers.pictures.picture import BOLD, LEFT, LETTER, NEAR, PLOT, WIDTH, Picture
from magics.renderers.svg import INK, Canvas, Panel, log_axis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magics.records import Ceilings, Profile
    from magics.renderers.series import Point

_LABEL = 0.62  # how far up its line a bandwidth is written: marks crowd at the lower end
_DECADES = 100.0  # how far each axis goes at least: of one layer it would have no ticks


def roofline(profile: Profile) -> Picture | None:
    """Draw it, if there are ceilings, and layers with a time to put under them."""
    found, ceilings = series.points(profile), profile.ceilings
    if not found or ceilings is None:
        return None
    present = series.families_in([point.layer for point in found])
    canvas = Canvas(WIDTH, 300)
    ridge = ceilings.ridge_point(_largest(ceilings))
    across = log_axis([*(p.intensity for p in found), ridge], _DECADES)
    up = log_axis([*(p.rate for p in found), ceilings.flops_per_s], _DECADES)
    panel = Panel(canvas, LEFT, 8, PLOT, 206, across, up)
    panel.axes(
        "arithmetic intensity [FLOP/byte]",
        "speed [FLOP/s]",
        lambda value: f"{value:g}",
        lambda value: units.count(value, digits=1),
    )
    _roofs(panel, ceilings)
    for item in present:
        marks = [p for p in found if series.family(p.layer) is item]
        places = [(panel.x(p.intensity), panel.y(p.rate)) for p in marks]
        canvas.marks(item.marker, item.colour, places)
    _numbers(panel, found)
    canvas.legend(8, 262, [(item.name, item.colour, item.marker) for item in present])
    reading = series.roofline_reading(profile)
    alt = (
        f"Roofline: {len(found)} layers by arithmetic intensity and speed, under a ceiling of "
        f"{units.count(ceilings.flops_per_s, 'FLOP/s')} and lines of measured bandwidth. {reading}"
    )
    return Picture("Roofline", reading, alt, canvas.uri(), canvas.width, canvas.height)


def _largest(ceilings: Ceilings) -> int:
    return ceilings.bandwidth[-1][0]


def _roofs(panel: Panel, ceilings: Ceilings) -> None:
    peak, across, up = ceilings.flops_per_s, panel.across, panel.up
    ends = dict.fromkeys((ceilings.bandwidth[-1], ceilings.bandwidth[0]))
    outline, first = "", across.high
    for place, (size, rate) in enumerate(ends):
        low, to = max(across.low, up.low / rate), min(peak / rate, across.high)
        first = min(first, max(to, across.low))
        if low >= to:  # only the roof beyond it can be seen
            continue
        start = panel.x(low), panel.y(low * rate)
        end = panel.x(to), panel.y(to * rate)
        outline += f"M{start[0]:.1f} {start[1]:.1f}L{end[0]:.1f} {end[1]:.1f}"
        words = f"{units.count(rate, 'B/s')} at {units.size(size)}"
        share = min(_LABEL, 1 - LETTER * len(words) / 2 / dist(start, end))
        if share < 1 / 2:  # no room for the words
            continue
        # Below the line for the slow memory, above it for the fast one.
        x, y = (begin + share * (stop - begin) for begin, stop in zip(start, end, strict=True))
        turn = f' transform="rotate({-_angle(panel):.1f} {x:.1f} {y:.1f})"'
        panel.canvas.words(x, y + (12 if place == 0 else -5), words, more=turn)
    outline += f"M{panel.x(first):.1f} {panel.y(peak):.1f}H{panel.x(across.high)}"
    panel.canvas.path(outline, stroke=INK, more=' stroke-width="1.5"')
    words = units.count(peak, "FLOP/s")
    panel.canvas.words(panel.x(across.high) - 3, panel.y(peak) - 4, words, "end")


def _angle(panel: Panel) -> float:
    """Return the slope of all lines of bandwidth, which is 1 in logarithms [degrees]."""
    decades = log10(panel.across.high / panel.across.low), log10(panel.up.high / panel.up.low)
    return degrees(atan2(panel.height / decades[1], panel.width / decades[0]))


def _numbers(panel: Panel, found: Sequence[Point]) -> None:
    """Write the places of the most expensive layers at their marks."""
    labels: list[tuple[float, float, list[str]]] = []
    for point in sorted(found, key=lambda point: point.number):
        if not point.number:
            continue
        x, y = panel.x(point.intensity), panel.y(point.rate)
        near = next((a for a in labels if abs(a[0] - x) < NEAR and abs(a[1] - y) < NEAR), None)
        if near is None:
            labels.append((x, y, [str(point.number)]))
        else:
            near[2].append(str(point.number))
    marks = [(panel.x(point.intensity), panel.y(point.rate)) for point in found]
    for x, y, numbers in labels:
        words = ", ".join(numbers)
        panel.canvas.words(*_beside(x, y, words, panel, marks), words, more=BOLD)


def _beside(
    x: float, y: float, words: str, panel: Panel, marks: Sequence[tuple[float, float]]
) -> tuple[float, float]:
    """Return where to write words about a mark: below, above or beside it, where no mark is."""
    half = LETTER * len(words) / 2
    around = [(x - 3, y + 18), (x, y - 9), (x + half + 9, y + 4), (x - half - 9, y + 4)]
    for at, line in around:
        inside = panel.left < at - half and at + half < panel.left + panel.width
        inside = inside and panel.top + 9 < line < panel.top + panel.height
        if inside and not any(
            abs(mark - at) < half + 4 and abs(height - line + 4) < NEAR for mark, height in marks
        ):
            return at, line
    return around[0]
