"""Dimensions made whole axes of an image, whatever they were composed of."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import torch

from magics.measurement.fields.cutting import labelled
from magics.measurement.fields.labels import Labels, array, compact
from magics.measurement.fields.layout import (
    FREE,
    LOOSE,
    Atom,
    LostError,
    Slot,
    axes_in,
    digit_map,
    digits,
    length,
)
from magics.measurement.fields.mixing import mixed_atoms
from magics.measurement.fields.places import Place, free_slots, merged, relabelled
from magics.theory.axis_maps import BROADCAST, AxisMap
from magics.theory.graph import Edge

if TYPE_CHECKING:
    from magics.measurement.fields.canvas import Canvas

MAX_WINDOWS = 64
"""Windows, or phases, of an axis that are followed one by one."""


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
    elsewhere = [item for item in digits(place.layout, axis) if item[0][0] != dim]
    if elsewhere:
        if prod(atom.size for _, atom in elsewhere) > MAX_WINDOWS:
            raise LostError("many windows of an axis are treated as axes")
        for slot, _ in elsewhere:
            place = labelled(canvas, place, slot)
        atoms = place.layout[dim]
    if len(atoms) == 1:
        return place, axis
    return _one_axis(canvas, place, dim, axis), axis


def low_digits(place: Place, dim: int) -> list[tuple[Slot, Atom]]:
    """Return the digits in a dimension whose higher digits are in another."""
    return [
        (slot, atom)
        for axis in axes_in(place.layout[dim])
        if digits(place.layout, axis)[0][0][0] != dim
        for slot, atom in digits(place.layout, axis)
        if slot[0] == dim
    ]


def with_channels(canvas: Canvas, place: Place, dim: int) -> Place:
    """Give the digits of positions among channels nodes of their own, as channels have."""
    low = low_digits(place, dim)
    if prod(atom.size for _, atom in low) > MAX_WINDOWS:
        return place
    for slot, _ in low:
        place = labelled(canvas, place, slot)
    return place


def regained(canvas: Canvas, place: Place, dim: int, axis: int) -> tuple[Place, int | None]:
    """Let a dimension be an axis that has shrunk to one position.

    A layout can't tell axes of size 1 from one another; where windows slide over as many
    dimensions as there are axes, their order does.

    Returns:
        The place, and the axis; `None` if it stands elsewhere or isn't of size 1.
    """
    some = (place.nodes() + place.loose())[0]
    if digits(place.layout, axis) or canvas.size(some)[axis] != 1:
        return place, None
    size = length(place.layout[dim])
    labels = place.labels
    if isinstance(labels, torch.Tensor) and place.layout[dim]:
        place = merged(place, dim)
        labels = place.labels
    if isinstance(labels, torch.Tensor) and place.layout[dim]:
        at = free_slots(place.layout).index((dim, 0))
        if labels.shape[at] != 1:
            layout = (*place.layout[:dim], (Atom(axis, size),), *place.layout[dim + 1 :])
            still = digit_map([(size, 0)], [], 1)
            return Place(layout, _interleaved(canvas, place, dim, axis, still)), axis
        labels = compact(labels.squeeze(at))
    if size == 1:
        return Place(place.layout, labels), axis
    maps, sizes = {axis: BROADCAST}, {axis: size}
    layout = (*place.layout[:dim], (Atom(axis, size),), *place.layout[dim + 1 :])
    bare = Place(place.layout, labels)
    return relabelled(bare, lambda node: canvas.apply(node, maps, sizes), layout), axis


def unlaced(canvas: Canvas, place: Place) -> Place:
    """Make dimensions in which different nodes take turns along an axis whole axes."""
    if isinstance(place.labels, torch.Tensor):
        for dim, atoms in enumerate(place.layout):
            if len(atoms) > 1 and len(axes_in(atoms)) == 1:
                place, _ = settled(canvas, place, dim)
    return place


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
    return Place(layout, _interleaved(canvas, place, dim, axis, full))


def _interleaved(canvas: Canvas, place: Place, dim: int, axis: int, full: AxisMap) -> Labels:
    """Return nodes whose positions belong to one node or another in turn."""
    atoms = place.layout[dim]
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
        sizes = list(canvas.size(each[0]))
        sizes[axis] = length(atoms)
        for node in sorted(set(each)):
            own = tuple(t if each[unit] == node else () for unit, t in enumerate(taps))
            axis_map = AxisMap(own, full.step if leads else 0, regular=full.regular and leads)
            maps = [AxisMap()] * len(sizes)
            maps[axis] = axis_map
            edges.append(Edge(node, tuple(maps)))
        nodes.append(canvas.joined(tuple(sizes), edges))
    return compact(array(nodes)[inverse].reshape(outer))


def as_units(canvas: Canvas, place: Place) -> Place:
    """Let the nodes of a place be numbered as the tensor's own positions are.

    Digits of a position among the channels are taken together, as channels are; digits that
    share a dimension become one axis. Windows and tokens stay what they are.
    """
    first = len(place.layout) - canvas.axes
    for axis in range(canvas.axes):
        every = digits(place.layout, axis)
        if first == 2 and not axes_in(place.layout[first + axis]):  # noqa: PLR2004, (N, C, ...)
            place = mixed_atoms(canvas, place, {slot for slot, _ in every if slot[0] == 1})
        elif len(every) > 1:
            before = {slot for slot, _ in every if slot[0] < every[0][0][0]}
            if before:
                place = mixed_atoms(canvas, place, before)
        dim = first + axis
        if first == 2 and isinstance(place.labels, torch.Tensor) and not axes_in(place.layout[dim]):  # noqa: PLR2004, the same
            place, _ = regained(canvas, place, dim, axis)
    for dim, atoms in enumerate(place.layout):
        if len(atoms) > 1 and len(axes_in(atoms)) == 1:
            try:
                place, _ = settled(canvas, place, dim)
            except LostError:
                continue
    return place
