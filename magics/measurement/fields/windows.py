"""Rules of the operators that slide over a map: convolutions, resizing, padding."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from magics.measurement.fields.combining import broadcast, joined
from magics.measurement.fields.concatenating import concatenated
from magics.measurement.fields.layout import LostError, axes_in, free
from magics.measurement.fields.mixing import mixed
from magics.measurement.fields.places import Place, inserted, resized, viewed, without
from magics.measurement.fields.rules import Result, mixed_to_scalar, rule
from magics.measurement.fields.settling import regained, settled
from magics.measurement.fields.slicing import sliced
from magics.theory import axis_maps
from magics.theory.axis_maps import AxisMap
from magics.theory.index_sets import positions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from magics.measurement.fields.reading import Reading
    from magics.measurement.fields.tape import Step

    Sizes = tuple[int, ...]
    Follow = Callable[[Reading, Step, Place, Sizes], Result]


def axes_named(name: str) -> int:
    """Return the number of axes in an operator's name."""
    return int(next(character for character in name if character in "123"))


def sliding_rule(*names: str) -> Callable[[Follow], Follow]:
    """Register a rule of operators that slide over the last dimensions of one map.

    The rule is called with the reading, the step, the map's place and the new sizes of those
    dimensions, as many as the operator's name says; and only where the map has a place.
    """

    def register(follow: Follow) -> Follow:
        @rule(*names)
        def _follow(run: Reading, step: Step) -> Result:
            place, output = run.place(step.refs()[0]), step.outputs[0]
            if place is None or output is None:
                return None
            count = axes_named(step.name)
            run.meets(place, count)
            return follow(run, step, place, output.shape[-count:])

        return follow

    return register


def slide(run: Reading, place: Place, maps: Sequence[AxisMap], sizes: Sequence[int]) -> Place:
    """Read the last dimensions of a place through maps.

    Args:
        run: The reading.
        place: The place.
        maps: One for each of the last dimensions.
        sizes: Their new sizes.
    """
    first = len(place.layout) - len(maps)
    changes: dict[int, tuple[int, AxisMap, int]] = {}
    for dim, (axis_map, size) in enumerate(zip(maps, sizes, strict=True), first):
        if axis_map.is_identity and size == place.shape[dim]:
            continue
        place, axis = settled(run.canvas, place, dim)
        if axis is None and len(maps) == run.canvas.axes:
            place, axis = regained(run.canvas, place, dim, dim - first)
        if axis is not None:
            changes[dim] = (axis, axis_map, size)
            continue
        run.canvas.work(size)
        have = place.shape[dim]
        padded = any(not axis_map.image(1 << unit, have) for unit in range(size))
        if padded or not isinstance(place.labels, int):
            place = _over_channels(run, place, dim, axis_map, size)
            continue
        place = inserted(without_labels(run, place, dim), dim, free(size))
    return resized(run.canvas, place, changes)


def without_labels(run: Reading, place: Place, dim: int) -> Place:
    """Return the place without a free dimension along which all nodes are the same."""
    return without(mixed(run.canvas, place, [dim], keep=False), dim)


def _over_channels(run: Reading, place: Place, dim: int, axis_map: AxisMap, size: int) -> Place:
    """Slide a window over free elements, as local response normalisation does."""
    have = place.shape[dim]
    parts: list[tuple[Place | None, int]] = []
    for unit in range(size):
        met = positions(axis_map.image(1 << unit, have))
        if not met:
            parts.append((None, 1))
            continue
        step = met[1] - met[0] if len(met) > 1 else 1
        some = sliced(run.canvas, place, dim, range(met[0], met[-1] + 1, step))
        parts.append((mixed(run.canvas, some, [dim], keep=False), 1))
    return concatenated(run.canvas, parts, dim) or place


def each_of(value: Any, count: int) -> list[int]:  # noqa: ANN401, an int or a tuple
    """Return a setting for each of several axes."""
    items = [value] if isinstance(value, int) else list(value)
    return items * count if len(items) == 1 else items


@rule("convolution", "_convolution", "convolution_overrideable", "mkldnn_convolution")
def _convolution(run: Reading, step: Step) -> Result:
    given = step.arguments
    ref, weight = step.refs()[:2]
    output = step.outputs[0]
    count = len(weight.shape) - 2
    if output is None:
        return None
    place = run.place(ref)
    if place is not None:
        run.meets(place, count)
        transposed = bool(given.get("transposed", False))
        make = axis_maps.transposed_window if transposed else axis_maps.window
        arguments = (each_of(given[name], count) for name in ("stride", "padding", "dilation"))
        maps = [make(*each) for each in zip(weight.shape[2:], *arguments, strict=True)]
        place = _channels(run, place, count, given["groups"], output.shape[-count - 1])
        place = slide(run, place, maps, output.shape[-count:])
    dynamic = mixed_to_scalar(run, weight)
    if dynamic is not None:
        place = joined(run.canvas, [place, dynamic], output.shape)
        return None if place is None else broadcast(place, output.shape)
    return place


