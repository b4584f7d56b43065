"""What is said of layers, the same way for every change."""

from __future__ import annotations

from magics.records.advice import DOES_NOT_APPLY, Suggestion

MOST_LINES = 8
"""Layers of a finding that get a line of code of their own."""


def listed(names: tuple[str, ...] | list[str], most: int = 3) -> str:
    """Return names in words: 'a, b, c and 4 more'."""
    words = [repr(name) if name else "the model" for name in names[:most]]
    rest = len(names) - most
    if rest > 0:
        return f"{', '.join(words)} and {rest} more"
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def sizes(shape: tuple[int, ...]) -> str:
    """Write sizes: '3x3'."""
    return "x".join(map(str, shape))


def none(name: str, why: str, link: str) -> Suggestion:
    """Return that something does not apply, and why."""
    return Suggestion(name=name, verdict=DOES_NOT_APPLY, why=why, link=link)
