"""A text report in the making: what all of them say in the same way."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from magics.renderers.column import width
from magics.renderers.text_table import fitting, lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from magics.renderers.column import Column
    from magics.renderers.ink import Ink

WIDTH = 120
"""Places in a line, where the terminal doesn't say."""

LEAST_WIDTH = 60
"""Places that a line has at least, however narrow a terminal is."""

_INDENT = 9  # one more than the longest of the words before facts


class Sheet:
    """Lines of text that fit a width; parts of them are set off.

    Attributes:
        room: Places in a line.
        ink: How parts are set off.
        lines: What was written so far.
    """

    def __init__(self, places: int, ink: Ink) -> None:
        """Take an empty sheet.

        Args:
            places: Places in a line; fewer than 60 count as 60.
            ink: How to set parts off.
        """
        self.room = max(places, LEAST_WIDTH)
        self.ink = ink
        self.lines: list[str] = []

    def opening(
        self,
        title: str,
        facts: Iterable[tuple[str, str]],
        warnings: Iterable[str],
        indent: int = _INDENT,
    ) -> None:
        """Write what a report begins with.

        Args:
            title: What was measured.
            facts: The circumstances, a word and a sentence each.
            warnings: What a reader must know first.
            indent: Places that a word takes, with the blanks behind it.
        """
        self.headline(title)
        self.gap()
        for word, sentence in facts:
            self.say(sentence, f"{word:<{indent}}", self.ink.bold)
        self.warn(warnings)

    def gap(self) -> None:
        """Leave a line empty."""
        self.lines.append("")

    def headline(self, text: str) -> None:
        """Write a text in bold."""
        self.lines += [self.ink.on(self.ink.bold, line) for line in wrap(text, self.room)]

    def say(self, text: str, begin: str = "", code: str = "") -> None:
        """Write a text.

        Args:
            text: The text.
            begin: What stands before it; its other lines are indented by as much.
            code: The ink of the beginning.
        """
        found = wrap(text, self.room, initial_indent=begin, subsequent_indent=" " * width(begin))
        if found:
            found[0] = self.ink.on(code, begin) + found[0][len(begin) :]
        self.lines += found

    def warn(self, texts: Iterable[str]) -> None:
        """Write warnings."""
        for text in texts:
            self.say(text, "! ", self.ink.warning)

    def bullets(self, texts: Iterable[str]) -> None:
        """Write a list."""
        for text in texts:
            self.say(text, "* ")

    def table(self, columns: Sequence[Column]) -> tuple[list[Column], list[Column]]:
        """Write the columns of a table that fit; return them, and those that were left out."""
        kept, left_out = fitting(columns, self.room)
        self.lines += lines(kept, self.ink)
        return kept, left_out

    def missing(self, left_out: Sequence[Column], elsewhere: str) -> None:
        """Write which columns there was no room for, if any, and the sentence where they are."""
        if left_out:
            names = ", ".join(dict.fromkeys(column.head for column in left_out))
            self.say(f"No room here for: {names}. {elsewhere}")

    def text(self) -> str:
        """Return what was written."""
        return "\n".join(self.lines)
