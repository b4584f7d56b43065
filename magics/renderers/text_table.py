"""A table of columns as fixed-width text."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from magics.renderers.column import width
from magics.renderers.ink import PLAIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magics.renderers.column import Column
    from magics.renderers.ink import Ink

_BAR = 8
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_DRAWN = re.compile(f"[{_EIGHTHS[1:]}]+")
_GAP = "  "


def bar(share: float, places: int = _BAR) -> str:
    """Return a bar of eighths of a character, `places` characters for 1."""
    eighths = round(min(1.0, max(0.0, share)) * places * 8)
    full, rest = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")


def fitting(columns: Sequence[Column], room: int) -> tuple[list[Column], list[Column]]:
    """Return what fits, and what was left out: by rank, then bars, then from the right."""
    kept, left_out = list(columns), []
    while taken(kept) > room and any(column.rank for column in kept):
        last = max(kept, key=lambda column: column.rank)
        kept.remove(last)
        left_out.append(last)
    if taken(kept) > room:
        kept = [replace(column, share=()) for column in kept]
    while taken(kept) > room and len(kept) > 1:
        left_out.append(kept.pop(1))
    return kept, left_out


def taken(columns: Sequence[Column]) -> int:
    """Return how many places a line of these columns takes."""
    return sum(map(_places, columns)) + len(_GAP) * (len(columns) - 1)


def _places(column: Column) -> int:
    unit = f"[{column.unit}]" if column.unit else ""
    longest = max(map(width, (column.head, unit, column.total, *column.cells)))
    return longest + (1 + _BAR if column.share else 0)


def lines(columns: Sequence[Column], ink: Ink = PLAIN) -> list[str]:
    """Return a table: head and units, a rule, the rows; a rule and the total, if it has one."""
    places = [_places(column) for column in columns]

    def line(cells: Sequence[str], shares: Sequence[float | None], code: str = "") -> str:
        padded = []
        for column, text, room, share in zip(columns, cells, places, shares, strict=True):
            drawn = f" {bar(share or 0.0):<{_BAR}}" if column.share else ""
            blank = " " * (room - len(drawn) - width(text))
            words = blank + text if column.number else text + blank
            padded.append(words + drawn)
        whole = _GAP.join(padded).rstrip()
        if code:
            return ink.on(code, whole)
        return _DRAWN.sub(lambda found: ink.on(ink.bar, found[0]), whole) if ink.bar else whole

    none: list[float | None] = [None] * len(columns)
    rule = ink.on(ink.dim, "─" * taken(columns))
    heads = [line([column.head for column in columns], none, ink.bold)]
    if any(column.unit for column in columns):
        heads.append(line([f"[{c.unit}]" if c.unit else "" for c in columns], none, ink.dim))
    rows = [
        line(
            [column.cells[place] for column in columns],
            [column.bar(place) if column.share else None for column in columns],
        )
        for place in range(len(columns[0].cells))
    ]
    if not columns[0].total:
        return [*heads, rule, *rows]
    return [*heads, rule, *rows, rule, line([column.total for column in columns], none, ink.bold)]
