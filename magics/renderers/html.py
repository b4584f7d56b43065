"""A profile as HTML that a notebook may show, trusted or not.

JupyterLab drops styles, scripts and drawings from pages it doesn't trust. What carries
meaning is therefore plain HTML with literal inline styles; no colour is set on text, so that
light and dark themes both keep theirs.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING

from magics import units
from magics.renderers import behaviour, fold, groups, reasons, table, words
from magics.renderers.column import printable
from magics.renderers.html_table import HEAD, SMALL
from magics.renderers.html_table import table as html_table
from magics.renderers.parts import parts
from magics.renderers.pictures import pictures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magics.records import LayerProfile, Profile
    from magics.renderers.column import Column
    from magics.renderers.parts import Part
    from magics.renderers.pictures import Picture

_TITLE = "font-size:14px;font-weight:600;padding:2px 8px"
_WORD = "min-width:80px;padding-left:8px"
_FEW = 7  # columns that any screen has room for
_WIDE = "max-width:1000px"
_MOST_SHOWN = 50


def render(profile: Profile) -> str:
    """Return the report as one HTML fragment, the same one for the same profile."""
    missing = words.uncounted(profile)
    content = [
        headline(words.title(profile)),
        facts(words.facts(profile)),
        *(warning(message) for message in words.warnings(profile)),
        listed("ol", reasons.most_expensive(profile), "Most expensive"),
        _kinds(profile),
        drawn(pictures(profile)),
        _layers(profile),
        listed("ul", words.notes(profile), "Notes"),
        warning(missing) if missing else "",
    ]
    return framed(content)


def framed(parts: Sequence[str]) -> str:
    """Return a report as one fragment, with what helps where scripts and styles are allowed."""
    content = "".join(parts)
    identity = f"convprofile-{sha256(content.encode('utf-8', 'replace')).hexdigest()[:12]}"
    return (
        f'<div class="convprofile" id="{identity}" style="{SMALL}">'
        f"<style>{behaviour.STYLE}</style>{content}"
        f"<script>{behaviour.script(identity)}</script></div>"
    )


def headline(text: str) -> str:
    """Return the first line of a report."""
    return f'<div style="{_TITLE}">{escape(text)}</div>'


def facts(found: Sequence[tuple[str, str]]) -> str:
    """Return the header of a report: a word and a sentence each."""
    return "".join(
        f'<div style="display:flex;{_WIDE}"><b style="{_WORD}">{word}</b>'
        f" <span>{escape(sentence)}</span></div>"
        for word, sentence in found
    )


def warning(message: str) -> str:
    """Return a line that a reader must not miss."""
    style = f"margin:2px 0;padding:1px 8px 1px 5px;{_WIDE};border-left:3px solid rgb(217,138,0)"
    return f'<div role="note" style="{style}">⚠ {escape(message)}</div>'


def listed(tag: str, items: Sequence[str], head: str) -> str:
    """Return sentences under a head, as a list: 'ol' is numbered, 'ul' is not."""
    if not items:
        return ""
    rows = "".join(f"<li>{escape(item)}</li>" for item in items)
    style = f"margin:0;padding-left:32px;{_WIDE}"
    return f'{headed(head)}<{tag} style="{style}">{rows}</{tag}>'


def headed(text: str) -> str:
    """Return the head of a part of a report."""
    return f'<div style="{HEAD};{_WIDE}">{escape(text)}</div>'


def legend(text: str) -> str:
    """Return what explains a table, below it; nothing for no text."""
    return f'<div style="padding:2px 8px;{_WIDE}">{escape(text)}.</div>' if text else ""


def drawn(found: Sequence[Picture]) -> str:
    """Return pictures side by side, as far as there is room."""
    if not found:
        return ""
    return f'<div style="display:flex;flex-wrap:wrap">{"".join(map(_picture, found))}</div>'


def _picture(picture: Picture) -> str:
    # An image's own width and height keep the place; the style lets it shrink.
    return (
        f'<div style="width:{picture.width}px;max-width:100%;padding:0 8px 8px">'
        f'<div style="{HEAD};padding-left:0">{escape(picture.title)}</div>'
        f'<img src="{picture.uri}" alt="{escape(picture.alt)}" width="{picture.width}" '
        f'height="{picture.height}" style="max-width:100%;height:auto">'
        f"<div>{escape(picture.reading)}</div></div>"
    )


def _layers(profile: Profile) -> str:
    if len(profile.layers) > fold.MOST_ROWS:
        return _deep(profile)
    how = "sorted" if profile.order else "in the order of their calls"
    columns, found = _grouped(profile, profile.rows, f"Layers, {how}")
    return found + legend(words.legend(columns))


def _grouped(
    profile: Profile, rows: Sequence[LayerProfile], caption: str, *, total: bool = True
) -> tuple[list[Column], str]:
    """Return the columns and the table of layers, those of one module together."""
    together = groups.grouped(rows)
    sums = [group.sums for group in together if group.sums]
    columns = table.columns(profile, rows, sums=sums)
    if not total:
        columns = [replace(column, total="") for column in columns]
    sizes = [(len(group.rows), group.sums is not None) for group in together]
    return columns, html_table(columns, caption, sizes, hint(columns))


def _deep(profile: Profile) -> str:
    """Return the layers of a very deep model: a table of its parts, and each to be unfolded."""
    found = parts(profile.in_order.layers)
    lines = [*(part.line for part in found), profile.other]
    columns = table.columns(profile, lines)
    if profile.order:
        most, which = list(profile.layers[:_MOST_SHOWN]), "first, as sorted"
    else:
        most = sorted(profile.layers, key=fold.cost, reverse=True)[:_MOST_SHOWN]
        which = "most expensive"
    top, shown = _grouped(profile, most, f"The {len(most)} layers {which}", total=False)
    return "".join(
        (
            html_table(columns, "Parts, in the order of their calls", (), hint(columns)),
            legend(words.legend([*columns, *top])),
            headed(f"All {len(profile.layers)} layers"),
            _folded(f"The {len(most)} {which}", shown),
            *(_part(part, profile) for part in found),
        )
    )


def _part(part: Part, profile: Profile) -> str:
    _, layers = _grouped(profile, part.rows, "Layers", total=False)
    return _folded(_in_short(part, profile), layers)


def _in_short(part: Part, profile: Profile) -> str:
    """Return what a part is and needs, in a line."""
    line, whole = part.line, table.whole_s(profile)
    number = len(part.rows)
    said = [f"{number} layer{'' if number == 1 else 's'}"]
    if line.forward is not None and whole:
        seconds = line.forward.median_s
        said.append(f"{units.seconds(seconds)} ({units.percent(seconds / whole)})")
    if line.macs:
        said.append(f"{units.count(line.macs)} MACs")
    return f"{printable(part.name or '(no name)')}: {', '.join(said)}"


def _folded(summary: str, content: str) -> str:
    # Without a script, too, and what is folded away costs a browser nothing.
    style = "padding:1px 8px;cursor:pointer"
    return (
        f'<details><summary style="{style}">{escape(summary)}</summary>'
        f'<div style="padding-left:16px">{content}</div></details>'
    )


def hint(columns: Sequence[Column]) -> str:
    """Return what to know of a table with many columns.

    Where the last ones are out of sight, nothing else may tell that they are there.
    """
    if len(columns) <= _FEW:
        return ""
    return f"{len(columns)} columns, up to {columns[-1].head}: scroll sideways for all"


def _kinds(profile: Profile) -> str:
    columns = table.by_kind(profile)
    return html_table(columns, "By kind of layer") if columns else ""
