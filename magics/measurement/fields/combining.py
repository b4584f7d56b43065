"""Several places made one: elementwise operators, concatenation; and parts taken out of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magics.measurement.fields.labels import Labels, united
from magics.measurement.fields.layout import (
    FREE,
    LOOSE,
    Atom,
    Layout,
    LostError,
    Slot,
    boundaries,
    digit_map,
    digits,
    free,
    length,
    slots,
    tidy,
)
from magics.measurement.fields.mixing import mixed_atoms
from magics.measurement.fields.places import (
    Place,
    free_slots,
    inserted,
    refined,
    relabelled,
    settled_loose,
    without,
)
from magics.measurement.fields.settling import unlaced
from magics.theory.axis_maps import BROADCAST, AxisMap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magics.measurement.fields.canvas import Canvas


def broadcast(place: Place, shape: tuple[int, ...]) -> Place:
    """Return the place of a tensor expanded to a shape.

    Raises:
        LostError: If the shapes don't fit.
    """
    while len(place.layout) < len(shape):
        place = inserted(place, 0)
    for dim, size in enumerate(shape):
        have = length(place.layout[dim])
        if have == 1 != size:
            place = inserted(without(place, dim), dim, free(size))
        elif have != size:
            raise LostError("shapes don't fit")
    return place


def joined(canvas: Canvas, places: Sequence[Place | None], shape: tuple[int, ...]) -> Place | None:
    """Return the place of a tensor each of whose elements depends on one of each operand.

    Args:
        canvas: Where nodes are drawn.
        places: The operands' places; `None` for constants.
        shape: Shape of the result, to which the operands are broadcast.

    Raises:
        LostError: If the operands stand on the image in ways that don't go together.
    """
    known = list(dict.fromkeys(id(place) for place in places if place is not None))
    some = [next(p for p in places if id(p) == key) for key in known]
    operands = [broadcast(place, shape) for place in some if place is not None]
    if len(operands) <= 1:
        return operands[0] if operands else None
    if all(isinstance(place.labels, int) for place in operands):
        layout = operands[0].layout
        alike = all(place.layout == layout for place in operands)
        if alike and not any(a.axis == LOOSE for _, a in slots(layout)):
            return Place(layout, canvas.union(int(place.labels) for place in operands))
    labels, layout = common(canvas, [unlaced(canvas, place) for place in operands])
    tidied = Place(tuple(map(tidy, layout)), united(canvas, labels))
    return settled_loose(canvas, tidied)


def common(canvas: Canvas, operands: list[Place]) -> tuple[list[Labels], Layout]:
    """Bring operands of one shape onto one layout.

    Returns:
        The labels of each, and the layout, in atoms small enough for all.

    Raises:
        LostError: If the operands stand on the image in ways that don't go together.
    """
    dims = range(len(operands[0].layout))
    marks = [set[int]().union(*(boundaries(p.layout[d]) for p in operands)) for d in dims]
    operands = [refined(place, marks) for place in operands]
    operands, owners = _agreed(canvas, operands)
    places = [_on_axes(canvas, place, owners) for place in operands]
    loose: dict[Slot, int] = {}
    for place in places:
        for slot, atom in slots(place.layout):
            if atom.axis == LOOSE:
                loose[slot] = canvas.union([loose.get(slot, atom.step), atom.step])
    if set(loose) & set(owners):
        raise LostError("tokens of unknown place meet an axis")
    layout = tuple(
        tuple(_atom_at((d, i), atom, owners, loose) for i, atom in enumerate(dim))
        for d, dim in enumerate(places[0].layout)
    )
    return [_labels_for(place, layout) for place in places], layout


def _atom_at(slot: Slot, atom: Atom, owners: dict[Slot, Atom], loose: dict[Slot, int]) -> Atom:
    if slot in owners:
        return owners[slot]
    return Atom(LOOSE, atom.size, loose[slot]) if slot in loose else Atom(FREE, atom.size)


def _agreed(canvas: Canvas, operands: list[Place]) -> tuple[list[Place], dict[Slot, Atom]]:
    """Decide which digit of which axis stands in each slot; what can't is loosened."""
    owners: dict[Slot, Atom] = {}
    for axis in range(canvas.axes):
        main = max(operands, key=lambda place: len(digits(place.layout, axis)))
        ours = dict(digits(main.layout, axis))
        taken = {slot for slot in ours if slot in owners}
        if taken:
            raise LostError("two axes meet in one dimension")
        owners.update(ours)
    for at, place in enumerate(operands):
        astray = {
            slot
            for slot, atom in slots(place.layout)
            if atom.axis >= 0 and (slot not in owners or owners[slot].axis != atom.axis)
        }
        if astray:
            operands[at] = _loosened(canvas, place, astray)
    return operands, owners


def _loosened(canvas: Canvas, place: Place, astray: set[Slot]) -> Place:
    """Forget which element of some atoms has which place, and keep what all see together.

    Every element then depends on some of a node; all along those atoms together depend on it.
    """
    wide = mixed_atoms(canvas, place, astray)
    together = canvas.union([*wide.nodes(), *wide.loose()])
    layout = tuple(
        tuple(
            Atom(LOOSE, a.size, together) if (d, i) in astray or a.axis == LOOSE else a
            for i, a in enumerate(dim)
        )
        for d, dim in enumerate(wide.layout)
    )
    return Place(layout, canvas.nothing(canvas.size(together)))


def _on_axes(canvas: Canvas, place: Place, owners: dict[Slot, Atom]) -> Place:
    """Read a place's nodes by the positions that the result has along every axis."""
    own = dict(slots(place.layout))
    some = (place.nodes() + place.loose())[0]
    maps: dict[int, AxisMap] = {}
    sizes: dict[int, int] = {}
    for axis, size in enumerate(canvas.size(some)):
        ours = sorted(
            ((slot, atom) for slot, atom in owners.items() if atom.axis == axis),
            key=lambda item: -item[1].step,
        )
        steps = [(atom, own[slot].step if own[slot].axis == axis else 0) for slot, atom in ours]
        if all(atom.step == step for atom, step in steps):
            continue
        sizes[axis] = 1
        for atom, _ in steps:
            sizes[axis] *= atom.size
        if not any(step for _, step in steps):
            maps[axis] = BROADCAST
        else:
            maps[axis] = digit_map([(atom.size, step) for atom, step in steps], [], size)
    return relabelled(place, lambda node: canvas.apply(node, maps, sizes), place.layout)


def _labels_for(place: Place, layout: Layout) -> Labels:
    """Return labels with one dimension for each free atom of a layout."""
    labels = place.labels
    if isinstance(labels, int):
        return labels
    kept = set(free_slots(layout))
    for at, slot in reversed(list(enumerate(free_slots(place.layout)))):
        if slot not in kept:
            if labels.shape[at] != 1:
                raise LostError("channels with different fields meet an axis")
            labels = labels.squeeze(at)
    return labels
