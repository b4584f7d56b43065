"""Dimensions whose elements come to depend on one another, and dimensions made whole axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from magics.measurement.fields.labels import compact, united_along
from magics.measurement.fields.layout import (
    LOOSE,
    Atom,
    Slot,
    digit_map,
    digits,
    free,
    length,
    slots,
)
from magics.measurement.fields.places import (
    Place,
    dropped,
    free_slots,
    freed,
    inserted,
    relabelled,
    settled_loose,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from magics.measurement.fields.canvas import Canvas
    from magics.theory.axis_maps import AxisMap


def mixed(canvas: Canvas, place: Place, dims: Iterable[int], *, keep: bool = True) -> Place:
    """Let every element depend on all elements along some dimensions.

    Args:
        canvas: Where nodes are drawn.
        place: The place before.
        dims: The dimensions.
        keep: Leave the dimensions their size; they become 1 otherwise.
    """
    chosen = set(dims)
    sizes = {dim: length(place.layout[dim]) for dim in chosen}
    place = mixed_atoms(canvas, place, {slot for slot, _ in slots(place.layout, sorted(chosen))})
    layout = tuple(() if d in chosen else dim for d, dim in enumerate(place.layout))
    labels = place.labels
    if isinstance(labels, torch.Tensor):
        for at, (dim, _) in reversed(list(enumerate(free_slots(place.layout)))):
            if dim in chosen:
                labels = labels.squeeze(at)
        labels = compact(labels)
    place = Place(layout, labels)
    if keep:
        for dim in sorted(chosen):
            if sizes[dim] != 1:
                place = inserted(dropped(place, [dim]), dim, free(sizes[dim]))
    return place


def mixed_atoms(canvas: Canvas, place: Place, chosen: set[Slot]) -> Place:
    """Let every element depend on all elements along some atoms, which become free."""
    place = _tightened(canvas, place, chosen)
    labels = place.labels
    if isinstance(labels, torch.Tensor):
        for at, slot in enumerate(free_slots(place.layout)):
            if slot in chosen and labels.shape[at] > 1:
                labels = united_along(canvas, labels, at)
    place = Place(place.layout, compact(labels))
    touched = {atom.axis for slot, atom in slots(place.layout) if slot in chosen}
    maps: dict[int, AxisMap] = {}
    sizes: dict[int, int] = {}
    steps: dict[Slot, int] = {}
    some = (place.nodes() + place.loose())[0]
    for axis in sorted(axis for axis in touched if axis >= 0):
        every = digits(place.layout, axis)
        rest = [(slot, atom) for slot, atom in every if slot not in chosen]
        gone = [(atom.size, atom.step) for slot, atom in every if slot in chosen]
        size = canvas.size(some)[axis]
        maps[axis] = digit_map([(atom.size, atom.step) for _, atom in rest], gone, size)
        inner = 1
        for slot, atom in reversed(rest):
            steps[slot] = inner
            inner *= atom.size
        sizes[axis] = inner
    layout = tuple(
        tuple(
            Atom(a.axis, a.size, steps[d, i]) if (d, i) in steps else a for i, a in enumerate(dim)
        )
        for d, dim in enumerate(place.layout)
    )
    place = relabelled(place, lambda node: canvas.apply(node, maps, sizes), layout)
    return settled_loose(canvas, freed(place, {s for s in chosen if _is_axis(place, s)}))


def _is_axis(place: Place, slot: Slot) -> bool:
    return place.layout[slot[0]][slot[1]].axis >= 0


def _tightened(canvas: Canvas, place: Place, chosen: set[Slot]) -> Place:
    """Let elements see all that loose atoms among the chosen hold."""
    loose = [(slot, atom) for slot, atom in slots(place.layout) if atom.axis == LOOSE]
    inside = {atom.step for slot, atom in loose if slot in chosen}
    inside -= {atom.step for slot, atom in loose if slot not in chosen}
    for node in sorted(inside):
        labels = relabelled(place, _with(canvas, node), ()).labels
        place = Place(place.layout, labels)
    return freed(place, {slot for slot, _ in loose if slot in chosen})


def _with(canvas: Canvas, node: int) -> Callable[[int], int]:
    return lambda label: canvas.union([label, node])
