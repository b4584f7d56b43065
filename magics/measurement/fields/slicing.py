"""Parts taken out of a tensor along one dimension."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magics.measurement.fields.cutting import cut
from magics.measurement.fields.layout import (
    LOOSE,
    LostError,
    length,
)
from magics.measurement.fields.places import Place, resized
from magics.measurement.fields.settling import settled
from magics.theory.axis_maps import AxisMap, crop

if TYPE_CHECKING:
    from magics.measurement.fields.canvas import Canvas


def sliced(canvas: Canvas, place: Place, dim: int, indices: range) -> Place:
    """Return the place of a slice along one dimension.

    Raises:
        LostError: If it isn't known which elements the slice takes.
    """
    atoms = place.layout[dim]
    size = length(atoms)
    if len(indices) == size and (indices.step == 1 or size == 1):
        return place
    if not indices:
        raise LostError("an empty tensor")
    inner = size // atoms[0].size
    aligned = indices.step == 1 and indices.start % inner == 0 and len(indices) % inner == 0
    if len(atoms) > 1 and aligned:
        leading = range(indices.start // inner, (indices.start + len(indices)) // inner)
        return cut(canvas, place, (dim, 0), leading)
    if any(atom.axis == LOOSE for atom in atoms):
        raise LostError("some of many tokens of unknown place are taken")
    place, axis = settled(canvas, place, dim) if len(atoms) > 1 else (place, None)
    if axis is not None:
        return resized(canvas, place, {dim: (axis, taken(indices), len(indices))})
    return cut(canvas, place, (dim, 0), indices)


def taken(indices: range) -> AxisMap:
    """Return the map of a slice, also of one that runs backwards."""
    if indices.step > 0:
        return crop(indices.start, indices.step)
    return AxisMap(tuple((index,) for index in indices), 0, regular=False)
