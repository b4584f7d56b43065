"""What becomes of a tensor when a part of it is written in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magics.measurement.fields import moves
from magics.measurement.fields.combining import joined
from magics.measurement.fields.concatenating import concatenated
from magics.measurement.fields.layout import LostError
from magics.measurement.fields.places import Place, inserted, resized
from magics.measurement.fields.settling import settled
from magics.measurement.fields.slicing import sliced
from magics.measurement.fields.tape import MAX_INDICES
from magics.theory.axis_maps import AxisMap

if TYPE_CHECKING:
    from magics.measurement.fields.canvas import Canvas
    from magics.measurement.fields.tape import Step


def slice_written(
    canvas: Canvas, step: Step, index: int, old: Place | None, value: Place | None
) -> Place | None:
    """Return what a tensor is after a slice of it was written.

    Args:
        canvas: Where nodes are drawn.
        step: The slicing operator.
        index: Which of its outputs was written.
        old: The tensor before.
        value: What was written.

    Raises:
        LostError: If only some of the elements of a stretch were written.
    """
    dim, indices = moves.ranges(step)[index]
    size = step.refs()[0].shape[dim]
    if step.name in moves.DROPS and value is not None:
        value = inserted(value, dim)
    if len(indices) == size:
        return value
    if len(indices) > 1 and indices.step != 1:
        every = indices.start < indices.step and indices[-1] + indices.step >= size
        if not every or indices.step < 0:
            raise LostError("every so many elements of a stretch are written in place")
        return _comb_written(canvas, indices, size, [old, value], dim)
    parts: list[tuple[Place | None, int]] = []
    for part in (range(indices.start), range(indices.start + len(indices), size)):
        rest = None if old is None or not part else sliced(canvas, old, dim, part)
        parts.append((rest, len(part)))
    parts.insert(1, (value, len(indices)))
    return concatenated(canvas, [part for part in parts if part[1]], dim)


def _comb_written(
    canvas: Canvas, indices: range, size: int, sources: list[Place | None], dim: int
) -> Place | None:
    """Take every so many elements from the second source and the rest from the first."""
    step, first = indices.step, indices.start
    parts: list[Place] = []
    taps = [() if unit == first else (unit,) for unit in range(step)]
    own = [(0,) if unit == first else () for unit in range(step)]
    maps = AxisMap(tuple(taps), step), AxisMap(tuple(own))
    for place, axis_map in zip(sources, maps, strict=True):
        if place is None:
            continue
        settled_place, axis = settled(canvas, place, dim)
        if axis is None:
            return _teeth(canvas, indices, size, sources, dim)
        parts.append(resized(canvas, settled_place, {dim: (axis, axis_map, size)}))
    return joined(canvas, parts, parts[0].shape) if parts else None


def _teeth(
    canvas: Canvas, indices: range, size: int, sources: list[Place | None], dim: int
) -> Place | None:
    """Do the same for channels, one by one."""
    if size > MAX_INDICES:
        raise LostError("every so many of very many channels are written in place")
    parts: list[tuple[Place | None, int]] = []
    for at in range(size):
        here = sources[at in indices]
        which = indices.index(at) if at in indices else at
        one = range(which, which + 1)
        parts.append((None if here is None else sliced(canvas, here, dim, one), 1))
    return concatenated(canvas, parts, dim)
