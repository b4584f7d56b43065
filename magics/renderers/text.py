"""A profile as fixed-width text."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from magics.renderers import fold, table, words
from magics.renderers.column import width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magics.records import Profile
    from magics.renderers.column import Column

_WIDTH = 120
_NAME = 24
_BAR = 8
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_GAP = "  "


def render(profile: Profile) -> str:
    """Return the report as text, 120 places wide: what was measured, the layers, the kinds."""
    parts = [words.title(profile), ""]
    for word, sentence in words.facts(profile):
        parts += _hanging(f"{word:<9}", sentence)
    for text in words.warnings(profile):
        parts += _hanging("! ", text)
    most = words.most_expensive(profile)
    parts += ["", "Most expensive"] if most else []
    for number, text in enumerate(most, 1):
        parts += _hanging(f"{number}. ", text)
    kinds = table.by_kind(profile)
    parts += ["", *lines(kinds)] if kinds else []
    columns, left_out = _fitting(table.columns(profile, fold.rows(profile), _NAME))
    parts += ["", *lines(columns)]
    if left_out:
        names = ", ".join(column.head for column in left_out)
        parts += _hanging("", f"No room here for: {names}. to_csv() and the HTML report have all.")
    parts += _hanging("", words.legend(columns) + ".")
    for text in words.notes(profile):
        parts += _hanging("* ", text)
    missing = words.uncounted(profile)
    if missing:
        parts += ["", *_hanging("", missing)]
    return "\n".join(parts)


def _hanging(begin: str, text: str) -> list[str]:
    return wrap(text, _WIDTH, initial_indent=begin, subsequent_indent=" " * len(begin))


def bar(share: float, places: int = _BAR) -> str:
    """Return a bar of eighths of a character, `places` characters for 1."""
    eighths = round(min(1.0, max(0.0, share)) * places * 8)
    full, rest = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")


def _fitting(columns: Sequence[Column]) -> tuple[list[Column], list[Column]]:
    kept, left_out = list(columns), []
    while sum(map(_places, kept)) + len(_GAP) * (len(kept) - 1) > _WIDTH:
        last = max(kept, key=lambda column: column.rank)
        if not last.rank:
            break
        kept.remove(last)
        left_out.append(last)
    return kept, left_out


def _places(column: Column) -> int:
    unit = f"[{column.unit}]" if column.unit else ""
    longest = max(map(width, (column.head, unit, column.total, *column.cells)))
    return longest + (1 + _BAR if column.share else 0)


def lines(columns: Sequence[Column]) -> list[str]:
    """Return a table: head and units, a rule, the rows, a rule, the total."""
    places = [_places(column) for column in columns]

    def line(cells: Sequence[str], shares: Sequence[float | None]) -> str:
        padded = []
        for column, text, room, share in zip(columns, cells, places, shares, strict=True):
            behind = ""
            if column.share:
                behind = f" {bar(share or 0.0):<{_BAR}}"
            blank = " " * (room - len(behind) - width(text))
            padded.append((blank + text if column.number else text + blank) + behind)
        return _GAP.join(padded).rstrip()

    none: list[float | None] = [None] * len(columns)
    rule = "─" * (sum(places) + len(_GAP) * (len(columns) - 1))
    heads = [line([column.head for column in columns], none)]
    if any(column.unit for column in columns):
        heads.append(line([f"[{c.unit}]" if c.unit else "" for c in columns], none))
    rows = [
        line(
            [column.cells[place] for column in columns],
            [column.bar(place) if column.share else None for column in columns],
        )
        for place in range(len(columns[0].cells))
    ]
    return [*heads, rule, *rows, rule, line([column.total for column in columns], none)]