def _channels(run: Reading, place: Place, count: int, groups: int, channels: int) -> Place:
    """Mix channels within their groups, and give the dimension its new size."""
    dim = len(place.layout) - count - 1
    shape = place.shape
    if groups == 1:
        place = mixed(run.canvas, place, [dim], keep=False)
        return inserted(without(place, dim), dim, free(channels))
    wide = (*shape[:dim], groups, shape[dim] // groups, *shape[dim + 1 :])
    apart = mixed(run.canvas, viewed(place, wide), [dim + 1], keep=False)
    apart = inserted(without(apart, dim + 1), dim + 1, free(channels // groups))
    return viewed(apart, (*shape[:dim], channels, *shape[dim + 1 :]))


@sliding_rule(
    *"""upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d
    _upsample_nearest_exact2d _upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d
    upsample_trilinear3d upsample_bicubic2d _upsample_bilinear2d_aa
    _upsample_bicubic2d_aa""".split()
)
def _resize(run: Reading, step: Step, place: Place, sizes: Sizes) -> Result:
    given = step.arguments
    scales = _scales(given, len(sizes))
    corners = bool(given.get("align_corners", False))
    maps = []
    for size, to, scale in zip(place.shape[-len(sizes) :], sizes, scales, strict=True):
        if corners and "nearest" not in step.name:
            ratio = Fraction(size - 1, to - 1) if to > 1 else Fraction(0)
        else:
            ratio = 1 / scale if scale else Fraction(size, to)
        maps.append(_resizing(step.name, ratio, size, corners=corners))
    return slide(run, place, maps, sizes)


def _scales(given: Any, count: int) -> list[Fraction | None]:  # noqa: ANN401, a mapping of arguments
    factors = given.get("scale_factors")
    if factors is None:
        factors = [given.get(f"scales_{name}") for name in "dhw"[3 - count :]]
        if count == 1:
            factors = [given.get("scales")]
    return [Fraction(f).limit_denominator(1 << 16) if f else None for f in factors]


def _resizing(name: str, ratio: Fraction, size: int, *, corners: bool) -> AxisMap:
    if size == 1:
        return axis_maps.BROADCAST
    if "nearest" in name:
        return axis_maps.nearest(ratio, exact="exact" in name)
    cubic = "cubic" in name
    if name.endswith("_aa") and ratio > 1:
        return axis_maps.antialiased(ratio, 2 if cubic else 1, align_corners=corners)
    make = axis_maps.cubic if cubic else axis_maps.linear
    return make(ratio, align_corners=corners)


_EDGES: dict[str, axis_maps.Edge] = {
    "constant": "drop", "reflection": "reflect", "replication": "clamp", "circular": "wrap",
}  # fmt: skip


@rule(
    *"""constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d
    replication_pad2d replication_pad3d circular_pad""".split()
)
def _pad(run: Reading, step: Step) -> Result:
    given = step.arguments
    ref = step.refs()[0]
    place, output = run.place(ref), step.outputs[0]
    if place is None or output is None:
        return None
    amounts = given.get("padding", given.get("pad"))
    edge = _EDGES[step.name.partition("_")[0]]
    for index in range(len(amounts) // 2):
        before, after = amounts[2 * index : 2 * index + 2]
        dim = len(ref.shape) - 1 - index
        if before or after:
            place = _padded(run, place, dim, (before, after), edge)
    return place


def _padded(
    run: Reading, place: Place, dim: int, amounts: tuple[int, int], edge: axis_maps.Edge
) -> Place:
    before, after = amounts
    size = place.shape[dim]
    if len(axes_in(place.layout[dim])) == 1:
        place, axis = settled(run.canvas, place, dim)
        if axis is not None:
            whole = size + before + after
            return resized(run.canvas, place, {dim: (axis, axis_maps.pad(before, edge), whole)})
    missing = dim - (len(place.layout) - run.canvas.axes)
    if size == 1 and missing >= 0 and len(place.layout) > run.canvas.axes:
        place, axis = regained(run.canvas, place, dim, missing)
        if axis is not None:
            whole = size + before + after
            return resized(run.canvas, place, {dim: (axis, axis_maps.pad(before, edge), whole)})
    place = sliced(run.canvas, place, dim, range(max(-before, 0), size - max(-after, 0)))
    before, after = max(before, 0), max(after, 0)
    if edge != "drop":
        if not isinstance(place.labels, int):
            raise LostError("channels with different fields are padded with one another")
        bare = without_labels(run, place, dim)
        return inserted(bare, dim, free(place.shape[dim] + before + after))
    parts: list[tuple[Place | None, int]] = [(place, place.shape[dim])]
    parts = [*([(None, before)] if before else []), *parts, *([(None, after)] if after else [])]
    return concatenated(run.canvas, parts, dim) or place


@rule("im2col")
def _columns(run: Reading, step: Step) -> Result:
    given = step.arguments
    ref = step.refs()[0]
    place, output = run.place(ref), step.outputs[0]
    if place is None or output is None:
        return None
    run.meets(place, 2)
    arguments = [each_of(given[n], 2) for n in ("kernel_size", "dilation", "padding", "stride")]
    taps: list[Place] = []
    sizes = []
    for axis, (k, d, p, s) in enumerate(zip(*arguments, strict=True)):
        size = ref.shape[-2 + axis]
        sizes.append((size + 2 * p - d * (k - 1) - 1) // s + 1)
    (kh, kw), (dh, dw), (ph, pw), (sh, sw) = arguments
    for row in range(kh):
        for column in range(kw):
            maps = [AxisMap(((row * dh - ph,),), sh), AxisMap(((column * dw - pw,),), sw)]
            tap = slide(run, place, maps, sizes)
            taps.append(inserted(tap, len(tap.layout) - 2))
    stacked = concatenated(run.canvas, [(tap, 1) for tap in taps], len(taps[0].layout) - 3)
    return None if stacked is None else viewed(stacked, output.shape)
