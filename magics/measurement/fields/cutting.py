"""Some values of one atom kept: a stretch of channels, a stretch of an axis, one digit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from magics.measurement.fields.labels import array, compact, filled
from magics.measurement.fields.layout import (
    FREE,
    LOOSE,
    Atom,
    LostError,
    Slot,
    digit_map,
    digits,
    tidy,
)
from magics.measurement.fields.places import Place, free_slots, relabelled

if TYPE_CHECKING:
    from magics.measurement.fields.canvas import Canvas


def cut(canvas: Canvas, place: Place, slot: Slot, indices: range) -> Place:
    """Keep a range of the values of one atom."""
    canvas.work()
    dim, at = slot
    atom = place.layout[dim][at]
    if atom.axis == LOOSE:
        raise LostError("some of many tokens of unknown place are taken")
    if atom.axis == FREE:
        labels = place.labels
        if isinstance(labels, torch.Tensor):
            which = free_slots(place.layout).index(slot)
            if labels.shape[which] > 1:
                labels = labels.index_select(which, array(indices))
            labels = labels.squeeze(which) if len(indices) == 1 else labels
        short = (Atom(FREE, len(indices)),) if len(indices) != 1 else ()
        atoms = (*place.layout[dim][:at], *short, *place.layout[dim][at + 1 :])
        layout = (*place.layout[:dim], atoms, *place.layout[dim + 1 :])
        return Place(layout, compact(labels))
    place = digit_cut(canvas, place, slot, indices)
    return Place(tuple(map(tidy, place.layout)), place.labels)


def digit_cut(canvas: Canvas, place: Place, slot: Slot, indices: range) -> Place:
    """Keep a range of the values of one digit; the layout stays untidied."""
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
        tuple(fresh.get((d, i), a) for i, a in enumerate(row)) for d, row in enumerate(place.layout)
    )
    maps, sizes = {atom.axis: axis_map}, {atom.axis: inner}
    return relabelled(place, lambda node: canvas.apply(node, maps, sizes), layout)


def labelled(canvas: Canvas, place: Place, slot: Slot) -> Place:
    """Make a digit of an axis free elements, each value with a node of its own."""
    dim, at = slot
    size = place.layout[dim][at].size
    parts = [digit_cut(canvas, place, slot, range(value, value + 1)) for value in range(size)]
    row = list(parts[0].layout[dim])
    row[at] = Atom(FREE, size)
    layout = (*parts[0].layout[:dim], tuple(row), *parts[0].layout[dim + 1 :])
    where = free_slots(layout).index(slot)
    rank = len(free_slots(layout)) - 1
    columns = torch.broadcast_tensors(
        *(
            filled([1] * rank, part.labels) if isinstance(part.labels, int) else part.labels
            for part in parts
        )
    )
    return Place(layout, compact(torch.stack(columns, dim=where)))
