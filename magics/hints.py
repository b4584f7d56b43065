"""What a message says about a wrong value: the value in short, and the near name."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST = 40  # characters of a value in a message


def short(value: object) -> str:
    """Return a value as it is written, or its type where that would be long."""
    text = repr(value)
    return text if len(text) <= _LONGEST and "\n" not in text else type(value).__name__


def near(name: str, known: Iterable[str], unlisted: Iterable[str] = ()) -> str:
    """Return what to do about a mistyped name.

    Args:
        name: What was typed.
        known: The names to choose from, in the order in which they are listed.
        unlisted: Other spellings, which are suggested only when near.
    """
    listed = list(known)
    close = nearest(name, [*sorted(listed), *unlisted])
    return f"did you mean {close}?" if close else f"choose from {', '.join(listed)}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return what a mistyped name most likely stands for, or `None` where nothing is near."""
    names = list(known)
    folded = {item.casefold(): item for item in reversed(names)}
    close = get_close_matches(name, names, n=1) or [
        folded[item] for item in get_close_matches(name.casefold(), folded, n=1)
    ]
    return close[0] if close else None
