"""Where the axes of an image are among the dimensions of a tensor.

A dimension is a product of atoms, the slowest first. An atom is a digit of the position along
an axis of the image, or a number of elements that have no place on it (batch, channels).
``flatten`` puts several atoms into one dimension, ``view`` takes them apart again (a whole
axis is a single digit, windows of seven make two), ``permute`` moves them. Atoms of size 1
are left out: they carry no place.
"""

from __future__ import annotations

from itertools import pairwise, product
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from magics.theory.axis_maps import WHOLE, AxisMap

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FREE = -1
"""In place of an axis: elements without a place on the image."""

LOOSE = -2
"""In place of an axis: which element has which place isn't known, only what all see together."""


class LostError(Exception):
    """A place on the image can't be followed through an operator; the message says why."""


class Atom(NamedTuple):
    """A factor of a dimension.

    Attributes:
        axis: Axis of the image, `FREE` or `LOOSE`.
        size: Number of elements.
        step: Positions on the axis per element; for `LOOSE` the node that all see together.
    """

    axis: int
    size: int
    step: int = 1


Dimension = tuple[Atom, ...]
Layout = tuple[Dimension, ...]
Slot = tuple[int, int]  # dimension, atom within it


def free(size: int) -> Dimension:
    """Return a dimension without an axis."""
    return (Atom(FREE, size),) if size != 1 else ()


def along(axis: int, size: int) -> Dimension:
    """Return a dimension that is an axis."""
    return (Atom(axis, size),) if size != 1 else ()


def length(dimension: Dimension) -> int:
    """Return the number of elements along a dimension."""
    return prod(atom.size for atom in dimension)


def axes_in(dimension: Dimension) -> list[int]:
    """Return the axes in a dimension, each once."""
    return list(dict.fromkeys(atom.axis for atom in dimension if atom.axis >= 0))


def slots(layout: Layout, dims: Iterable[int] | None = None) -> list[tuple[Slot, Atom]]:
    """Return the atoms of a layout with their slots, in order."""
    chosen = range(len(layout)) if dims is None else dims
    return [((dim, i), atom) for dim in chosen for i, atom in enumerate(layout[dim])]


def digits(layout: Layout, axis: int) -> list[tuple[Slot, Atom]]:
    """Return the digits of an axis, the highest first."""
    found = [item for item in slots(layout) if item[1].axis == axis]
    return sorted(found, key=lambda item: -item[1].step)


def tidy(dimension: Dimension) -> Dimension:
    """Join neighbouring digits of one axis that make a larger one."""
    joined: list[Atom] = []
    for atom in dimension:
        last = joined[-1] if joined else None
        if last and last.axis == atom.axis >= 0 and last.step == atom.step * atom.size:
            joined[-1] = Atom(atom.axis, last.size * atom.size, atom.step)
        elif atom.size != 1:
            joined.append(atom)
    return tuple(joined)


def divided(atom: Atom, sizes: Sequence[int]) -> list[Atom]:
    """Split an atom into factors, the slowest first.

    Raises:
        LostError: If nobody knows which element has which place.
    """
    if len(sizes) == 1:
        return [atom]
    if atom.axis == LOOSE:
        raise LostError("a dimension with tokens of unknown place is taken apart")
    if atom.axis == FREE:
        return [Atom(FREE, size) for size in sizes]
    parts = []
    step = atom.step * atom.size
    for size in sizes:
        step //= size
        parts.append(Atom(atom.axis, size, step))
    return parts


def boundaries(dimension: Dimension) -> set[int]:
    """Return the products of the sizes of the last atoms, 1 and the whole included."""
    found = {1}
    inner = 1
    for atom in reversed(dimension):
        inner *= atom.size
        found.add(inner)
    return found


def cuts(dimension: Dimension, at: set[int]) -> list[list[int]]:
    """Return the factors into which boundaries split each atom of a dimension.

    Raises:
        LostError: If a boundary lies within an atom without dividing it.
    """
    factors: list[list[int]] = []
    inner = 1
    for atom in reversed(dimension):
        outer = inner * atom.size
        inside = [inner, *sorted(b for b in at if inner < b < outer), outer]
        if any(high % low for low, high in pairwise(inside)):
            raise LostError("a view takes an axis apart unevenly")
        factors.append([high // low for low, high in pairwise(inside)][::-1])
        inner = outer
    return factors[::-1]


def regrouped(flat: Dimension, shape: tuple[int, ...]) -> list[list[int]]:
    """Return the factors into which a view to another shape splits each atom.

    Raises:
        LostError: If an axis is taken apart unevenly.
    """
    at = {1}
    inner = 1
    for size in reversed(shape):
        inner *= size
        at.add(inner)
    if inner != length(flat):
        raise LostError("elements are viewed as another type")
    return cuts(flat, at)


def grouped(flat: Sequence[Atom], shape: tuple[int, ...]) -> Layout:
    """Deal atoms out to dimensions of the given sizes."""
    rest = list(flat)[::-1]
    dimensions = []
    for size in shape:
        dimension: list[Atom] = []
        held = 1
        while held < size:
            dimension.append(rest.pop())
            held *= dimension[-1].size
        dimensions.append(tuple(dimension))
    return tuple(dimensions)


def digit_map(atoms: Sequence[tuple[int, int]], mixed: Sequence[tuple[int, int]], size: int,
              first: int = 0) -> AxisMap:  # fmt: skip
    """Return the map of an axis that is read by other digits than its own.

    Args:
        atoms: Size and step of each digit of the new position, the highest first; a step of 0
            moves along the new axis and stays on the old one.
        mixed: Size and step of the digits of the old position that each unit meets all of.
        size: Length of the old axis.
        first: Old position where the digits are all zero.
    """
    met = sorted({first + sum(item) for item in product(*(_steps(*digit) for digit in mixed))})
    if not atoms:
        return WHOLE if len(met) == size > 1 else AxisMap((tuple(met),), 0, regular=False)
    (count, step), *lower = atoms
    below = all(0 <= other < step for _, other in (*lower, *mixed))
    regular = bool(below and first + step * count >= size - step)
    # Digits that make a larger one are one, so that equal maps are found to be equal.
    while lower and step == lower[0][0] * lower[0][1]:
        step = lower.pop(0)[1]
    phases = [sum(item) for item in product(*(_steps(*digit) for digit in lower))]
    taps = tuple(tuple(phase + tap for tap in met) for phase in phases)
    return AxisMap(taps, step, regular=regular)


def _steps(size: int, step: int) -> list[int]:
    return [step * value for value in range(size)]
