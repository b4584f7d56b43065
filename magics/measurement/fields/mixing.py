"""Dimensions whose elements come to depend on one another, and dimensions made whole axes."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import torch

from magics.measurement.fields.layout import (
    FREE,
    LOOSE,
    Atom,
    LostError,
    Slot,
    axes_in,
    digit_map,
    digits,
    free,
    length,
    slots,
)
from magics.measurement.fields.places import (
    Labels,
    Place,
    compact,
    dropped,
    free_slots,
    freed,
    inserted,
    merged,
    relabelled,
    settled_loose,
)
from magics.theory.axis_maps import AxisMap
from magics.theory.graph import Edge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from magics.measurement.fields.canvas import Canvas


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
                labels = _united(canvas, labels, at)
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
        bare = Place(place.layout, place.labels)
        labels = relabelled(bare, lambda label, n=node: canvas.union([label, n]), ()).labels
        place = Place(place.layout, labels)
    return freed(place, {slot for slot, _ in loose if slot in chosen})


def _united(canvas: Canvas, labels: torch.Tensor, at: int) -> torch.Tensor:
    rows = labels.movedim(at, -1)
    flat, inverse = rows.reshape(-1, rows.shape[-1]).unique(dim=0, return_inverse=True)
    nodes = torch.tensor([canvas.union(row) for row in flat.tolist()])
    return nodes[inverse].reshape(rows.shape[:-1]).unsqueeze(at)


def settled(canvas: Canvas, place: Place, dim: int) -> tuple[Place, int | None]:
    """Make a dimension one whole axis, or one free atom.

    Returns:
        The place, and the axis or `None`.

    Raises:
        LostError: If the dimension holds several axes or only a part of one.
    """
    atoms = place.layout[dim]
    axes = axes_in(atoms)
    if any(atom.axis == LOOSE for atom in atoms):
        raise LostError("tokens of unknown place are treated as an axis")
    if not axes:
        return merged(place, dim), None
    axis = axes[0]
    if len(axes) > 1:
        raise LostError("two axes in one dimension are treated as one")
    if any(slot[0] != dim for slot, _ in digits(place.layout, axis)):
        raise LostError("a window of an axis is treated as an axis")
    if len(atoms) == 1:
        return place, axis
    return _one_axis(canvas, place, dim, axis), axis


def _one_axis(canvas: Canvas, place: Place, dim: int, axis: int) -> Place:
    """Number the positions of a dimension anew, digits and free elements together."""
    atoms = place.layout[dim]
    size = length(atoms)
    some = (place.nodes() + place.loose())[0]
    old = canvas.size(some)
    full = digit_map([(a.size, a.step if a.axis >= 0 else 0) for a in atoms], [], old[axis])
    layout = (*place.layout[:dim], (Atom(axis, size),), *place.layout[dim + 1 :])
    ours = [at for at, slot in enumerate(free_slots(place.layout)) if slot[0] == dim]
    labels = place.labels
    if isinstance(labels, int) or all(labels.shape[at] == 1 for at in ours):
        if isinstance(labels, torch.Tensor):
            labels = compact(labels.squeeze(ours))
        bare = Place(place.layout, labels)
        return relabelled(bare, lambda n: canvas.apply(n, {axis: full}, {axis: size}), layout)
    return Place(layout, _interleaved(canvas, place, dim, full))


def _interleaved(canvas: Canvas, place: Place, dim: int, full: AxisMap) -> Labels:
    """Return nodes whose positions belong to one node or another in turn."""
    atoms = place.layout[dim]
    axis = axes_in(atoms)[0]
    labels = place.labels
    if isinstance(labels, int):
        raise TypeError("_interleaved: nothing to interleave")
    ours = [at for at, slot in enumerate(free_slots(place.layout)) if slot[0] == dim]
    shape = [atom.size if atom.axis == FREE else 1 for atom in atoms]
    wide = list(labels.shape)
    for at, size in zip(ours, (s.size for s in atoms if s.axis == FREE), strict=True):
        wide[at] = size
    rows = labels.expand(wide).movedim(ours, list(range(-len(ours), 0)))
    outer = rows.shape[: rows.dim() - len(ours)]
    flat, inverse = rows.reshape(prod(outer), -1).unique(dim=0, return_inverse=True)
    inner = prod(atom.size for atom in atoms[1:])
    nodes = []
    for row in flat:
        # Every unit of a dimension, as the node that it belongs to, for one period.
        each = row.reshape(shape).expand([atom.size for atom in atoms]).reshape(-1).tolist()
        leads = atoms[0].axis >= 0
        taps = full.taps if leads else tuple(full.taps[unit % inner] for unit in range(len(each)))
        edges = []
        size = list(canvas.size(each[0]))
        size[axis] = length(atoms)
        for node in sorted(set(each)):
            own = tuple(t if each[unit] == node else () for unit, t in enumerate(taps))
            axis_map = AxisMap(own, full.step if leads else 0, regular=full.regular and leads)
            maps = [AxisMap()] * len(size)
            maps[axis] = axis_map
            edges.append(Edge(node, tuple(maps)))
        nodes.append(canvas.joined(tuple(size), edges))
    return compact(torch.tensor(nodes)[inverse].reshape(outer))
