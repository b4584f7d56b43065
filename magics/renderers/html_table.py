"""A table as HTML: aligned, with bars, groups of rows with their sums, and headers that say so."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magics.renderers.column import Column

SMALL = "font-size:12px;line-height:1.5"
HEAD = "font-weight:600;padding:8px 8px 2px"
_BAR = "#4285c773"
_SHORTEST_BAR = 0.01
_RULE = "1px solid rgba(128,128,128,.6)"
_LEFT = "text-align:left"


def table(
    columns: Sequence[Column],
    caption: str,
    groups: Sequence[tuple[int, bool]] = (),
    hint: str = "",
) -> str:
    """Return a table that scrolls sideways where it is wider than the page.

    What JupyterLab's own style doesn't set on every cell stands on the table, once: a
    hundred rows of a dozen cells are most of a report's size.

    Args:
        columns: What stands in it; the first one names the rows.
        caption: What it is.
        groups: For each group of rows their number, and whether they have a line of sums.
        hint: What to know about the table, below the caption.
    """
    more = f'<br><span style="font-weight:400">{escape(hint)}</span>' if hint else ""
    heads = "".join(_head(column, left=column is columns[0]) for column in columns)
    return (
        f'<div style="overflow-x:auto" tabindex="0" role="region" aria-label="{caption}">'
        f'<table style="border-collapse:collapse;margin:0;text-align:right;'
        f'font-variant-numeric:tabular-nums;{SMALL}">'
        f'<caption style="{_LEFT};white-space:nowrap;{HEAD}">{caption}{more}</caption>'
        f"<thead><tr>{heads}</tr></thead>{_bodies(columns, groups)}{_foot(columns)}</table></div>"
    )


def _bodies(columns: Sequence[Column], groups: Sequence[tuple[int, bool]]) -> str:
    found, place, line = [], 0, 0
    for number, summed in groups or [(len(columns[0].cells), False)]:
        found.append("<tbody>")
        if summed:
            name, *cells = (column.sums[line] for column in columns)
            texts = "".join(map(_summed, columns[1:], cells)) if any(cells) else ""
            wide = 1 if texts else len(columns)  # a name alone has the whole line
            found.append(f'<tr class="g">{_named(name, "rowgroup", _LEFT, wide)}{texts}</tr>')
            line += 1
        for row in range(place, place + number):
            name = _named(columns[0].cells[row], "row", f"{_LEFT};font-weight:400")
            texts = "".join(_filled(column, row) for column in columns[1:])
            found.append(f"<tr>{name}{texts}</tr>")
        found.append("</tbody>")
        place += number
    return "".join(found)


def _head(column: Column, *, left: bool) -> str:
    style = f"padding:1px 8px;vertical-align:bottom;border-bottom:{_RULE}"
    style += f";{_LEFT}" if left or not column.number else ""
    style += ";min-width:90px" if column.share else ""
    kind = ' class="n"' if column.number else ""
    unit = f"<br>[{column.unit}]" if column.unit else ""
    return f'<th scope="col"{kind} style="{style}">{_unbroken(column.head)}{unit}</th>'


def _unbroken(words: str) -> str:
    return escape(words).replace(" ", "\u00a0")


def _named(name: str, scope: str, style: str, wide: int = 1) -> str:
    """Return the cell that names a row, or a group of rows; as wide as so many columns."""
    if not name:
        return "<td></td>"
    span = f' colspan="{wide}"' if wide > 1 else ""
    return f'<th scope="{scope}"{span} style="{style}">{_unbroken(name)}</th>'


def _filled(column: Column, place: int) -> str:
    cell = column.cells[place]
    return f"<td{_look(column, place)}>{_unbroken(cell)}</td>" if cell else "<td></td>"


def _look(column: Column, place: int) -> str:
    if not column.number:
        return f' style="{_LEFT}"'
    if column.share and column.bar(place) >= _SHORTEST_BAR:
        return f' style="background:linear-gradient(90deg,{_BAR} {column.bar(place):.0%},#0000 0)"'
    return ""


def _summed(column: Column, cell: str) -> str:
    if not cell:
        return "<td></td>"
    left = "" if column.number else f' style="{_LEFT}"'
    return f"<td{left}>{_unbroken(cell)}</td>"


def _foot(columns: Sequence[Column]) -> str:
    """Return the line of totals, for a table that has some."""
    if not columns[0].total:
        return ""
    look = f"border-top:{_RULE};font-weight:600"
    cells = "".join(
        f'<td style="{look}{"" if column.number else f";{_LEFT}"}">{column.total}</td>'
        for column in columns[1:]
    )
    name = f'<th scope="row" style="{look};{_LEFT}">{columns[0].total}</th>'
    return f"<tfoot><tr>{name}{cells}</tr></tfoot>"
