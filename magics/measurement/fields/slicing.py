"""Parts taken out of a tensor along one dimension."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from magics.measurement.fields.layout import (
    FREE,
    LOOSE,
    Atom,
    LostError,
    Slot,
    digit_map,
    digits,
    length,
    tidy,
)
from magics.measurement.fields.mixing import settled
from magics.measurement.fields.places import Place, compact, free_slots, relabelled, resized
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
    if len(indices) == size and indices.step == 1:
        return place
    inner = size // atoms[0].size
    aligned = indices.step == 1 and indices.start % inner == 0 and len(indices) % inner == 0
    if len(atoms) > 1 and aligned:
        leading = range(indices.start // inner, (indices.start + len(indices)) // inner)
        return _cut(canvas, place, (dim, 0), leading)
    if any(atom.axis == LOOSE for atom in atoms):
        raise LostError("some of many tokens of unknown place are taken")
    place, axis = settled(canvas, place, dim) if len(atoms) > 1 else (place, None)
    if axis is not None:
        return resized(canvas, place, {dim: (axis, taken(indices), len(indices))})
    return _cut(canvas, place, (dim, 0), indices)


def taken(indices: range) -> AxisMap:
    """Return the map of a slice, also of one that runs backwards."""
    if indices.step > 0:
        return crop(indices.start, indices.step)
    return AxisMap(tuple((index,) for index in indices), 0, regular=False)


def _cut(canvas: Canvas, place: Place, slot: Slot, indices: range) -> Place:
    """Keep a range of the values of one atom."""
    dim, at = slot
    atom = place.layout[dim][at]
    if atom.axis == LOOSE:
        raise LostError("some of many tokens of unknown place are taken")
    if atom.axis == FREE:
        labels = place.labels
        if isinstance(labels, torch.Tensor):
            which = free_slots(place.layout).index(slot)
            if labels.shape[which] > 1:
                chosen = torch.tensor(list(indices))
                labels = labels.index_select(which, chosen)
            labels = labels.squeeze(which) if len(indices) == 1 else labels
        short = (Atom(FREE, len(indices)),) if len(indices) != 1 else ()
        atoms = (*place.layout[dim][:at], *short, *place.layout[dim][at + 1 :])
        layout = (*place.layout[:dim], atoms, *place.layout[dim + 1 :])
        return Place(layout, compact(labels))
    return _digit_cut(canvas, place, slot, indices)


def _digit_cut(canvas: Canvas, place: Place, slot: Slot, indices: range) -> Place:
    dim, at = slot
    atom = place.layout[dim][at]
    every = digits(place.layout, atom.axis)
    some = (place.nodes() + place.loose())[0]
    kept = []
    for where, digit in every:
        count, step = digit.size, digit.step
        if where == slot:
            count, step = len(indices), digit.step * indices.step
        kept.append((where, count, step))
    first = atom.step * indices.start
    sized = [(count, step) for _, count, step in kept]
    axis_map = digit_map(sized, [], canvas.size(some)[atom.axis], first)
    inner, fresh = 1, {}
    for where, count, _ in reversed(kept):
        fresh[where] = Atom(atom.axis, count, inner)
        inner *= count
    layout = tuple(
        tidy(tuple(fresh.get((d, i), a) for i, a in enumerate(row)))
        for d, row in enumerate(place.layout)
    )
    maps, sizes = {atom.axis: axis_map}, {atom.axis: inner}
    return relabelled(place, lambda node: canvas.apply(node, maps, sizes), layout)
