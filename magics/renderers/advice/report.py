"""Advice as fixed-width text and as HTML."""

from __future__ import annotations

from html import escape
from textwrap import wrap
from typing import TYPE_CHECKING

from magics.renderers.advice import words
from magics.renderers.html import headed, headline, warning
from magics.renderers.html_table import SMALL
from magics.renderers.ink import PLAIN
from magics.renderers.page import document
from magics.renderers.sheet import LEAST_WIDTH, WIDTH
from magics.renderers.terminal import manner

if TYPE_CHECKING:
    from typing import TextIO

    from magics.records import Advice
    from magics.renderers.advice.words import Entry
    from magics.renderers.ink import Ink

_WIDE = "max-width:1000px;padding:0 8px"
_ITEM = "margin:0 0 8px"
_CODE = (
    "margin:2px 0;padding:4px 8px;overflow-x:auto;font-size:12px;background:rgba(128,128,128,.12)"
)


def as_text(advice: Advice, places: int = WIDTH, ink: Ink = PLAIN) -> str:
    """Return advice as text: what helps most first, with the lines to type.

    Args:
        advice: What to show.
        places: Places in a line, at least 60; lines of code are never broken.
        ink: How to set parts off.
    """
    room = max(places, LEAST_WIDTH)

    # Links and lines of code are to be copied: they are never broken, unlike on a `Sheet`.
    def hanging(begin: str, text: str) -> list[str]:
        return wrap(text, room, initial_indent=begin, subsequent_indent=" " * len(begin),
                    break_long_words=False, break_on_hyphens=False)  # fmt: skip

    def bold(text: str) -> list[str]:
        return [ink.on(ink.bold, line) for line in hanging("", text)]

    parts = [*bold(words.title(advice)), *hanging("", words.circumstances(advice))]
    for text in words.warnings(advice):
        parts += [ink.on(ink.warning, line) for line in hanging("! ", text)]
    parts += ["", *bold(words.verdict(advice))]
    for head, entries in words.full(advice):
        parts += ["", *bold(head)]
        for number, entry in enumerate(entries, 1):
            begin = f"{number}. "
            parts += hanging(begin, f"{entry.name}: {entry.measured or entry.why}")
            told = [entry.why] if entry.measured and entry.why else []
            told += [f"Cost: {entry.cost}"] if entry.cost else []
            for text in told:
                parts += hanging(" " * len(begin), text)
            parts += [f"       {line}" for line in entry.code]
            parts += hanging(" " * len(begin), f"See {entry.link}")
    for head, entries in words.short(advice):
        parts += ["", *bold(head)]
        for entry in entries:
            parts += hanging("* ", f"{entry.name}: {entry.measured or entry.why}. See {entry.link}")
    for head, entries in words.folded(advice):
        told = [f"{entry.name} ({entry.why})" for entry in entries]
        parts += ["", *hanging("", f"{head}: {'; '.join(told)}.")]
    return "\n".join([*parts, "", *hanging("", words.legend(advice) + ".")])


def as_page(advice: Advice) -> str:
    """Return advice as a whole HTML document."""
    return document(words.title(advice), as_html(advice))


def in_terminal(advice: Advice, stream: TextIO) -> str:
    """Return advice as text that fits a stream."""
    return as_text(advice, *manner(stream))


def as_html(advice: Advice) -> str:
    """Return advice as one HTML fragment, which says all without styles and scripts."""
    parts = [
        headline(words.title(advice)),
        f'<div style="{_WIDE}">{escape(words.circumstances(advice))}</div>',
        *(warning(text) for text in words.warnings(advice)),
        headed(words.verdict(advice)),
    ]
    for head, entries in words.full(advice):
        items = "".join(map(_whole, entries))
        parts.append(_list("ol", head, items))
    for head, entries in words.short(advice):
        items = "".join(
            f"<li>{_linked(entry)}: {escape(entry.measured or entry.why)}.</li>"
            for entry in entries
        )
        parts.append(_list("ul", head, items))
    for head, entries in words.folded(advice):
        told = "; ".join(f"{_linked(entry)} ({escape(entry.why)})" for entry in entries)
        parts.append(f'<div style="{_WIDE};margin-top:8px"><b>{escape(head)}:</b> {told}.</div>')
    parts.append(f'<div style="{_WIDE};margin-top:8px">{escape(words.legend(advice))}.</div>')
    return f'<div class="convprofile" style="{SMALL}">{"".join(parts)}</div>'


def _list(tag: str, head: str, items: str) -> str:
    style = f"margin:0;padding-left:32px;{_WIDE.partition(';')[0]}"
    return f'{headed(head)}<{tag} style="{style}">{items}</{tag}>'


def _linked(entry: Entry) -> str:
    return f'<a href="{escape(entry.link)}" target="_blank" rel="noopener">{escape(entry.name)}</a>'


def _whole(entry: Entry) -> str:
    lines = [f"{_linked(entry)}: <b>{escape(entry.measured)}</b>" if entry.measured
             else f"{_linked(entry)}: {escape(entry.why)}"]  # fmt: skip
    if entry.measured and entry.why:
        lines.append(escape(entry.why))
    if entry.cost:
        lines.append(f"Cost: {escape(entry.cost)}")
    code = ""
    if entry.code:
        text = escape("\n".join(entry.code))
        code = f'<pre style="{_CODE}">{text}</pre>'
    return f'<li style="{_ITEM}">{"<br>".join(lines)}{code}</li>'
