"""One column of a table, and the texts in it."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from magics import units


@dataclass(frozen=True, slots=True)
class Column:
    """One column, its numbers in one unit.

    Attributes:
        head: What the numbers are.
        unit: Their unit, or ''.
        cells: One text per row.
        total: What stands below, or ''.
        sums: One text per group of rows; empty where there are no groups.
        number: Whether to align to the right.
        share: For a bar: one share of 1 per row, or empty.
        rank: Where there is no room for all columns, the highest rank goes first, 0 never.
    """

    head: str
    unit: str
    cells: tuple[str, ...]
    total: str = ""
    sums: tuple[str, ...] = ()
    number: bool = True
    share: tuple[float, ...] = ()
    rank: int = 0

    def bar(self, place: int) -> float:
        """Return how long a row's bar is, from 0 to 1 for the largest row."""
        longest = max(self.share)
        return max(0.0, self.share[place] / longest) if longest > 0 else 0.0


def texts(
    head: str,
    cells: Sequence[str],
    below: Sequence[str] = ("",),
    *,
    rank: int = 0,
    number: bool = False,
) -> Column:
    """Return a column without a unit.

    Args:
        head: What stands in it.
        cells: One text per row.
        below: The total, then one text per group of rows.
        rank: See `Column`.
        number: Whether to align to the right.
    """
    total, *sums = below
    return Column(head, "", tuple(cells), total, tuple(sums), number=number, rank=rank)


def numbers(
    head: str,
    values: Sequence[float | None],
    below: Sequence[float | None],
    scale_for: Callable[[Iterable[float | None]], units.Scale],
    *,
    rank: int = 0,
) -> Column:
    """Return a column of numbers in one unit; what is 0 stays empty.

    Args:
        head: What they are.
        values: One number per row.
        below: The total, then one number per group of rows.
        scale_for: Chooses the unit.
        rank: See `Column`.
    """
    scale = scale_for(values)
    cells, (total, *sums) = (
        [scale.text(value) if value else "" for value in some] for some in (values, below)
    )
    return Column(head, scale.unit, tuple(cells), total, tuple(sums), rank=rank)


def clean(text: str) -> str:
    """Return a text without control characters, which could disturb a terminal or a table."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def printable(text: str, longest: int = 60) -> str:
    """Return a name that can't disturb a table: no control characters and not too long.

    A long dotted name keeps its beginning and as many of its last parts as fit.
    """
    text = clean(text)
    if width(text) <= longest:
        return text
    first, *parts = text.split(".")
    for start in range(1, len(parts)):
        short = f"{first}…{'.'.join(parts[start:])}"
        if width(short) <= longest:
            return short
    half = (longest - 1) // 2
    return f"{_cut(text, longest - half - 1)}…{_cut(text[::-1], half)[::-1]}"


def _cut(text: str, longest: int) -> str:
    while width(text) > longest:
        text = text[:-1]
    return text


def width(text: str) -> int:
    """Return how many places a text takes in a terminal: some letters take two, some none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF")
        for letter in text
    )
