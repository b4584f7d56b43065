"""A profile as HTML that a notebook may show, trusted or not.

JupyterLab drops styles, scripts and drawings from pages it doesn't trust. What carries
meaning is therefore plain HTML with literal inline styles; no colour is set on text, so that
light and dark themes both keep theirs.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from magics.renderers import fold, table, text, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magics.records import Profile
    from magics.renderers.column import Column

_BAR = "rgba(66,133,199,.45)"
_SHORTEST_BAR = 0.01
_RULE = "1px solid rgba(128,128,128,.6)"
_SMALL = "font-size:12px;line-height:1.5"
_CELL = "padding:1px 8px"
_HEAD = "font-weight:600;padding:8px 8px 2px"
_TITLE = "font-size:14px;font-weight:600;padding:2px 8px"
_WORD = "min-width:80px;padding-left:8px"


def render(profile: Profile) -> str:
    """Return the report as one HTML fragment."""
    most = words.most_expensive(profile)
    missing = words.uncounted(profile)
    parts = [
        f'<div class="convprofile" style="overflow-x:auto;{_SMALL}">',
        f'<div style="{_TITLE}">{escape(words.title(profile))}</div>',
        _facts(profile),
        *(_warning(message) for message in profile.warnings),
        _list("ol", most, "Most expensive"),
        _kinds(profile),
        _layers(profile),
        _list("ul", words.notes(profile), "Notes"),
        _warning(missing) if missing else "",
        "</div>",
    ]
    return "".join(parts)


def _facts(profile: Profile) -> str:
    return "".join(
        f'<div style="display:flex;max-width:1000px"><b style="{_WORD}">{word}</b>'
        f" <span>{escape(sentence)}</span></div>"
        for word, sentence in words.facts(profile)
    )


def _warning(message: str) -> str:
    style = (
        "margin:2px 0;padding:1px 8px 1px 5px;max-width:1000px;border-left:3px solid rgb(217,138,0)"
    )
    return f'<div role="note" style="{style}">⚠ {escape(message)}</div>'


def _list(tag: str, items: Sequence[str], head: str) -> str:
    if not items:
        return ""
    rows = "".join(f"<li>{escape(item)}</li>" for item in items)
    style = "margin:0;padding-left:32px;max-width:1000px"
    return f'<div style="{_HEAD}">{head}</div><{tag} style="{style}">{rows}</{tag}>'


def _layers(profile: Profile) -> str:
    rows = fold.rows(profile)
    columns = table.columns(profile, rows)
    found = _table(columns, "Layers, in the order in which their calls ended")
    found += f'<div style="padding:2px 8px;max-width:1000px">{escape(words.legend(columns))}.</div>'
    if len(rows) == len(profile.rows):
        return found
    every = "\n".join(text.lines(table.columns(profile, profile.rows, 40)))
    return (
        f"{found}<details><summary>Each of the {len(profile.layers)} layers</summary>"
        f'<pre style="font-size:11px">{escape(every)}</pre></details>'
    )


def _kinds(profile: Profile) -> str:
    columns = table.by_kind(profile)
    return _table(columns, "By kind of layer") if columns else ""


def _table(columns: Sequence[Column], caption: str) -> str:
    """Return a table.

    What JupyterLab's own style doesn't set on every cell stands on the table, once: a
    hundred rows of a dozen cells are most of a report's size.
    """
    rows = "".join(
        "<tr>" + "".join(_filled(column, place) for column in columns) + "</tr>"
        for place in range(len(columns[0].cells))
    )
    return (
        f'<table style="border-collapse:collapse;margin:0;text-align:right;'
        f'font-variant-numeric:tabular-nums;{_SMALL}">'
        f'<caption style="text-align:left;{_HEAD}">{caption}</caption>'
        f"<thead><tr>{''.join(map(_head, columns))}</tr></thead><tbody>{rows}</tbody>"
        f"<tfoot><tr>{''.join(map(_total, columns))}</tr></tfoot></table>"
    )


def _head(column: Column) -> str:
    style = f"{_cell(column)};vertical-align:bottom;border-bottom:{_RULE}"
    style += ";min-width:90px" if column.share else ""
    unit = f"<br>[{column.unit}]" if column.unit else ""
    return f'<th scope="col" style="{style}">{_unbroken(column.head)}{unit}</th>'


def _unbroken(words: str) -> str:
    return escape(words).replace(" ", "&nbsp;")


def _cell(column: Column) -> str:
    return _CELL if column.number else f"{_CELL};text-align:left"


def _filled(column: Column, place: int) -> str:
    cell = column.cells[place]
    if not cell:
        return "<td></td>"
    style = _cell(column)
    if column.share and column.bar(place) >= _SHORTEST_BAR:
        style += f";background:linear-gradient(90deg,{_BAR} {column.bar(place):.0%},transparent 0)"
    if column.head in {"layer", "kind"} and not column.rank and column.total:
        return f'<th scope="row" style="{style};font-weight:400">{_unbroken(cell)}</th>'
    return f'<td style="{style}">{_unbroken(cell)}</td>'


def _total(column: Column) -> str:
    style = f"{_cell(column)};border-top:{_RULE};font-weight:600"
    if column.total == "total":
        return f'<th scope="row" style="{style}">total</th>'
    return f'<td style="{style}">{column.total}</td>'
