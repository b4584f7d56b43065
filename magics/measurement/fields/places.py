"""Where the elements of a tensor stand on the image, and which nodes of the graph they are.

A `Place` is a layout and, for its free elements (batch, channels), the node each belongs to:
one for all in most tensors, an array of them after a concatenation of channels. The functions
here say what becomes of places when dimensions are moved, mixed or resized; they know no
operator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from magics.measurement.fields.labels import Labels, mapped
from magics.measurement.fields.layout import (
    FREE,
    LOOSE,
    Atom,
    Dimension,
    Layout,
    Slot,
    cuts,
    divided,
    free,
    grouped,
    length,
    regrouped,
    slots,
    tidy,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from magics.measurement.fields.canvas import Canvas
    from magics.theory.axis_maps import AxisMap


@dataclass(frozen=True, slots=True)
class Place:
    """Where the elements of a tensor stand.

    Attributes:
        layout: The atoms of each dimension.
        labels: The node of every element; or an array of nodes with one dimension for each
            free atom, of its size or of size 1 where the node is the same along it.
    """

    layout: Layout
    labels: Labels

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return tuple(map(length, self.layout))

    def nodes(self) -> list[int]:
        """Return the nodes of the elements, each once, without what is loose."""
        if isinstance(self.labels, int):
            return [self.labels]
        return list(map(int, self.labels.unique().tolist()))

    def loose(self) -> list[int]:
        """Return the nodes that elements of unknown place see together."""
        return [atom.step for _, atom in slots(self.layout) if atom.axis == LOOSE]


def free_slots(layout: Layout) -> list[Slot]:
    """Return the slots of the free atoms, which are the dimensions of the labels."""
    return [slot for slot, atom in slots(layout) if atom.axis == FREE]


def relabelled(place: Place, function: Callable[[int], int], layout: Layout) -> Place:
    """Return a place in which every node is another."""
    if any(atom.axis == LOOSE for _, atom in slots(layout)):
        layout = tuple(
            tuple(a._replace(step=function(a.step)) if a.axis == LOOSE else a for a in dim)
            for dim in layout
        )
    return Place(layout, mapped(place.labels, function))


def settled_loose(canvas: Canvas, place: Place) -> Place:
    """Free the loose atoms whose node everything sees anyway."""
    if isinstance(place.labels, int):
        known = place.labels
        for node in place.loose():
            if canvas.union([known, node]) == known:
                place = freed(
                    place, {s for s, a in slots(place.layout) if a == (LOOSE, a.size, node)}
                )
    return place


def freed(place: Place, chosen: set[Slot]) -> Place:
    """Return the place with some atoms free, all their elements alike."""
    layout = tuple(
        tuple(Atom(FREE, a.size) if (d, i) in chosen else a for i, a in enumerate(dim))
        for d, dim in enumerate(place.layout)
    )
    labels = place.labels
    if isinstance(labels, torch.Tensor):
        for at, slot in enumerate(free_slots(layout)):
            if slot in chosen:
                labels = labels.unsqueeze(at)
    return Place(layout, labels)


def resized(
    canvas: Canvas, place: Place, changes: Mapping[int, tuple[int, AxisMap, int]], note: str = ""
) -> Place:
    """Read dimensions that are whole axes through maps.

    Args:
        canvas: Where nodes are drawn.
        place: The place; `settled` made its dimensions whole axes.
        changes: For each dimension its axis, the map and the new size.
        note: What to say about the new nodes.
    """
    layout = list(place.layout)
    for dim, (axis, _, size) in changes.items():
        layout[dim] = (Atom(axis, size),) if size != 1 else ()
    maps = {axis: axis_map for axis, axis_map, _ in changes.values()}
    sizes = {axis: size for axis, _, size in changes.values()}
    return relabelled(place, lambda node: canvas.apply(node, maps, sizes, note), tuple(layout))


def merged(place: Place, dim: int) -> Place:
    """Make a dimension without axes a single free atom."""
    count = len(place.layout[dim])
    if count <= 1 or any(atom.axis != FREE for atom in place.layout[dim]):
        return place
    labels = place.labels
    if isinstance(labels, torch.Tensor):
        at = free_slots(place.layout).index((dim, 0))
        labels = _flattened(labels, at, [atom.size for atom in place.layout[dim]])
    layout = (*place.layout[:dim], free(length(place.layout[dim])), *place.layout[dim + 1 :])
    return Place(layout, labels)


def _flattened(labels: torch.Tensor, at: int, sizes: list[int]) -> torch.Tensor:
    """Make neighbouring dimensions of labels one."""
    count = len(sizes)
    if all(labels.shape[at + i] == 1 for i in range(count)):
        return labels.flatten(at, at + count - 1)
    full = list(labels.shape)
    full[at : at + count] = sizes
    return labels.expand(full).flatten(at, at + count - 1)


def refined(place: Place, at: list[set[int]]) -> Place:
    """Split the atoms of every dimension at the given products of inner sizes."""
    factors = [cuts(dim, marks) for dim, marks in zip(place.layout, at, strict=True)]
    return _split(place, factors)


def _split(place: Place, factors: list[list[list[int]]]) -> Place:
    layout: list[Dimension] = []
    shape: list[int] = []
    labels = place.labels
    known = iter(labels.shape) if isinstance(labels, torch.Tensor) else None
    for dim, parts in zip(place.layout, factors, strict=True):
        atoms: list[Atom] = []
        for atom, sizes in zip(dim, parts, strict=True):
            atoms.extend(divided(atom, sizes))
            if known is not None and atom.axis == FREE:
                shape.extend([1] * len(sizes) if next(known) == 1 else sizes)
        layout.append(tuple(atoms))
    if isinstance(labels, torch.Tensor):
        labels = labels.reshape(shape)
    return Place(tuple(layout), labels)


def viewed(place: Place, shape: tuple[int, ...]) -> Place:
    """Return the place after a view to another shape.

    Raises:
        LostError: If an axis is taken apart unevenly.
    """
    if place.shape == shape:
        return place
    flat = _chain(place)
    flat = _split(flat, [regrouped(flat.layout[0], shape)])
    return Place(tuple(map(tidy, grouped(flat.layout[0], shape))), flat.labels)


def _chain(place: Place) -> Place:
    """Put all atoms into one dimension; free neighbours become one."""
    labels = place.labels
    atoms: list[Atom] = []
    at = -1
    for atom in (atom for dim in place.layout for atom in dim):
        if atom.axis == FREE and atoms and atoms[-1].axis == FREE:
            if isinstance(labels, torch.Tensor):
                labels = _flattened(labels, at, [atoms[-1].size, atom.size])
            atoms[-1] = Atom(FREE, atoms[-1].size * atom.size)
            continue
        at += atom.axis == FREE
        atoms.append(atom)
    return Place((tidy(tuple(atoms)),), labels)


def permuted(place: Place, order: list[int]) -> Place:
    """Return the place after its dimensions were put into another order."""
    layout = tuple(place.layout[dim] for dim in order)
    labels = place.labels
    if isinstance(labels, torch.Tensor):
        before = free_slots(place.layout)
        after = [(order[dim], i) for dim, i in free_slots(layout)]
        labels = labels.permute([before.index(slot) for slot in after])
    return Place(layout, labels)


def inserted(place: Place, dim: int, dimension: Dimension = ()) -> Place:
    """Return the place with one more dimension, of size 1 or free."""
    layout = (*place.layout[:dim], dimension, *place.layout[dim:])
    labels = place.labels
    if dimension and isinstance(labels, torch.Tensor):
        labels = labels.unsqueeze(free_slots(layout).index((dim, 0)))
    return Place(layout, labels)


def without(place: Place, dim: int) -> Place:
    """Return the place without one dimension of size 1."""
    return dropped(place, [dim])


def dropped(place: Place, dims: Iterable[int]) -> Place:
    """Return the place without some dimensions of size 1."""
    gone = set(dims)
    return Place(tuple(d for i, d in enumerate(place.layout) if i not in gone), place.labels)


def with_atom(place: Place, dim: int) -> Place:
    """Return the place with an atom, and labels, for a dimension even if it is of size 1."""
    if place.layout[dim]:
        return place
    return inserted(without(place, dim), dim, (Atom(FREE, 1),))
