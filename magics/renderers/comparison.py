"""A comparison as fixed-width text and as HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magics import units
from magics.renderers import comparison_words as words
from magics.renderers.comparison_picture import pictures
from magics.renderers.comparison_table import columns
from magics.renderers.html import drawn, facts, framed, headed, headline, legend, listed, warning
from magics.renderers.html_table import table as html_table
from magics.renderers.page import document
from magics.renderers.text import WIDTH, bar, fitting, hanging, lines

if TYPE_CHECKING:
    from magics.records import Comparison

_NAME = 30
_BAR = 40


def as_text(comparison: Comparison) -> str:
    """Return a comparison as text: what each needs, how they differ and why, layer by layer."""
    parts = [*hanging("", words.title(comparison)), ""]
    for letter, sentence in words.entrants(comparison):
        parts += hanging(f"{letter}  ", sentence)
    for text in words.warnings(comparison):
        parts += hanging("! ", text)
    for place in range(1, len(comparison.profiles)):
        parts += ["", *hanging("", words.verdict(comparison, place))]
        for text in words.reasons(comparison, place):
            parts += hanging("* ", text)
        parts += _bars(comparison, place)
    kept, left_out = fitting(columns(comparison, _NAME), WIDTH)
    parts += ["", *lines(kept)]
    if left_out:
        names = ", ".join(dict.fromkeys(column.head for column in left_out))
        parts += hanging("", f"No room here for: {names}. The HTML report has all.")
    parts += hanging("", words.legend(comparison) + ".")
    return "\n".join(parts)


def _bars(comparison: Comparison, place: int) -> list[str]:
    found = words.steps(comparison, place)
    if not found:
        return []
    longest = max(step.gain for step in found)
    room = max(len(step.name) for step in found)
    drawn_bars = []
    for step in found:
        behind = f" ({words.interval(step.ratio)})" if step.ratio and step.ratio.is_gain else ""
        drawn_bars.append(
            f"{step.name:>{room}}  {bar(step.gain / longest, _BAR)} "
            f"{units.ratio(step.gain, 2)}{behind}",
        )
    return drawn_bars


def as_page(comparison: Comparison) -> str:
    """Return a comparison as a whole HTML document."""
    return document(words.title(comparison), as_html(comparison))


def in_terminal(comparison: Comparison, stream: object) -> str:  # noqa: ARG001, part of the protocol
    """Return a comparison as text for a terminal."""
    return as_text(comparison)


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
