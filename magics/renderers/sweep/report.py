"""A sweep as fixed-width text, for a terminal, as HTML and as a page."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from magics.renderers.html import drawn, facts, framed, headline, hint, legend, listed, warning
from magics.renderers.html_table import table as html_table
from magics.renderers.page import document
from magics.renderers.sweep import words
from magics.renderers.sweep.findings import findings
from magics.renderers.sweep.picture import pictures
from magics.renderers.sweep.table import columns, groups, matrix
from magics.renderers.terminal import manner
from magics.renderers.text import LEAST_WIDTH, PLAIN, WIDTH, fitting, hanging, lines

if TYPE_CHECKING:
    from typing import TextIO

    from magics.records import Sweep
    from magics.renderers.column import Column
    from magics.renderers.text import Ink


def as_text(sweep: Sweep, places: int = WIDTH, ink: Ink = PLAIN) -> str:
    """Return a sweep as text: what was swept, what that tells, a line per point.

    Args:
        sweep: What to show.
        places: Places in a line; fewer than 60 count as 60.
        ink: How to set parts off.
    """
    room = max(places, LEAST_WIDTH)

    def said(begin: str, text: str, code: str = "") -> list[str]:
        return hanging(begin, text, room, ink.on(code, begin))

    def shown(kept: list[Column], left_out: list[Column]) -> list[str]:
        names = ", ".join(dict.fromkeys(column.head for column in left_out))
        missing = f"No room here for: {names}. The HTML report has all."
        return [*lines(kept, ink), *(said("", missing) if left_out else [])]

    parts = [ink.on(ink.bold, line) for line in wrap(words.title(sweep), room)] + [""]
    for word, sentence in words.facts(sweep):
        parts += said(f"{word:<9}", sentence, ink.bold)
    for text in words.warnings(sweep):
        parts += said("! ", text, ink.warning)
    found = findings(sweep)
    parts += [""] if found else []
    for text in found:
        parts += said("* ", text)
    times = matrix(sweep)
    if times:
        parts += ["", ink.on(ink.bold, words.of_time(sweep)), *shown(*fitting(times, room))]
    kept, left_out = fitting(columns(sweep), room)
    parts += ["", *shown(kept, left_out)]
    for text in words.troubles(sweep):
        parts += said("! ", text, ink.warning)
    meanings = words.legend(kept)
    return "\n".join([*parts, *(said("", f"{meanings}.") if meanings else [])])


def in_terminal(sweep: Sweep, stream: TextIO) -> str:
    """Return a sweep as text that fits a stream."""
    return as_text(sweep, *manner(stream))


def as_html(sweep: Sweep) -> str:
    """Return a sweep as one HTML fragment."""
    table, times = columns(sweep), matrix(sweep)
    return framed(
        [
            headline(words.title(sweep)),
            facts(words.facts(sweep)),
            *map(warning, words.warnings(sweep)),
            listed("ul", findings(sweep), "What it tells"),
            drawn(pictures(sweep)),
            html_table(times, words.of_time(sweep)) if times else "",
            html_table(table, "Points", groups(sweep), hint(table)),
            *map(warning, words.troubles(sweep)),
            legend(words.legend(table)),
        ]
    )


def as_page(sweep: Sweep) -> str:
    """Return a sweep as a whole HTML document."""
    return document(words.title(sweep), as_html(sweep))
