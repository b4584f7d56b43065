"""Where the axes of an image are among the dimensions of a tensor.

A dimension is a product of atoms: an axis of the image, or a number of elements that have no
place on it (batch, channels). ``flatten`` puts several atoms into one dimension, ``view`` takes
them apart again, ``permute`` moves them. Axes of size 1 are left out: they carry no place.
"""

from __future__ import annotations

from math import prod

FREE = -1
"""In place of an axis: elements without a place on the image."""

Atom = tuple[int, int]  # axis or FREE, size
Dimension = tuple[Atom, ...]
Layout = tuple[Dimension, ...]


class LostError(Exception):
    """A place on the image can't be followed through an operator; the message says why."""


def free(size: int) -> Dimension:
    """Return a dimension without an axis."""
    return ((FREE, size),) if size != 1 else ()


def along(axis: int, size: int) -> Dimension:
    """Return a dimension that is an axis."""
    return ((axis, size),) if size != 1 else ()


def axes_in(dimension: Dimension) -> list[int]:
    """Return the axes in a dimension."""
    return [axis for axis, _ in dimension if axis != FREE]


def places(layout: Layout) -> dict[int, int]:
    """Return the dimension that each axis is in."""
    return {axis: place for place, dim in enumerate(layout) for axis in axes_in(dim)}


def sizes(layout: Layout, axes: int) -> tuple[int, ...]:
    """Return the size of each axis, 1 for those that are gone."""
    known = dict(atom for dimension in layout for atom in dimension if atom[0] != FREE)
    return tuple(known.get(axis, 1) for axis in range(axes))


def regroup(layout: Layout, shape: tuple[int, ...]) -> Layout:
    """Return the layout after a `view` to another shape.

    Raises:
        LostError: If an axis is taken apart.
    """
    atoms: list[Atom] = []
    for axis, size in (atom for dimension in layout for atom in dimension):
        if atoms and axis == atoms[-1][0] == FREE:
            atoms[-1] = (FREE, atoms[-1][1] * size)
        else:
            atoms.append((axis, size))
    if prod(size for _, size in atoms) != prod(shape):
        raise LostError("an element is taken apart")
    atoms.reverse()
    dimensions = []
    for size in shape:
        dimension: list[Atom] = []
        while size > 1:
            axis, length = atoms.pop()
            if size % length == 0:
                size //= length  # noqa: PLW2901, what is left of the dimension
                dimension.append((axis, length))
            elif axis == FREE and length % size == 0:
                atoms.append((FREE, length // size))
                dimension.append((FREE, size))
                break
            else:
                raise LostError("an axis is taken apart by a view")
        dimensions.append(tuple(dimension))
    return tuple(dimensions)
