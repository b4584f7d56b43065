"""A sweep as fixed-width text, for a terminal, as HTML and as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magics.renderers.html import drawn, facts, framed, headline, hint, legend, listed, warning
from magics.renderers.html_table import table as html_table
from magics.renderers.ink import PLAIN
from magics.renderers.page import document
from magics.renderers.sheet import WIDTH, Sheet
from magics.renderers.sweep import words
from magics.renderers.sweep.findings import findings
from magics.renderers.sweep.picture import pictures
from magics.renderers.sweep.table import columns, groups, matrix
from magics.renderers.terminal import manner

if TYPE_CHECKING:
    from typing import TextIO

    from magics.records import Sweep
    from magics.renderers.ink import Ink

_ELSEWHERE = "The HTML report has all."


def as_text(sweep: Sweep, places: int = WIDTH, ink: Ink = PLAIN) -> str:
    """Return a sweep as text: what was swept, what that tells, a line per point.

    Args:
        sweep: What to show.
        places: Places in a line; fewer than 60 count as 60.
        ink: How to set parts off.
    """
    sheet = Sheet(places, ink)
    sheet.opening(words.title(sweep), words.facts(sweep), words.warnings(sweep))
    found = findings(sweep)
    if found:
        sheet.gap()
    sheet.bullets(found)
    times = matrix(sweep)
    if times:
        sheet.gap()
        sheet.headline(words.of_time(sweep))
        _, left_out = sheet.table(times)
        sheet.missing(left_out, _ELSEWHERE)
    sheet.gap()
    kept, left_out = sheet.table(columns(sweep))
    sheet.missing(left_out, _ELSEWHERE)
    sheet.warn(words.troubles(sweep))
    meanings = words.legend(kept)
    if meanings:
        sheet.say(f"{meanings}.")
    return sheet.text()


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
