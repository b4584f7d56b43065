"""Sets of positions along an axis as Python integers, and unions of products of them.

Bit i of a mask stands for position i. Shifting a mask moves the set, ``|`` joins two sets,
and both cost a few hundred nanoseconds for a thousand positions, which is what makes exact
receptive fields affordable. A `Box` has one mask per axis and stands for their product.
"""

from __future__ import annotations

from math import prod

Box = tuple[int, ...]

MAX_LOOSE_BOXES = 24
"""Boxes that may overlap; more are made disjoint, so that their number stays bounded."""


def positions(mask: int) -> list[int]:
    """Return the positions in a set, ascending."""
    return [index for index, bit in enumerate(reversed(f"{mask:b}")) if bit == "1"]


def mask_of(indices: list[int] | range) -> int:
    """Return the set of the given non-negative positions."""
    mask = 0
    for index in indices:
        mask |= 1 << index
    return mask


def spread(mask: int, step: int) -> int:
    """Return the set with every position multiplied by `step`."""
    if not step:
        return 1 if mask else 0
    if step == 1 or not mask:
        return mask
    return int(("0" * (step - 1)).join(f"{mask:b}"), 2)


def sample(mask: int, step: int, first: int) -> int:
    """Return ``{n : first + step * n in the set}``."""
    mask >>= first
    if step == 1 or not mask:
        return mask
    return int(f"{mask:b}"[::-1][::step][::-1], 2)


def extent(mask: int) -> tuple[int, int]:
    """Return (start, stop) of the smallest interval around a set; (0, 0) of the empty one."""
    if not mask:
        return 0, 0
    return (mask & -mask).bit_length() - 1, mask.bit_length()


def is_within(inner: Box, outer: Box) -> bool:
    """Return whether one box lies within another."""
    return all(a | b == b for a, b in zip(inner, outer, strict=True))


def add_box(boxes: list[Box], box: Box) -> None:
    """Add a box to a union in place; boxes that lie within another are dropped.

    A union of more than `MAX_LOOSE_BOXES` is made disjoint.
    """
    if not all(box) or any(is_within(box, other) for other in boxes):
        return
    boxes[:] = [other for other in boxes if not is_within(other, box)]
    boxes.append(box)
    if len(boxes) > MAX_LOOSE_BOXES:
        boxes[:] = disjoint(boxes)


def disjoint(boxes: list[Box]) -> list[Box]:
    """Return disjoint boxes with the same union, in a form that depends on the union alone.

    The positions of the first axis are grouped by what they see on the other axes, so there
    are never more boxes than positions on all axes but the last.
    """
    if not boxes:
        return []
    if len(boxes[0]) == 1:
        union = 0
        for (mask,) in boxes:
            union |= mask
        return [(union,)] if union else []
    groups: dict[tuple[Box, ...], int] = {}
    for rows, members in _classes([box[0] for box in boxes]):
        rest = tuple(disjoint([boxes[member][1:] for member in members]))
        groups[rest] = groups.get(rest, 0) | rows
    return [(rows, *box) for rest, rows in groups.items() for box in rest]


def _classes(masks: list[int]) -> list[tuple[int, list[int]]]:
    """Split the union of masks into classes of positions that lie in the same masks."""
    classes: list[tuple[int, list[int]]] = []
    for index, mask in enumerate(masks):
        rest = mask
        split: list[tuple[int, list[int]]] = []
        for rows, members in classes:
            inside, outside = rows & mask, rows & ~mask
            rest &= ~rows
            if inside:
                split.append((inside, [*members, index]))
            if outside:
                split.append((outside, members))
        if rest:
            split.append((rest, [index]))
        classes = split
    return classes


def count(boxes: list[Box]) -> int:
    """Return the number of points in a union of boxes."""
    if len(boxes) > 1:
        boxes = disjoint(boxes)
    return sum(prod(mask.bit_count() for mask in box) for box in boxes)


def projection(boxes: list[Box], axis: int) -> int:
    """Return the positions that a union of boxes touches along one axis."""
    mask = 0
    for box in boxes:
        mask |= box[axis]
    return mask
