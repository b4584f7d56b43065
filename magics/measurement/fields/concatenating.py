"""Tensors put one after another: along channels, along an axis, or as tokens.

Each part is laid out over the whole length, depending on nothing outside its own stretch;
the concatenation is what they depend on together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from magics.measurement.fields.combining import joined
from magics.measurement.fields.layout import FREE, LOOSE, Atom, LostError, axes_in, free, length
from magics.measurement.fields.mixing import mixed
from magics.measurement.fields.places import (
    Place,
    compact,
    free_slots,
    inserted,
    merged,
    resized,
    without,
)
from magics.measurement.fields.settling import regained, settled
from magics.theory.axis_maps import pad, piece

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magics.measurement.fields.canvas import Canvas

Part = tuple[Place | None, int]
"""A tensor's place, `None` for a constant, and its size along the dimension."""


def concatenated(canvas: Canvas, parts: Sequence[Part], dim: int) -> Place | None:
    """Return the place of tensors put one after another.

    Args:
        canvas: Where nodes are drawn.
        parts: The tensors.
        dim: The dimension along which they follow one another.

    Raises:
        LostError: If the tensors stand on the image in ways that don't go together.
    """
    known = [(place, size) for place, size in parts if place is not None]
    if len(known) == len(parts) == 1:
        return known[0][0]
    if not known:
        return None
    atoms = tuple(atom for place, _ in known for atom in place.layout[dim])
    axes = axes_in(atoms)
    if len(axes) > 1 or any(atom.axis == LOOSE for atom in atoms):
        return _as_tokens(canvas, parts, dim)
    total = sum(size for _, size in parts)
    laid = []
    offset = 0
    for place, size in parts:
        if place is not None and size:
            if axes:
                alone = len(known) == 1
                own = _as_axis(canvas, place, dim, axes[0])
                # Constants around a single part are padding.
                laid_out = pad(offset) if alone else piece(offset)
                laid.append(resized(canvas, own, {dim: (axes[0], laid_out, total)}))
            else:
                laid.append(_on_channels(canvas, place, dim, offset, total))
        offset += size
    shape = list(known[0][0].shape)
    shape[dim] = total
    return joined(canvas, laid, tuple(shape))


def _on_channels(canvas: Canvas, place: Place, dim: int, offset: int, total: int) -> Place:
    size = length(place.layout[dim])
    if size == total:
        return place
    place = merged(place, dim)
    nothing = canvas.nothing(canvas.size(place.nodes()[0]))
    if size == 1:
        place = inserted(without(place, dim), dim, (Atom(FREE, 1),))
    ones = [1] * len(free_slots(place.layout))
    labels = place.labels
    labels = torch.full(ones, labels) if isinstance(labels, int) else labels
    at = free_slots(place.layout).index((dim, 0))
    shape = list(labels.shape)
    shape[at] = size
    around = []
    for count in (offset, total - offset - size):
        shape[at] = count
        around.append(torch.full(shape, nothing))
    shape[at] = size
    labels = torch.cat([around[0], labels.expand(shape), around[1]], dim=at)
    layout = (*place.layout[:dim], free(total), *place.layout[dim + 1 :])
    return Place(layout, compact(labels))


def _as_axis(canvas: Canvas, place: Place, dim: int, axis: int) -> Place:
    place, own = settled(canvas, place, dim)
    if own is None:
        # The axis was pooled away: every position of the part sees the same.
        place, own = regained(canvas, place, dim, axis)
        if own is None:
            raise LostError("an axis is concatenated with what has it elsewhere")
    return place


def _as_tokens(canvas: Canvas, parts: Sequence[Part], dim: int) -> Place:
    """Put tokens one after another whose places are no longer known, only what all see."""
    shape = list(next(place for place, _ in parts if place is not None).shape)
    shape[dim] = 1
    pooled = [
        None if place is None else mixed(canvas, place, [dim], keep=False) for place, _ in parts
    ]
    whole = joined(canvas, pooled, tuple(shape))
    if whole is None or not isinstance(whole.labels, int):
        raise LostError("tokens with different fields are concatenated")
    together = whole.labels
    total = sum(size for _, size in parts)
    layout = (*whole.layout[:dim], (Atom(LOOSE, total, together),), *whole.layout[dim + 1 :])
    return Place(layout, canvas.nothing(canvas.size(together)))
