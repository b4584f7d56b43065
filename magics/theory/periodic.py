"""Touched positions on an unbounded axis, as a pattern that repeats with the unit.

A `Table` says for one axis what every unit touches of the input: unit ``period * n + phase``
touches ``shift * n`` plus the set of its phase. A `Family` has one table per axis and stands,
for each unit, for the product of what they say. A layer with several branches has several
families; the unit touches their union.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd, lcm
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from magics.theory.axis_maps import AxisMap

MAX_PERIOD = 256
"""Longest pattern followed [units]; resizing by uneven ratios may ask for more."""


@dataclass(frozen=True, slots=True)
class Positions:
    """A set of positions of any sign: bit i of `mask` stands for ``start + i``.

    The lowest bit of a mask is set, unless the set is empty.
    """

    start: int
    mask: int

    @property
    def length(self) -> int:
        """Extent from the first to the last position."""
        return self.mask.bit_length()

    def moved(self, distance: int) -> Positions:
        """Return the set with `distance` added to every position."""
        return Positions(self.start + distance, self.mask) if distance else self

    def is_within(self, other: Positions) -> bool:
        """Return whether every position is in the other set."""
        if not self.mask:
            return True
        distance = self.start - other.start
        return distance >= 0 and (self.mask << distance) | other.mask == other.mask

    @staticmethod
    def union(parts: Iterable[Positions]) -> Positions:
        """Return the union of sets."""
        start = mask = 0
        for part in parts:
            if not part.mask:
                continue
            if not mask:
                start, mask = part.start, part.mask
            elif part.start >= start:
                mask |= part.mask << (part.start - start)
            else:
                mask = part.mask | mask << (start - part.start)
                start = part.start
        return Positions(start, mask)


@dataclass(frozen=True, slots=True)
class Table:
    """What every unit touches along one axis.

    Attributes:
        shift: Input positions per period.
        sets: The set of each phase at n = 0.
    """

    shift: int
    sets: tuple[Positions, ...]

    @property
    def period(self) -> int:
        """Units after which the pattern repeats."""
        return len(self.sets)

    def at(self, unit: int) -> Positions:
        """Return what one unit touches."""
        turns, phase = divmod(unit, len(self.sets))
        return self.sets[phase].moved(turns * self.shift)

    def image(self, axis: AxisMap) -> Table | None:
        """Return the table after an operation; `None` if the pattern would be too long."""
        period, step = self.period, axis.step
        turns = period // gcd(period, step)
        new_period = axis.period * turns
        if new_period > MAX_PERIOD:
            return None
        sets = []
        for unit in range(new_period):
            turn, phase = divmod(unit, axis.period)
            origin = turn * step
            sets.append(Positions.union(self.at(origin + tap) for tap in axis.taps[phase]))
        return Table(self.shift * step * turns // period, tuple(sets))

    def advances_like(self, other: Table) -> bool:
        """Return whether both have the same effective stride."""
        return self.shift * other.period == other.shift * self.period

    def is_within(self, other: Table) -> bool:
        """Return whether every unit touches no more than in the other table."""
        if self is other:
            return True
        units = range(lcm(self.period, other.period))
        return all(self.at(unit).is_within(other.at(unit)) for unit in units)

    @staticmethod
    def union(tables: list[Table]) -> Table:
        """Return the union of tables that advance alike."""
        if len(tables) == 1:
            return tables[0]
        period = lcm(*(table.period for table in tables))
        return Table(
            tables[0].shift * period // tables[0].period,
            tuple(Positions.union(table.at(unit) for table in tables) for unit in range(period)),
        )


@dataclass(frozen=True, slots=True)
class Family:
    """One table per axis; a unit touches the product of what they say."""

    tables: tuple[Table, ...]

    def image(self, maps: tuple[AxisMap, ...]) -> Family | None:
        """Return the family after an operation; `None` if it has none on unbounded axes."""
        if not maps:
            return self
        tables: list[Table] = []
        done: dict[tuple[int, AxisMap], Table] = {}
        for table, axis in zip(self.tables, maps, strict=True):
            if not axis.regular:
                return None
            key = (id(table), axis)
            image = done.get(key) or (table if axis.is_identity else table.image(axis))
            if image is None:
                return None
            done[key] = image
            tables.append(image)
        return Family(tuple(tables))

    def is_within(self, other: Family) -> bool:
        """Return whether every unit touches no more than in the other family."""
        pairs = zip(self.tables, other.tables, strict=True)
        return self is other or all(mine.is_within(theirs) for mine, theirs in pairs)


def origin_family(axes: int) -> Family:
    """Return the family of the input itself: every unit touches its own position."""
    return Family((Table(1, (Positions(0, 1),)),) * axes)


def add_family(families: list[Family], family: Family) -> bool:
    """Add a family to a union in place; families that lie within another are dropped.

    Returns:
        False if the families don't advance alike, so that no common description exists.
    """
    for other in families:
        pairs = zip(family.tables, other.tables, strict=True)
        if not all(mine.advances_like(theirs) for mine, theirs in pairs):
            return False
        if family.is_within(other):
            return True
    families[:] = [other for other in families if not other.is_within(family)]
    families.append(family)
    return True
