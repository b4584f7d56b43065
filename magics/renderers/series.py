"""What the pictures show, before it is drawn: points, bars and steps, one per layer.

The report's drawings and the figures of matplotlib both draw these, so that they say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from magics import units
from magics.renderers.table import label
from magics.theory.roofline import NEAR_ROOF, needed_flops

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magics.records import LayerProfile, Profile

MOST_NUMBERED = 3
MOST_BARS = 250
"""In a picture; of thinner bars, neighbours' colours would run into each other."""
IN_ORDER = "layer, in order of the calls"


@dataclass(frozen=True, slots=True)
class Family:
    """Kinds of layers that share a colour and a shape.

    Attributes:
        name: What the legend calls it.
        colour: One that colour-blind readers can tell from the others.
        marker: Its shape, as matplotlib names it: colour is never the only difference.
    """

    name: str
    colour: str
    marker: str


# Colours: Okabe and Ito, "Color Universal Design", 2008; without black, white and yellow, which
# one of the two themes would hide.
CONVOLUTION = Family("convolution", "#0072B2", "o")
GROUPED = Family("grouped convolution", "#D55E00", "v")
TRANSPOSED = Family("transposed convolution", "#56B4E9", "^")
POOLING = Family("pooling", "#E69F00", "s")
NORMALISATION = Family("normalisation", "#009E73", "D")
LINEAR = Family("linear, matmul", "#CC79A7", "X")
OTHER = Family("other", "#8C8C8C", "P")
FAMILIES = (CONVOLUTION, GROUPED, TRANSPOSED, POOLING, NORMALISATION, LINEAR, OTHER)


def family(layer: LayerProfile) -> Family:
    """Return what a layer is drawn as."""
    kind = layer.kind
    if kind.startswith("conv_transpose"):
        return TRANSPOSED
    if kind.startswith("conv"):
        return GROUPED if layer.groups > 1 else CONVOLUTION
    if "pool" in kind:
        return POOLING
    if kind.endswith("norm"):
        return NORMALISATION
    return LINEAR if kind in {"linear", "matmul"} else OTHER


@dataclass(frozen=True, slots=True)
class Point:
    """A layer under the roof.

    Attributes:
        layer: The layer.
        intensity: Needed arithmetic per byte moved [FLOP/byte].
        rate: Needed arithmetic per second [FLOP/s].
        number: Its place among the most expensive ones, from 1; 0 for all others.
    """

    layer: LayerProfile
    intensity: float
    rate: float
    number: int = 0


def points(profile: Profile) -> list[Point]:
    """Return the layers that have arithmetic, traffic and a time."""
    numbers = numbered(profile)
    found = []
    for layer in profile.layers:
        flops, seconds = needed_flops(layer), forward_s(layer)
        if flops > 0 and layer.bytes_moved > 0 and seconds > 0:
            number = numbers.get(id(layer), 0)
            found.append(Point(layer, flops / layer.bytes_moved, flops / seconds, number))
    return found


def numbered(profile: Profile) -> dict[int, int]:
    """Return the places, from 1, of the most expensive layers, by the identity of the record."""
    longest = sorted(profile.layers, key=forward_s, reverse=True)[:MOST_NUMBERED]
    return {id(layer): number for number, layer in enumerate(longest, 1)}


def forward_s(layer: LayerProfile) -> float:
    """Return the time of a layer's forward, 0 where it is not known or lost in noise [s]."""
    return max(0.0, layer.forward.median_s) if layer.forward else 0.0


def backward_s(layer: LayerProfile) -> float:
    """Return the time of a layer's backward, 0 where it is not known or lost in noise [s]."""
    return max(0.0, layer.backward.median_s) if layer.backward else 0.0


def spans(profile: Profile) -> list[float]:
    """Return the time of each layer, forward and backward together [s]."""
    return [forward_s(layer) + backward_s(layer) for layer in profile.layers]


def peaks(profile: Profile) -> list[int]:
    """Return the most memory of tensors alive during each layer's call [bytes]."""
    return [layer.peak_bytes or 0 for layer in profile.layers]


def bars(values: Sequence[float]) -> list[tuple[float, int]]:
    """Return where bars of layers stand, from 1, and the layer that each shows.

    Where there are too many layers, some neighbours share a bar, the highest of them.
    """
    each = layers_in_a_bar(len(values))
    firsts = range(0, len(values), each)
    spans = [range(first, min(first + each, len(values))) for first in firsts]
    return [(span.start + (each + 1) / 2, max(span, key=values.__getitem__)) for span in spans]


def layers_in_a_bar(count: int) -> int:
    """Return how many neighbours share a bar."""
    return ceil(count / MOST_BARS)


def in_order(count: int) -> str:
    """Return the name of an axis of layers that has a bar for each, or for some together."""
    each = layers_in_a_bar(count)
    return IN_ORDER if each <= 1 else f"{IN_ORDER}; a bar: the highest of {each}"


def growth(profile: Profile) -> list[tuple[int, int]]:
    """Return (place, receptive field) of the layers that have one, its longest axis [elements]."""
    return [
        (place, max(seen.size))
        for place, layer in enumerate(profile.layers)
        if (seen := layer.receptive_field) and seen.size
    ]


def input_extent(profile: Profile) -> int:
    """Return the longest axis of the input's space, or 0 where that is not known [elements]."""
    return max(profile.input_space, default=0)


def roofline_reading(profile: Profile) -> str:
    """Say in one line what the roofline shows."""
    found = [point.layer for point in points(profile)]
    whole = sum(map(forward_s, found))
    near = sum(forward_s(row) for row in found if (row.efficiency or 0) >= NEAR_ROOF)
    share = units.percent(near / whole if whole else 0, 0)
    return (
        f"{share} of the layers' time is spent at half of the roof's speed or more; "
        f"marks far below the lines have room for a better kernel."
    )


def timeline_reading(profile: Profile) -> str:
    """Say in one line what the timeline shows."""
    said = []
    seconds, sizes = spans(profile), peaks(profile)
    if any(seconds):
        half, run = sum(seconds) / 2, 0.0
        for place, value in enumerate(seconds):
            run += value
            if run >= half:
                name = label(profile.layers[place])
                both = " (forward and backward)" if any(map(backward_s, profile.layers)) else ""
                said.append(f"half of the time{both} is over at {name}, layer {place + 1} "
                            f"of {len(seconds)}")  # fmt: skip
                break
    if any(sizes):
        place = sizes.index(max(sizes))
        said.append(f"memory is highest at {label(profile.layers[place])}, "
                    f"{units.size(sizes[place])}")  # fmt: skip
    text = "; ".join(said)
    return f"{text[:1].upper()}{text[1:]}."


def growth_reading(profile: Profile) -> str:
    """Say in one line how the receptive field grows."""
    found, extent = growth(profile), input_extent(profile)
    widest = max(size for _, size in found)
    first = found[0][1]
    positions = "position" if first == 1 else "positions"
    text = f"One output sees {first} {positions} per axis at first and {widest} at most"
    over = next((place for place, size in found if extent and size >= extent), None)
    if over is None:
        return f"{text}, of an input of {extent}." if extent else f"{text}."
    return f"{text}; from {label(profile.layers[over])} on, as much as the input's {extent}."


def families_in(layers: Sequence[LayerProfile]) -> list[Family]:
    """Return the families that occur, in the legend's order."""
    present = {family(layer).name for layer in layers}
    return [item for item in FAMILIES if item.name in present]
