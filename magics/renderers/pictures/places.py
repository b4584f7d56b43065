"""The axis of layers, and how numbers stand at an axis."""

from __future__ import annotations

from magics.renderers.svg import Axis

_FEW = 2  # layers: round numbers would fall between them


def places(count: int) -> Axis:
    """Return an axis of layers; between two of them there is no number."""
    return Axis(0.5, count + 0.5, at=(1.0, 2.0)[:count] if count <= _FEW else ())


def whole(value: float) -> str:
    """Write a whole number."""
    return f"{value:.0f}"


def plain(value: float) -> str:
    """Write a value, without digits that say nothing."""
    return f"{value:g}"
