"""Parts taken out of a tensor along one dimension."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from magics.measurement.fields.cutting import cut
from magics.measurement.fields.labels import ELEMENTS, array, compact
from magics.measurement.fields.layout import LOOSE, LostError, free, length
from magics.measurement.fields.places import Place, free_slots, merged, resized, with_atom
from magics.measurement.fields.settling import settled, with_channels
from magics.theory.axis_maps import AxisMap, crop

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    axis = None
    if len(atoms) > 1:
        place, axis = settled(canvas, with_channels(canvas, place, dim), dim)
    if axis is not None:
        return resized(canvas, place, {dim: (axis, taken(indices), len(indices))})
    return cut(canvas, place, (dim, 0), indices)


def chosen(canvas: Canvas, place: Place, dim: int, indices: Sequence[int]) -> Place:
    """Return the place of some elements along a dimension without axes, in any order."""
    if any(atom.axis == LOOSE for atom in place.layout[dim]):
        raise LostError("some of many tokens of unknown place are taken")
    canvas.work(len(indices) // ELEMENTS)
    place = with_atom(merged(place, dim), dim)
    labels = place.labels
    if isinstance(labels, torch.Tensor):
        at = free_slots(place.layout).index((dim, 0))
        if labels.shape[at] > 1:
            labels = labels.index_select(at, array(indices))
        labels = compact(labels if len(indices) != 1 else labels.squeeze(at))
    return Place((*place.layout[:dim], free(len(indices)), *place.layout[dim + 1 :]), labels)


def taken(indices: range) -> AxisMap:
    """Return the map of a slice, also of one that runs backwards."""
    if indices.step > 0:
        return crop(indices.start, indices.step)
    return AxisMap(tuple((index,) for index in indices), 0, regular=False)
