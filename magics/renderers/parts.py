"""Very deep models: their layers in parts, each of which is read, and folded away, as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from magics.records.summing import together
from magics.renderers.groups import module_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from magics.records import LayerProfile

_LARGEST = 100
"""Layers of a part up to which it is not divided, and up to which small ones are joined."""

_SMALL = 24
"""Layers of a part up to which it may be joined with its neighbours."""


@dataclass(frozen=True, slots=True)
class Part:
    """Neighbouring layers: those of a module, or of several small ones in the same module.

    Attributes:
        name: Path of the module, or of the first and the last.
        rows: The layers.
        within: The module that was divided.
    """

    name: str
    rows: tuple[LayerProfile, ...]
    within: str = ""

    @property
    def line(self) -> LayerProfile:
        """What stands for the part in a table: its only layer, or the sums of all."""
        if len(self.rows) == 1:
            return self.rows[0]
        return together(self.rows, self.name, type=f"{len(self.rows)} layers")


def parts(layers: Sequence[LayerProfile]) -> list[Part]:
    """Return all layers in their order, in parts."""
    return list(_joined(_divided(layers, 1)))


def _divided(layers: Iterable[LayerProfile], depth: int, within: str = "") -> list[Part]:
    found = []
    for module, members in groupby(layers, module_at(depth)):
        inside = tuple(members)
        if module and len(inside) > _LARGEST:
            found += _divided(inside, depth + 1, module)
        elif module and len(inside) > 1:
            found.append(Part(module, inside, within))
        else:
            found += (Part(row.name, (row,), within) for row in inside)
    return found


def _joined(divided: Iterable[Part]) -> Iterator[Part]:
    waiting: list[Part] = []
    for part in divided:
        size = sum(len(one.rows) for one in (*waiting, part))
        if waiting and (size > _LARGEST or not _belong_together(waiting[-1], part)):
            yield _one(waiting)
            waiting = []
        waiting.append(part)
    if waiting:
        yield _one(waiting)


def _belong_together(one: Part, other: Part) -> bool:
    return one.within == other.within and max(len(one.rows), len(other.rows)) <= _SMALL


def _one(several: list[Part]) -> Part:
    first, last = several[0], several[-1]
    if first is last:
        return first
    rows = tuple(row for part in several for row in part.rows)
    end = last.name.removeprefix(f"{last.within}.")
    return Part(f"{first.name} … {end}", rows, first.within)
