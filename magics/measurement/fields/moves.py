"""Rules of the operators that move elements: views, slices, concatenation, shuffles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magics.measurement.fields.combining import broadcast
from magics.measurement.fields.concatenating import concatenated
from magics.measurement.fields.layout import LostError, axes_in, free
from magics.measurement.fields.places import Place, dropped, inserted, permuted, resized, viewed
from magics.measurement.fields.rules import Result, rule
from magics.measurement.fields.settling import settled
from magics.measurement.fields.slicing import chosen, sliced, taken
from magics.theory.axis_maps import AxisMap

if TYPE_CHECKING:
    from magics.measurement.fields.reading import Reading
    from magics.measurement.fields.tape import Ref, Step

SAME_ORDER = frozenset(
    """view _unsafe_view reshape _reshape_alias flatten unflatten squeeze unsqueeze alias detach
    contiguous to lift_fresh lift _to_copy clone""".split(),
)
"""Operators that keep the elements in their order; their shape says it all."""

RESHAPES = frozenset("squeeze unsqueeze t transpose swapaxes swapdims detach as_strided".split())
"""Operators whose in-place forms change how a tensor is read and not what is in it."""


@rule(*SAME_ORDER)
def _same_order(run: Reading, step: Step) -> Result:
    place, output = run.place(step.refs()[0]), step.outputs[0]
    return None if place is None or output is None else viewed(place, output.shape)


@rule("permute", "transpose", "t", "swapaxes", "movedim", "swapdims")
def _permute(run: Reading, step: Step) -> Result:
    place = run.place(step.refs()[0])
    return None if place is None else permuted(place, order(step))


def order(step: Step) -> list[int]:
    """Return which dimension of the input each dimension of the output is."""
    rank = len(step.refs()[0].shape)
    given = step.arguments
    if step.name == "permute":
        return [dim % rank for dim in given["dims"]]
    dims = list(range(rank))
    if step.name == "t":
        return dims[::-1]
    if "dim0" not in given:
        raise LostError(f"aten::{step.name} can't be followed")
    first, second = given["dim0"] % rank, given["dim1"] % rank
    dims[first], dims[second] = second, first
    return dims


@rule("expand", "broadcast_to", "expand_as")
def _expand(run: Reading, step: Step) -> Result:
    place, output = run.place(step.refs()[0]), step.outputs[0]
    return None if place is None or output is None else broadcast(place, output.shape)


def ranges(step: Step) -> list[tuple[int, range]]:
    """Return the dimension and the indices that each output of a slicing operator takes."""
    given = step.arguments
    shape = step.refs()[0].shape
    dim = given.get("dim", 0) % max(len(shape), 1)
    size = shape[dim]
    if step.name == "slice":
        bounds = slice(given.get("start"), given.get("end"), given.get("step", 1))
        return [(dim, range(*bounds.indices(size)))]
    if step.name == "narrow":
        return [(dim, range(size)[given["start"] : given["start"] + given["length"]])]
    if step.name == "select":
        index = given["index"] % size
        return [(dim, range(index, index + 1))]
    if step.name == "unbind":
        return [(dim, range(index, index + 1)) for index in range(size)]
    found = []
    start = 0
    for output in step.outputs:
        length = output.shape[dim] if output is not None else 0
        found.append((dim, range(start, start + length)))
        start += length
    return found


SLICES = frozenset(
    "slice select narrow unbind split split_with_sizes chunk unsafe_split unsafe_chunk "
    "unsafe_split_with_sizes".split(),
)
DROPS = frozenset({"select", "unbind"})
"""Those of the slicing operators that leave the dimension out."""


@rule(*SLICES)
def _slice(run: Reading, step: Step) -> Result:
    place = run.place(step.refs()[0])
    if place is None:
        return None
    found = []
    for dim, indices in ranges(step):
        part = sliced(run.canvas, place, dim, indices)
        found.append(dropped(part, [dim]) if step.name in DROPS else part)
    return tuple(found)


@rule("cat", "concat", "concatenate", "stack")
def _cat(run: Reading, step: Step) -> Result:
    refs = [ref for ref in step.refs() if ref.shape != (0,)]
    output = step.outputs[0]
    if output is None:
        return None
    dim = step.arguments.get("dim", 0) % len(output.shape)
    stacks = step.name == "stack"
    parts = []
    for ref in refs:
        place = run.place(ref)
        if stacks and place is not None:
            place = inserted(place, dim)
        parts.append((place, 1 if stacks else ref.shape[dim]))
    return concatenated(run.canvas, parts, dim)


@rule("repeat")
def _repeat(run: Reading, step: Step) -> Result:
    place = run.place(step.refs()[0])
    if place is None:
        return None
    repeats = step.arguments["repeats"]
    while len(place.layout) < len(repeats):
        place = inserted(place, 0)
    shape: list[int] = []
    for dim, count in reversed(list(enumerate(repeats))):
        shape.insert(0, count * place.shape[dim])
        if count > 1:
            place = inserted(place, dim, free(count))
    return viewed(place, tuple(shape))


@rule("flip")
def _flip(run: Reading, step: Step) -> Result:
    ref = step.refs()[0]
    place = run.place(ref)
    if place is None:
        return None
    for dim in (d % len(ref.shape) for d in step.arguments["dims"]):
        place = _reindexed(run, place, dim, range(ref.shape[dim] - 1, -1, -1))
    return place


def _reindexed(run: Reading, place: Place, dim: int, indices: range) -> Place:
    if axes_in(place.layout[dim]):
        place, axis = settled(run.canvas, place, dim)
        if axis is not None:
            return resized(run.canvas, place, {dim: (axis, taken(indices), len(indices))})
    return sliced(run.canvas, place, dim, indices)


@rule("roll")
def _roll(run: Reading, step: Step) -> Result:
    ref = step.refs()[0]
    place = run.place(ref)
    dims, shifts = step.arguments.get("dims") or (), step.arguments["shifts"]
    shifts = (shifts,) if isinstance(shifts, int) else shifts
    dims = (dims,) if isinstance(dims, int) else dims
    if place is None:
        return None
    if not dims:
        raise LostError("aten::roll over all dimensions as one")
    for dim, shift in zip(dims, shifts, strict=True):
        at = dim % len(ref.shape)
        size = ref.shape[at]
        shift %= size  # noqa: PLW2901, the same roll
        shift -= size if shift > size // 2 else 0  # noqa: PLW2901, the shorter way round
        if not axes_in(place.layout[at]):
            first = sliced(run.canvas, place, at, range(size - shift % size, size))
            last = sliced(run.canvas, place, at, range(size - shift % size))
            parts = [(first, shift % size), (last, size - shift % size)]
            place = concatenated(run.canvas, [part for part in parts if part[1]], at)
            if place is None:
                return None
            continue
        place, axis = settled(run.canvas, place, at)
        if axis is not None:
            shifted = AxisMap(((-shift,),), edge="wrap")
            place = resized(run.canvas, place, {at: (axis, shifted, size)})
    return place


@rule("index_select")
def _index_select(run: Reading, step: Step) -> Result:
    return _chosen(run, step.arguments["self"], step.arguments["dim"], step.arguments["index"])


@rule("index")
def _index(run: Reading, step: Step) -> Result:
    ref, indices = step.arguments["self"], step.arguments["indices"]
    given = [(dim, index) for dim, index in enumerate(indices) if index is not None]
    if run.place(ref) is None or len(given) != 1:
        raise LostError("aten::index takes elements that depend on several indices")
    return _chosen(run, ref, *given[0])


def _chosen(run: Reading, ref: Ref, dim: int, index: Ref) -> Place | None:
    place = run.place(ref)
    if place is None:
        raise LostError("aten::index by what depends on the input")
    if index.values is None or run.place(index) is not None:
        raise LostError("aten::index by indices that can't be read beforehand")
    dim %= len(ref.shape)
    size = ref.shape[dim]
    at = tuple(value % size for value in index.values)
    if axes_in(place.layout[dim]):
        place, axis = settled(run.canvas, place, dim)
        taps = AxisMap(tuple((value,) for value in at), 0, regular=False)
        if axis is not None:
            return resized(run.canvas, place, {dim: (axis, taps, len(at))})
    if not axes_in(place.layout[dim]):
        return chosen(run.canvas, place, dim, at)
    parts = [(sliced(run.canvas, place, dim, range(value, value + 1)), 1) for value in at]
    return concatenated(run.canvas, parts, dim)


@rule("unfold")
def _windows(run: Reading, step: Step) -> Result:
    given = step.arguments
    ref, output = given["self"], step.outputs[0]
    place = run.place(ref)
    if place is None or output is None:
        return None
    dim = given["dimension"] % len(ref.shape)
    size, stride = given["size"], given["step"]
    span = (output.shape[dim] - 1) * stride + 1
    parts = [
        (inserted(sliced(run.canvas, place, dim, range(at, at + span, stride)), len(ref.shape)), 1)
        for at in range(size)
    ]
    return concatenated(run.canvas, parts, len(ref.shape))


@rule("pixel_shuffle")
def _pixel_shuffle(run: Reading, step: Step) -> Result:
    ref, output = step.refs()[0], step.outputs[0]
    place = run.place(ref)
    if place is None or output is None:
        return None
    factor = step.arguments["upscale_factor"]
    *batch, channels, height, width = ref.shape
    count = len(batch)
    apart = viewed(place, (*batch, channels // factor**2, factor, factor, height, width))
    rank = [*range(count), *(count + at for at in (0, 3, 1, 4, 2))]
    return viewed(permuted(apart, rank), output.shape)


@rule("pixel_unshuffle")
def _pixel_unshuffle(run: Reading, step: Step) -> Result:
    ref, output = step.refs()[0], step.outputs[0]
    place = run.place(ref)
    if place is None or output is None:
        return None
    factor = step.arguments["downscale_factor"]
    *batch, channels, height, width = ref.shape
    count = len(batch)
    shape = (*batch, channels, height // factor, factor, width // factor, factor)
    rank = [*range(count), *(count + at for at in (0, 2, 4, 1, 3))]
    return viewed(permuted(viewed(place, shape), rank), output.shape)


@rule("channel_shuffle", "native_channel_shuffle")
def _channel_shuffle(run: Reading, step: Step) -> Result:
    ref = step.refs()[0]
    place = run.place(ref)
    if place is None:
        return None
    batch, channels, *rest = ref.shape
    groups = step.arguments["groups"]
    apart = viewed(place, (batch, groups, channels // groups, *rest))
    rank = [0, 2, 1, *range(3, len(apart.layout))]
    return viewed(permuted(apart, rank), ref.shape)
