"""How the receptive field grows through the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magics.renderers import series
from magics.renderers.pictures.picture import LEFT, LETTER, NEAR, PLOT, WIDTH, Picture
from magics.renderers.pictures.places import places, plain, whole
from magics.renderers.svg import INK, Canvas, Panel, linear_axis

if TYPE_CHECKING:
    from magics.records import Profile


def growth(profile: Profile) -> Picture | None:
    """Draw it, if there are two layers that have one."""
    found, extent = series.growth(profile), series.input_extent(profile)
    if len(found) <= 1:
        return None
    canvas = Canvas(WIDTH, 300)
    values = [float(size) for _, size in found]
    across = places(len(profile.layers))
    up = linear_axis([*values, float(extent)])
    panel = Panel(canvas, LEFT, 8, PLOT, 206, across, up)
    panel.axes(series.IN_ORDER, "receptive field [positions]", whole, plain)
    at_layers = [(panel.x(place + 1), panel.y(size)) for place, size in found]
    if extent:
        y = panel.y(extent)
        canvas.path(f"M{LEFT} {y:.1f}h{PLOT}", stroke=INK, more=' stroke-dasharray="5 4"')
        words = f"the input: {extent}"
        room = LETTER * len(words) + 8
        near = [x - LEFT for x, at in at_layers if abs(at - y + 7) < NEAR]
        if any(x < room for x in near) and all(x < PLOT - room for x in near):
            canvas.words(LEFT + PLOT - 4, y - 4, words, "end")
        else:
            canvas.words(LEFT + 4, y - 4, words, "start")
    steps = "".join(
        f"{'L' if number else 'M'}{x:.4g} {at:.4g}" for number, (x, at) in enumerate(at_layers)
    )
    canvas.path(steps, stroke=series.CONVOLUTION.colour, more=' stroke-width="1.2"')
    sized: dict[str, list[tuple[float, float]]] = {}
    for (place, _), at in zip(found, at_layers, strict=True):
        sized.setdefault(series.family(profile.layers[place]).name, []).append(at)
    present = [item for item in series.FAMILIES if item.name in sized]
    for item in present:
        canvas.marks(item.marker, item.colour, sized[item.name])
    canvas.legend(8, 262, [(item.name, item.colour, item.marker) for item in present])
    reading = series.growth_reading(profile)
    alt = f"Receptive field of {len(found)} layers in order. {reading}"
    return Picture("Receptive field", reading, alt, canvas.uri(), canvas.width, canvas.height)
