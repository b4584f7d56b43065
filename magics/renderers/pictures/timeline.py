"""Time and memory of each layer, as bars through the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magics import units
from magics.renderers import series
from magics.renderers.pictures.picture import BOLD, LEFT, PLOT, WIDTH, Picture
from magics.renderers.pictures.places import places, plain, whole
from magics.renderers.svg import Canvas, Panel, linear_axis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magics.records import LayerProfile, Profile

_VISIBLE = 0.1  # px


def timeline(profile: Profile) -> Picture | None:
    """Draw them, as far as they are known."""
    seconds, sizes = series.spans(profile), series.peaks(profile)
    if not any(seconds) and not any(sizes):
        return None
    backward = any(layer.backward for layer in profile.layers)
    canvas = Canvas(WIDTH, 300)
    both = any(seconds) and any(sizes)
    height = 98 if both else 206
    time = units.time_scale([max(seconds)])
    name = "time" if backward else "forward"
    if any(seconds):
        values = [value / time.factor for value in seconds]
        panel = _panel(canvas, 12, height - 4, values)
        panel.axes("" if both else series.in_order(len(values)), f"{name} [{time.unit}]",
                   whole, plain, 3)  # fmt: skip
        _bars(panel, profile.layers, values)
        numbers = series.numbered(profile)
        for place, layer in enumerate(profile.layers):
            if id(layer) in numbers and values[place] > 0:
                x, y = panel.x(place + 1), max(panel.y(values[place]) - 3, 9)
                canvas.words(x, y, str(numbers[id(layer)]), more=BOLD)
    if any(sizes):
        memory = units.bytes_scale([max(sizes)])
        values = [value / memory.factor for value in sizes]
        panel = _panel(canvas, 8 + (206 - height), height, values)
        panel.axes(series.in_order(len(values)), f"memory [{memory.unit}]", whole, plain, 3)
        _bars(panel, profile.layers, values)
    present = series.families_in(profile.layers)
    canvas.legend(8, 262, [(item.name, item.colour, "s") for item in present])
    reading = series.timeline_reading(profile)
    alt = f"Time and memory of {len(profile.layers)} layers in order, as bars. {reading}"
    return Picture("Time and memory", reading, alt, canvas.uri(), canvas.width, canvas.height)


def _panel(canvas: Canvas, top: float, height: float, values: Sequence[float]) -> Panel:
    across = places(len(values))
    return Panel(canvas, LEFT, top, PLOT, height, across, linear_axis(values))


def _bars(panel: Panel, layers: Sequence[LayerProfile], values: Sequence[float]) -> None:
    wide = panel.width * series.layers_in_a_bar(len(values)) / len(values)
    gap = min(1.0, wide / 5)
    outlines: dict[str, list[str]] = {}
    for place, highest in series.bars(values):
        tall = panel.height * panel.up.share(values[highest])
        if tall >= _VISIBLE:
            outlines.setdefault(series.family(layers[highest]).name, []).append(
                f"M{panel.x(place):.4g} {panel.top + panel.height:.0f}v-{tall:.3g}",
            )
    broad = f' stroke-width="{wide - gap:.2f}"'
    for item in series.families_in(layers):
        if item.name in outlines:
            panel.canvas.path("".join(outlines[item.name]), stroke=item.colour, more=broad)
