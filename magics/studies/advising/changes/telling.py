"""What is said of layers, the same way for every change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magics.errors import ConvProfileError
from magics.records.advice import DOES_NOT_APPLY, LOOK_AT, Suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from magics.records import LayerProfile

_WIDEST = 88
"""Characters in a line of code."""

_LONGEST = 200
"""Characters of what an exception says."""

_MOST_LINES = 8
"""Layers of a finding that get a line of code of their own."""


def listed(names: tuple[str, ...] | list[str], most: int = 3) -> str:
    """Return names in words: 'a, b, c and 4 more'."""
    words = [repr(name) if name else "the model" for name in names[:most]]
    rest = len(names) - most
    if rest > 0:
        return f"{', '.join(words)} and {rest} more"
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def literal(values: Sequence[object]) -> str:
    """Write a list as code: in a line where it is short, else over several."""
    short = repr(list(values))
    if len(short) <= _WIDEST:
        return short
    lines = wrapped([f"{value!r}," for value in values])
    return "\n".join(["[", *(f"    {line}" for line in lines), "]"])


def wrapped(words: Sequence[str]) -> list[str]:
    """Return words in lines; what stands between quotes is never broken."""
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) >= _WIDEST:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return lines


def sizes(shape: tuple[int, ...]) -> str:
    """Write sizes: '3x3'."""
    return "x".join(map(str, shape))


def none(name: str, why: str, link: str) -> Suggestion:
    """Return that something does not apply, and why."""
    return Suggestion(name=name, verdict=DOES_NOT_APPLY, why=why, link=link)


def look_at(  # noqa: PLR0913, what a suggestion is
    name: str, layers: Sequence[LayerProfile], why: str, *, code: str, cost: str, link: str
) -> Suggestion:
    """Return that layers are worth a look.

    Args:
        name: What the suggestion is called.
        layers: The layers; the reason begins with their names.
        why: What is the matter with them.
        code: Lines that mend it.
        cost: What mending it costs.
        link: The page of documentation.
    """
    names = tuple(layer.name for layer in layers)
    return Suggestion(name=name, verdict=LOOK_AT, why=f"{listed(names)}: {why}", link=link,
                      code=code, layers=names, cost=cost)  # fmt: skip


def each(layers: Sequence[LayerProfile], line: Callable[[LayerProfile], str]) -> str:
    """Return a line of code for each of the first layers that one can be given for."""
    return "\n".join(filter(None, map(line, layers[:_MOST_LINES])))


def in_a_line(error: BaseException) -> str:
    """Return what an exception says: its first line, or two where the first announces the next.

    What this package says of a mistake is a sentence as it is.
    """
    if isinstance(error, ConvProfileError):
        return str(error)[:_LONGEST]
    first, *more = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    said = f"{first} {more[0]}" if first.endswith(":") and more else first
    return f"it raised {type(error).__name__}{': ' if said else ''}{said[:_LONGEST]}"
