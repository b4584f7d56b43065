"""What makes a comparison less certain than its intervals say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magics.records.comparison import LETTERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from magics.records import Profile

_CIRCUMSTANCES = ("machine", "torch", "python", "threads", "clock", "mode", "dtype", "device",
                  "layout")  # fmt: skip


def about(profiles: Sequence[Profile], *, interleaved: bool) -> Iterator[str]:
    """Yield what a reader must know before trusting a ratio, a sentence each.

    Args:
        profiles: What is compared.
        interleaved: They were measured in turns.
    """
    shapes = {_without_types(profile.inputs): profile.inputs for profile in profiles}
    if len(shapes) > 1:
        yield f"The inputs differ: {' and '.join(shapes.values())}."
    if interleaved:
        clocks = {profile.plain.clock for profile in profiles if profile.plain}
        if len(clocks) > 1:
            yield f"Times were read from different clocks: {' and '.join(sorted(clocks))}."
    else:
        if any(profile.plain for profile in profiles):
            yield (
                "Measured at different times: what the machine did meanwhile is part of every "
                "ratio of times, and intervals know of the noise within each profile only."
            )
        for name in _CIRCUMSTANCES:
            values = dict.fromkeys(
                profile.environment[name] for profile in profiles if profile.environment.get(name)
            )
            if len(values) > 1:
                yield f"Measured in different circumstances: {name} {' and '.join(values)}."
    about: dict[str, list[str]] = {}
    for letter, profile in zip(LETTERS, profiles, strict=False):
        for text in profile.warnings:
            about.setdefault(text, []).append(letter)
    yield from (f"{', '.join(letters)}: {text}" for text, letters in about.items())


def _without_types(inputs: str) -> str:
    """Return the shapes in '1x3x8x8 float32': an element type may be what is compared."""
    return " ".join(word for word in inputs.split() if not word.startswith(("float", "bfloat")))
