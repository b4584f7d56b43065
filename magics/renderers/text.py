"""A profile as fixed-width text."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from textwrap import wrap
from typing import TYPE_CHECKING

from magics.renderers import fold, reasons, table, words
from magics.renderers.column import width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magics.records import Profile
    from magics.renderers.column import Column

WIDTH = 120
"""Places in a line, where the terminal doesn't say."""

LEAST_WIDTH = 60
"""Places that a line has at least, however narrow a terminal is."""

_NAME = 24
_SHORTEST_NAME = 10
_BAR = 8
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_GAP = "  "


@dataclass(frozen=True, slots=True)
class Ink:
    """How parts of a report are set off: by ANSI codes, or not at all."""

    bold: str = ""
    dim: str = ""
    bar: str = ""
    warning: str = ""

    def on(self, code: str, text: str) -> str:
        """Return a text in one of these inks."""
        return f"{code}{text}\x1b[0m" if code and text.strip() else text


PLAIN = Ink()
COLOURED = Ink(bold="\x1b[1m", dim="\x1b[2m", bar="\x1b[36m", warning="\x1b[33m")


def render(profile: Profile, places: int = WIDTH, ink: Ink = PLAIN) -> str:
    """Return the report as text: what was measured, the layers, the kinds.

    Args:
        profile: What to show.
        places: Places in a line; fewer than 60 count as 60.
        ink: How to set parts off.
    """
    room = max(places, LEAST_WIDTH)

    def said(begin: str, text: str, code: str = "") -> list[str]:
        return hanging(begin, text, room, ink.on(code, begin))

    parts = [ink.on(ink.bold, line) for line in wrap(words.title(profile), room)] + [""]
    for word, sentence in words.facts(profile):
        parts += said(f"{word:<9}", sentence, ink.bold)
    for text in words.warnings(profile):
        parts += said("! ", text, ink.warning)
    most = reasons.most_expensive(profile)
    parts += ["", ink.on(ink.bold, "Most expensive")] if most else []
    for number, text in enumerate(most, 1):
        parts += said(f"{number}. ", text)
    kinds = table.by_kind(profile)
    left_out: list[Column] = []
    if kinds:
        kinds, left_out = fitting(kinds, room)
        parts += ["", *lines(kinds, ink)]
    columns, missing_here = fitting(_layers(profile, room), room)
    parts += ["", *lines(columns, ink)]
    if left_out or missing_here:
        names = ", ".join(dict.fromkeys(column.head for column in (*missing_here, *left_out)))
        parts += said("", f"No room here for: {names}. to_csv() and the HTML report have all.")
    parts += said("", words.legend(columns) + ".")
    for text in words.notes(profile):
        parts += said("* ", text)
    missing = words.uncounted(profile)
    if missing:
        parts += ["", *said("", missing)]
    return "\n".join(parts)


def hanging(begin: str, text: str, room: int = WIDTH, shown: str = "") -> list[str]:
    """Return a text in lines, behind something that the others than the first are indented by.

    Args:
        begin: What stands before it.
        text: The text.
        room: Places in a line.
        shown: The beginning with its ink, if it has any.
    """
    found = wrap(text, room, initial_indent=begin, subsequent_indent=" " * width(begin))
    if shown and found:
        found[0] = shown + found[0][len(begin) :]
    return found


def _layers(profile: Profile, room: int) -> list[Column]:
    """Return the table of layers, names shortened until what is most important fits."""
    rows = fold.rows(profile)
    for longest in range(_NAME, _SHORTEST_NAME, -2):
        columns = table.columns(profile, rows, longest)
        if _taken([column for column in columns if not column.rank]) <= room:
            return columns
    return table.columns(profile, rows, _SHORTEST_NAME)


def bar(share: float, places: int = _BAR) -> str:
    """Return a bar of eighths of a character, `places` characters for 1."""
    eighths = round(min(1.0, max(0.0, share)) * places * 8)
    full, rest = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")


def fitting(columns: Sequence[Column], room: int) -> tuple[list[Column], list[Column]]:
    """Return what fits, and what was left out: by rank, then bars, then from the right."""
    kept, left_out = list(columns), []
    while _taken(kept) > room and any(column.rank for column in kept):
        last = max(kept, key=lambda column: column.rank)
        kept.remove(last)
        left_out.append(last)
    if _taken(kept) > room:
        kept = [replace(column, share=()) for column in kept]
    while _taken(kept) > room and len(kept) > 1:
        left_out.append(kept.pop(1))
    return kept, left_out


def _taken(columns: Sequence[Column]) -> int:
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
    rule = ink.on(ink.dim, "─" * _taken(columns))
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


_DRAWN = re.compile(f"[{_EIGHTHS[1:]}]+")
