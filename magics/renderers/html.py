"""A profile as HTML that a notebook may show, trusted or not.

JupyterLab drops styles, scripts and drawings from pages it doesn't trust. What carries
meaning is therefore plain HTML with literal inline styles; no colour is set on text, so that
light and dark themes both keep theirs.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from magics.renderers import table

if TYPE_CHECKING:
    from magics.records import Profile

_BAR = "rgba(66,133,199,0.45)"
_RULE = "1px solid rgba(128,128,128,0.45)"
_FAINT = "1px solid rgba(128,128,128,0.18)"
_CELL = "padding:1px 8px;white-space:nowrap;font-size:12px;"
_NOTE = "margin:2px 0;font-size:12px;max-width:960px;"


def render(profile: Profile) -> str:
    """Return the report as one HTML fragment."""
    parts = [
        '<div class="convprofile" style="overflow-x:auto;">',
        f'<div style="margin:2px 0;font-weight:600;">{escape(table.title(profile))}</div>',
        *(f'<div style="{_NOTE}">{escape(text)}</div>' for text in table.sentences(profile)),
        *(_warning(text) for text in profile.warnings),
        _table(table.columns(profile), "Layers", footer=True),
    ]
    kinds = table.by_kind(profile)
    if kinds:
        parts.append(
            f'<details open><summary style="font-size:12px;">By kind of layer</summary>'
            f"{_table(kinds, 'Sums by kind of layer', footer=False)}</details>",
        )
    missing = table.uncounted(profile)
    if missing:
        parts.append(_warning(missing))
    parts.append("</div>")
    return "".join(parts)


def _warning(text: str) -> str:
    style = f"{_NOTE}padding:2px 8px;border-left:3px solid rgba(217,138,0,0.9);"
    return f'<div role="note" style="{style}">⚠ {escape(text)}</div>'


def _table(columns: list[table.Column], caption: str, *, footer: bool) -> str:
    head = "".join(
        f'<th scope="col" style="{_CELL}{_align(column)}border-bottom:{_RULE};">'
        f"{escape(column.title)}</th>"
        for column in columns
    )
    rows = "".join(
        "<tr>" + "".join(_cell(column, place) for column in columns) + "</tr>"
        for place in range(len(columns[0].cells))
    )
    total = ""
    if footer:
        cells = "".join(
            f'<td style="{_CELL}{_align(column)}border-top:{_RULE};font-weight:600;">'
            f"{escape(column.total)}</td>"
            for column in columns
        )
        total = f"<tfoot><tr>{cells}</tr></tfoot>"
    return (
        f'<table style="border-collapse:collapse;margin:6px 0;font-variant-numeric:tabular-nums;">'
        f'<caption style="position:absolute;left:-9999px;">{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>{total}</table>"
    )


def _cell(column: table.Column, place: int) -> str:
    style = f"{_CELL}{_align(column)}border-bottom:{_FAINT};"
    if column.share:
        width = 100 * min(1.0, column.share[place])
        style += (
            f"min-width:110px;"
            f"background:linear-gradient(90deg,{_BAR} {width:.1f}%,transparent {width:.1f}%);"
        )
    text = escape(column.cells[place])
    if column.head == "layer":
        return f'<th scope="row" style="{style}font-weight:400;">{text}</th>'
    return f'<td style="{style}">{text}</td>'


def _align(column: table.Column) -> str:
    return "text-align:right;" if column.number else "text-align:left;"
