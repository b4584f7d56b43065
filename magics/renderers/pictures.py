"""The pictures of a report: roofline, timeline, growth of the receptive field."""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2, ceil, degrees, dist, log10
from typing import TYPE_CHECKING

from magics import units
from magics.renderers import series
from magics.renderers.svg import INK, Axis, Canvas, Panel, linear_axis, log_axis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magics.records import Ceilings, LayerProfile, Profile
    from magics.renderers.series import Point

_WIDTH = 450
_LEFT = 62
_PLOT = _WIDTH - _LEFT - 12
_LABEL = 0.62  # how far up its line a bandwidth is written: marks crowd at the lower end
_LETTER = 5.8  # px: width of a letter
_DECADES = (
    100.0  # how far each axis of the roofline goes at least: of one layer it would have no ticks
)
_NEAR = 10  # px: numbers nearer than this to each other share a label
_VISIBLE = 0.1  # px
_NARROWEST = 1.5  # px: of thinner bars, neighbours' colours would run into each other
_FEW = 2  # layers: round numbers would fall between them
_BOLD = ' font-weight="700"'


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing and its words.

    Attributes:
        title: What it is.
        reading: What it shows, in one line.
        alt: What it shows, for who can't see it.
        uri: The drawing, as the address of an image.
        width: Its size [px].
        height: Its size [px].
    """

    title: str
    reading: str
    alt: str
    uri: str
    width: int
    height: int


def pictures(profile: Profile) -> list[Picture]:
    """Return the pictures that the profile has something to show in."""
    profile = profile.in_order
    drawn = (_roofline(profile), _timeline(profile), _growth(profile))
    return [picture for picture in drawn if picture]


def _roofline(profile: Profile) -> Picture | None:
    found, ceilings = series.points(profile), profile.ceilings
    if not found or ceilings is None:
        return None
    present = series.families_in([point.layer for point in found])
    canvas = Canvas(_WIDTH, 300)
    ridge = ceilings.ridge_point(_largest(ceilings))
    across = log_axis([*(p.intensity for p in found), ridge], _DECADES)
    up = log_axis([*(p.rate for p in found), ceilings.flops_per_s], _DECADES)
    panel = Panel(canvas, _LEFT, 8, _PLOT, 206, across, up)
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
        share = min(_LABEL, 1 - _LETTER * len(words) / 2 / dist(start, end))
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
    """Write the places of the most expensive layers below their marks."""
    labels: list[tuple[float, float, list[str]]] = []
    for point in sorted(found, key=lambda point: point.number):
        if not point.number:
            continue
        x, y = panel.x(point.intensity), panel.y(point.rate)
        near = next((a for a in labels if abs(a[0] - x) < _NEAR and abs(a[1] - y) < _NEAR), None)
        if near is None:
            labels.append((x, y, [str(point.number)]))
        else:
            near[2].append(str(point.number))
    for x, y, numbers in labels:
        panel.canvas.words(x - 3, y + 18, ", ".join(numbers), more=_BOLD)


def _timeline(profile: Profile) -> Picture | None:
    seconds, sizes = series.spans(profile), series.peaks(profile)
    if not any(seconds) and not any(sizes):
        return None
    backward = any(layer.backward for layer in profile.layers)
    canvas = Canvas(_WIDTH, 300)
    both = any(seconds) and any(sizes)
    height = 98 if both else 206
    time = units.time_scale([max(seconds)])
    name = "time" if backward else "forward"
    if any(seconds):
        values = [value / time.factor for value in seconds]
        panel = _panel(canvas, 12, height - 4, values)
        panel.axes("" if both else _in_order(len(values)), f"{name} [{time.unit}]",
                   _whole, _plain, 3)  # fmt: skip
        _bars(panel, profile.layers, values)
        numbers = series.numbered(profile)
        for place, layer in enumerate(profile.layers):
            if id(layer) in numbers and values[place] > 0:
                x, y = panel.x(place + 1), max(panel.y(values[place]) - 3, 9)
                canvas.words(x, y, str(numbers[id(layer)]), more=_BOLD)
    if any(sizes):
        memory = units.bytes_scale([max(sizes)])
        values = [value / memory.factor for value in sizes]
        panel = _panel(canvas, 8 + (206 - height), height, values)
        panel.axes(_in_order(len(values)), f"memory [{memory.unit}]", _whole, _plain, 3)
        _bars(panel, profile.layers, values)
    present = series.families_in(profile.layers)
    canvas.legend(8, 262, [(item.name, item.colour, "s") for item in present])
    reading = series.timeline_reading(profile)
    alt = f"Time and memory of {len(profile.layers)} layers in order, as bars. {reading}"
    return Picture("Time and memory", reading, alt, canvas.uri(), canvas.width, canvas.height)


def _panel(canvas: Canvas, top: float, height: float, values: Sequence[float]) -> Panel:
    across = _places(len(values))
    return Panel(canvas, _LEFT, top, _PLOT, height, across, linear_axis(values))


def _places(count: int) -> Axis:
    """Return an axis of layers; between two of them there is no number."""
    return Axis(0.5, count + 0.5, at=(1.0, 2.0)[:count] if count <= _FEW else ())


def _layers_in_a_bar(count: int) -> int:
    """Return how many neighbours share a bar, which shows the highest of them."""
    return ceil(_NARROWEST * count / _PLOT)


def _in_order(count: int) -> str:
    """Return the name of an axis of layers that has a bar for each, or for some together."""
    each = _layers_in_a_bar(count)
    more = f"; a bar: the highest of {each}" if each > 1 else ""
    return f"layer, in order of the calls{more}"


def _whole(value: float) -> str:
    return f"{value:.0f}"


def _plain(value: float) -> str:
    return f"{value:g}"


def _bars(panel: Panel, layers: Sequence[LayerProfile], values: Sequence[float]) -> None:
    each = _layers_in_a_bar(len(values))
    wide = panel.width * each / len(values)
    gap = min(1.0, wide / 5)
    outlines: dict[str, list[str]] = {}
    for first in range(0, len(values), each):
        among = range(first, min(first + each, len(values)))
        highest = max(among, key=values.__getitem__)
        tall = panel.height * panel.up.share(values[highest])
        if tall >= _VISIBLE:
            x = panel.x(first + (each + 1) / 2)
            outlines.setdefault(series.family(layers[highest]).name, []).append(
                f"M{x:.4g} {panel.top + panel.height:.0f}v-{tall:.3g}",
            )
    broad = f' stroke-width="{wide - gap:.2f}"'
    for item in series.families_in(layers):
        if item.name in outlines:
            panel.canvas.path("".join(outlines[item.name]), stroke=item.colour, more=broad)


def _growth(profile: Profile) -> Picture | None:
    found, extent = series.growth(profile), series.input_extent(profile)
    if len(found) <= 1:
        return None
    canvas = Canvas(_WIDTH, 300)
    values = [float(size) for _, size in found]
    across = _places(len(profile.layers))
    up = linear_axis([*values, float(extent)])
    panel = Panel(canvas, _LEFT, 8, _PLOT, 206, across, up)
    panel.axes("layer, in order of the calls", "receptive field [positions]", _whole, _plain)
    places = [(panel.x(place + 1), panel.y(size)) for place, size in found]
    if extent:
        y = panel.y(extent)
        canvas.path(f"M{_LEFT} {y:.1f}h{_PLOT}", stroke=INK, more=' stroke-dasharray="5 4"')
        words = f"the input: {extent}"
        room = _LETTER * len(words) + 8
        near = [x - _LEFT for x, at in places if abs(at - y + 7) < _NEAR]
        if any(x < room for x in near) and all(x < _PLOT - room for x in near):
            canvas.words(_LEFT + _PLOT - 4, y - 4, words, "end")
        else:
            canvas.words(_LEFT + 4, y - 4, words, "start")
    steps = "".join(
        f"{'L' if number else 'M'}{x:.4g} {at:.4g}" for number, (x, at) in enumerate(places)
    )
    canvas.path(steps, stroke=series.CONVOLUTION.colour, more=' stroke-width="1.2"')
    sized: dict[str, list[tuple[float, float]]] = {}
    for (place, _), at in zip(found, places, strict=True):
        sized.setdefault(series.family(profile.layers[place]).name, []).append(at)
    present = [item for item in series.FAMILIES if item.name in sized]
    for item in present:
        canvas.marks(item.marker, item.colour, sized[item.name])
    canvas.legend(8, 262, [(item.name, item.colour, item.marker) for item in present])
    reading = series.growth_reading(profile)
    alt = f"Receptive field of {len(found)} layers in order. {reading}"
    return Picture("Receptive field", reading, alt, canvas.uri(), canvas.width, canvas.height)
