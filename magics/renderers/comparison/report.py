"""A comparison as fixed-width text and as HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magics import units
from magics.renderers.comparison import words
from magics.renderers.comparison.picture import pictures
from magics.renderers.comparison.table import columns
from magics.renderers.html import drawn, facts, framed, headed, headline, legend, listed, warning
from magics.renderers.html_table import table as html_table
from magics.renderers.ink import PLAIN
from magics.renderers.page import document
from magics.renderers.ratio_words import interval
from magics.renderers.sheet import WIDTH, Sheet
from magics.renderers.terminal import manner
from magics.renderers.text_table import bar

if TYPE_CHECKING:
    from typing import TextIO

    from magics.records import Comparison
    from magics.renderers.ink import Ink

_LETTER = 3  # places that a letter and the blanks behind it take
_NAME = 30
_BAR = 40
_RATIO = 28  # places that a ratio and its interval take


def as_text(comparison: Comparison, places: int = WIDTH, ink: Ink = PLAIN) -> str:
    """Return a comparison as text: what each needs, how they differ and why, layer by layer.

    Args:
        comparison: What to show.
        places: Places in a line; fewer than 60 count as 60.
        ink: How to set parts off.
    """
    sheet = Sheet(places, ink)
    sheet.opening(
        words.title(comparison), words.entrants(comparison), words.warnings(comparison), _LETTER
    )
    for place in range(1, len(comparison.profiles)):
        sheet.gap()
        sheet.say(words.verdict(comparison, place))
        sheet.bullets(words.reasons(comparison, place))
        sheet.lines += _bars(comparison, place, sheet.room, ink)
    sheet.gap()
    _, left_out = sheet.table(columns(comparison, _NAME))
    sheet.missing(left_out, "The HTML report has all.")
    sheet.say(f"{words.legend(comparison)}.")
    return sheet.text()


def _bars(comparison: Comparison, place: int, places: int, ink: Ink) -> list[str]:
    found = words.steps(comparison, place)
    if not found:
        return []
    longest = max(step.gain for step in found)
    room = max(len(step.name) for step in found)
    longest_bar = max(1, min(_BAR, places - room - _RATIO))
    drawn_bars = []
    for step in found:
        behind = f" ({interval(step.ratio)})" if step.ratio and step.ratio.is_gain else ""
        drawn_bars.append(
            f"{step.name:>{room}}  {ink.on(ink.bar, bar(step.gain / longest, longest_bar))} "
            f"{units.ratio(step.gain, 2)}{behind}",
        )
    return drawn_bars


def as_page(comparison: Comparison) -> str:
    """Return a comparison as a whole HTML document."""
    return document(words.title(comparison), as_html(comparison))


def in_terminal(comparison: Comparison, stream: TextIO) -> str:
    """Return a comparison as text that fits a stream."""
    return as_text(comparison, *manner(stream))


def as_html(comparison: Comparison) -> str:
    """Return a comparison as one HTML fragment."""
    parts = [headline(words.title(comparison)), facts(words.entrants(comparison))]
    parts += [warning(text) for text in words.warnings(comparison)]
    for place in range(1, len(comparison.profiles)):
        verdict, reasons = words.verdict(comparison, place), words.reasons(comparison, place)
        parts.append(listed("ul", reasons, verdict) or headed(verdict))
    parts.append(drawn(pictures(comparison)))
    parts.append(html_table(columns(comparison), "Layers that correspond"))
    parts.append(legend(words.legend(comparison)))
    return framed(parts)
