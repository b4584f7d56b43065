"""Tensors put one after another: along channels, along an axis, or as tokens.

Each part is laid out over the whole length, depending on nothing outside its own stretch;
the concatenation is what they depend on together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from magics.measurement.fields.combining import joined
from magics.measurement.fields.labels import ELEMENTS, compact, filled
from magics.measurement.fields.layout import (
    LOOSE,
    Atom,
    LostError,
    axes_in,
    free,
    length,
    slots,
)
from magics.measurement.fields.mixing import mixed
from magics.measurement.fields.places import (
    Place,
    free_slots,
    inserted,
    merged,
    resized,
    viewed,
    with_atom,
)
from magics.measurement.fields.settling import low_digits, regained, settled, with_channels
from magics.measurement.fields.stacking import restacked
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
    known = [place for place, _ in parts if place is not None]
    if len(known) <= len(parts) == 1 or not known:
        return known[0] if known else None
    whole = _regular(canvas, known, dim) if len(known) == len(parts) else None
    if whole is not None:
        return whole
    parts = [(place and with_channels(canvas, place, dim), size) for place, size in parts if size]
    atoms = tuple(atom for place, _ in parts if place for atom in place.layout[dim])
    axes = axes_in(atoms)
    if len(axes) > 1 or any(atom.axis == LOOSE for atom in atoms):
        return _as_tokens(canvas, parts, dim)
    whole = None if axes else _on_channels(canvas, parts, dim)
    return whole or _side_by_side(canvas, parts, dim, axes[0] if axes else None)


def _regular(canvas: Canvas, places: list[Place], dim: int) -> Place | None:
    """Put parts one after another that are alike, without looking at their elements."""
    layout = places[0].layout
    if any(place.layout != layout for place in places):
        return None
    if not layout[dim]:
        return restacked(canvas, places, dim)
    if not low_digits(places[0], dim):
        return None
    # Which part an element is of is the slowest digit of the new dimension.
    stacked = _on_channels(canvas, [(inserted(place, dim), 1) for place in places], dim)
    shape = list(places[0].shape)
    shape[dim] *= len(places)
    return stacked and viewed(stacked, tuple(shape))


def _side_by_side(
    canvas: Canvas, parts: Sequence[Part], dim: int, axis: int | None
) -> Place | None:
    """Lay every part out over the whole length, and join them."""
    total = sum(size for _, size in parts)
    alone = sum(place is not None for place, _ in parts) == 1
    laid = []
    offset = 0
    for place, size in parts:
        if place is not None and axis is not None:
            own = _as_axis(canvas, place, dim, axis)
            # Constants around a single part are padding.
            laid_out = pad(offset) if alone else piece(offset)
            laid.append(resized(canvas, own, {dim: (axis, laid_out, total)}))
        elif place is not None:
            laid.append(_laid_out(canvas, place, dim, offset, total))
        offset += size
    shape = list(laid[0].shape)
    shape[dim] = total
    return joined(canvas, laid, tuple(shape))


def _on_channels(canvas: Canvas, parts: Sequence[Part], dim: int) -> Place | None:
    """Put channels one after another; `None` if their tensors differ in other dimensions."""
    wide = [
        (None if place is None else with_atom(merged(place, dim), dim), size)
        for place, size in parts
    ]
    known = [place for place, _ in wide if place is not None]
    around = {(*place.layout[:dim], *place.layout[dim + 1 :]) for place in known}
    loose = any(atom.axis == LOOSE for _, atom in slots(known[0].layout))
    if len(around) > 1 or loose or any(len(place.layout[dim]) != 1 for place in known):
        return None
    total = sum(size for _, size in parts)
    layout = (*known[0].layout[:dim], free(total), *known[0].layout[dim + 1 :])
    first = known[0].nodes()[0]
    labels = [place.labels for place in known]
    same = all(isinstance(each, int) and each == first for each in labels)
    if same and len(known) == len(parts):
        return Place(layout, first)
    nothing = canvas.nothing(canvas.size(first))
    slot = free_slots(known[0].layout)
    at = slot.index((dim, 0))
    rank = len(slot)
    shape = [1] * rank
    for each in labels:
        if not isinstance(each, int):
            shape = list(map(max, shape, each.shape))
    columns = []
    for channels, size in wide:
        shape[at] = size
        columns.append(filled(shape, nothing if channels is None else channels.labels))
    canvas.work(sum(column.numel() for column in columns) // ELEMENTS)
    return Place(layout, compact(torch.cat(columns, dim=at)))


def _laid_out(canvas: Canvas, place: Place, dim: int, offset: int, total: int) -> Place:
    """Put channels among others that depend on nothing."""
    size = length(place.layout[dim])
    parts: list[Part] = [(None, offset), (place, size), (None, total - offset - size)]
    laid = _on_channels(canvas, [part for part in parts if part[1]], dim)
    if laid is None:
        raise LostError("tokens of unknown place are concatenated")
    return laid


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
