"""A profile as HTML that a notebook may show, trusted or not.

JupyterLab drops styles, scripts and drawings from pages it doesn't trust. What carries
meaning is therefore plain HTML with literal inline styles; no colour is set on text, so that
light and dark themes both keep theirs.
"""

from __future__ import annotations

from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING

from magics.renderers import behaviour, fold, groups, reasons, table, text, words
from magics.renderers.html_table import HEAD, SMALL
from magics.renderers.html_table import table as html_table
from magics.renderers.pictures import pictures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magics.records import Profile
    from magics.renderers.column import Column
    from magics.renderers.pictures import Picture

_TITLE = "font-size:14px;font-weight:600;padding:2px 8px"
_WORD = "min-width:80px;padding-left:8px"
_FEW = 7  # columns that any screen has room for
_WIDE = "max-width:1000px"


def render(profile: Profile) -> str:
    """Return the report as one HTML fragment, the same one for the same profile."""
    missing = words.uncounted(profile)
    parts = [
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
    return framed(parts)


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
    rows = fold.rows(profile)
    together = groups.grouped(rows)
    sums = [group.sums for group in together if group.sums]
    columns = table.columns(profile, rows, sums=sums)
    sizes = [(len(group.rows), group.sums is not None) for group in together]
    found = html_table(columns, "Layers, in the order of their calls", sizes, hint(columns))
    found += legend(words.legend(columns))
    if len(rows) == len(profile.rows):
        return found
    every = "\n".join(text.lines(table.columns(profile, profile.rows, 40)))
    return (
        f"{found}<details><summary>Each of the {len(profile.layers)} layers</summary>"
        f'<pre style="font-size:11px;overflow-x:auto">{escape(every)}</pre></details>'
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
