"""Rows that belong together: the layers of one module, with their sums, to be folded away."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from magics.records.summing import together

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from magics.records import LayerProfile

_SMALLEST = 2
_LARGEST = 24
"""Rows of one module up to which they are not divided by the modules inside."""

_LONE = 0.5
"""Share of rows in no group from which on groups say little."""


@dataclass(frozen=True, slots=True)
class Group:
    """Neighbouring rows.

    Attributes:
        sums: Their sums as a row, or `None` for rows that belong to no common module.
        rows: The rows.
    """

    sums: LayerProfile | None
    rows: tuple[LayerProfile, ...]


def grouped(rows: Sequence[LayerProfile]) -> list[Group]:
    """Return the rows in their order, those of one module together.

    A module with many rows is divided by the modules inside. Rows in another order than the
    model's, such as sorted ones, have no neighbours of the same module: they stay alone.
    """
    found = _divided(list(rows), 1)
    lone = sum(len(group.rows) for group in found if group.sums is None)
    if len(rows) <= _SMALLEST or lone > _LONE * len(rows) or not any(g.sums for g in found):
        return [Group(None, tuple(rows))]
    return found


def _divided(rows: list[LayerProfile], depth: int) -> list[Group]:
    found: list[Group] = []
    for module, members in groupby(rows, module_at(depth)):
        inside = list(members)
        deeper = _divided(inside, depth + 1) if module and len(inside) > _LARGEST else []
        if sum(group.sums is not None for group in deeper) > 1:
            found += deeper
        elif module and len(inside) >= _SMALLEST:
            sums = together(inside, module, type=f"{len(inside)} layers")
            found.append(Group(sums, tuple(inside)))
        elif found and found[-1].sums is None:
            found[-1] = Group(None, (*found[-1].rows, *inside))
        else:
            found.append(Group(None, tuple(inside)))
    return found


def module_at(depth: int) -> Callable[[LayerProfile], str]:
    """Return what tells the module, so many names deep, that a row is in."""

    def module(row: LayerProfile) -> str:
        """Return the path of the module that the row is in, or '' at its own level."""
        parts = row.name.split(".")
        return ".".join(parts[:depth]) if row.kind and len(parts) > depth else ""

    return module
