"""A profile as fixed-width text."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from magics.renderers import table

if TYPE_CHECKING:
    from magics.records import Profile

_WIDTH = 110
_BAR = 12
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_GAP = "  "


def render(profile: Profile) -> str:
    """Return the report as text: what was measured, the layers, the kinds."""
    columns = table.columns(profile)
    parts = [
        table.title(profile),
        *(line for text in table.sentences(profile) for line in wrap(text, _WIDTH)),
        *(line for text in profile.warnings for line in _marked(text)),
        "",
        *_lines(columns, footer=True),
    ]
    kinds = table.by_kind(profile)
    if kinds:
        parts += ["", *_lines(kinds, footer=False)]
    missing = table.uncounted(profile)
    if missing:
        parts += ["", *wrap(missing, _WIDTH)]
    return "\n".join(parts)


def _marked(text: str) -> list[str]:
    return wrap(text, _WIDTH, initial_indent="! ", subsequent_indent="  ")


def bar(share: float, width: int = _BAR) -> str:
    """Return a bar of eighths of a character, `width` characters for 1."""
    eighths = round(min(1.0, max(0.0, share)) * width * 8)
    full, rest = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")


def _lines(columns: list[table.Column], *, footer: bool) -> list[str]:
    widths = [
        max(len(text) for text in (column.title, column.total, *column.cells)) for column in columns
    ]

    def line(texts: list[str], shares: list[float | None]) -> str:
        cells = []
        for column, text, width, share in zip(columns, texts, widths, shares, strict=True):
            cell = text.rjust(width) if column.number else text.ljust(width)
            if column.share:
                cell += f" {bar(share or 0.0):<{_BAR}}"
            cells.append(cell)
        return _GAP.join(cells).rstrip()

    none: list[float | None] = [None] * len(columns)
    head = line([column.title for column in columns], none)
    rule = "─" * max(
        len(head),
        sum(widths)
        + len(_GAP) * (len(widths) - 1)
        + (_BAR + 1) * sum(bool(c.share) for c in columns),
    )
    rows = [
        line(
            [column.cells[place] for column in columns],
            [column.share[place] if column.share else None for column in columns],
        )
        for place in range(len(columns[0].cells))
    ]
    lines = [head, rule, *rows]
    if footer:
        lines += [rule, line([column.total for column in columns], none)]
    return lines
