"""A spread over ranks as fixed-width text, for a terminal, as HTML and as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magics.renderers.html import facts, framed, headed, headline, legend, listed, warning
from magics.renderers.html_table import table as html_table
from magics.renderers.ink import PLAIN
from magics.renderers.page import document
from magics.renderers.sheet import WIDTH, Sheet
from magics.renderers.spread import words
from magics.renderers.spread.remedies import remedies
from magics.renderers.spread.table import columns
from magics.renderers.terminal import manner

if TYPE_CHECKING:
    from typing import TextIO

    from magics.records import Spread
    from magics.renderers.ink import Ink

_NAME = 24


def as_text(spread: Spread, places: int = WIDTH, ink: Ink = PLAIN) -> str:
    """Return a spread as text: what steps lose, what would help, layer by layer.

    Args:
        spread: What to show.
        places: Places in a line; fewer than 60 count as 60.
        ink: How to set parts off.
    """
    sheet = Sheet(places, ink)
    sheet.opening(words.title(spread), words.facts(spread), words.warnings(spread))
    sheet.gap()
    sheet.headline(words.verdict(spread))
    sheet.bullets(remedies(spread))
    sheet.gap()
    _, left_out = sheet.table(columns(spread, _NAME))
    sheet.missing(left_out, "to_csv() and the HTML report have all.")
    sheet.say(f"{words.legend(spread)}.")
    return sheet.text()


def in_terminal(spread: Spread, stream: TextIO) -> str:
    """Return a spread as text that fits a stream."""
    return as_text(spread, *manner(stream))


def as_html(spread: Spread) -> str:
    """Return a spread as one HTML fragment."""
    return framed(
        [
            headline(words.title(spread)),
            facts(words.facts(spread)),
            *map(warning, words.warnings(spread)),
            headed(words.verdict(spread)),
            listed("ul", remedies(spread), "What would help"),
            html_table(columns(spread), "Layers on all ranks, without communication"),
            legend(words.legend(spread)),
        ]
    )


def as_page(spread: Spread) -> str:
    """Return a spread as a whole HTML document."""
    return document(words.title(spread), as_html(spread))
