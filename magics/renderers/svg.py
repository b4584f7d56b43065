"""Small static drawings: axes, marks and words as SVG, readable on light and on dark.

A drawing stands in a page as a data URI, where it knows nothing of the page's theme. So it
has no background, and its words have a grey of the same contrast to white and to black.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from html import escape
from math import ceil, floor, isfinite, log10, sqrt
from typing import TYPE_CHECKING

from magics.renderers.column import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

INK = "#7B7B7B"
"""Grey with a contrast of about 4.3 to white and to JupyterLab's dark."""
GRID = "rgba(128,128,128,.25)"

# Each around (0, 0) [px], by matplotlib's names.
_MARKERS = {
    "o": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "s": "M-3.5-3.5h7v7h-7z",
    "D": "M0-5l4.5 5-4.5 5-4.5-5z",
    "^": "M0-4.5l4.5 8h-9z",
    "v": "M0 4.5l4.5-8h-9z",
    "X": "M-4-2l2-2 2 2 2-2 2 2-2 2 2 2-2 2-2-2-2 2-2-2 2-2z",
    "P": "M-1.3-4.3h2.6v3h3v2.6h-3v3h-2.6v-3h-3v-2.6h3z",
    "ring": "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0zM-4.8 0a4.8 4.8 0 1 1 9.6 0a4.8 4.8 0 1 1-9.6 0z",
    "dashes": "M-6-1h5v2h-5zM1-1h5v2h-5z",
}


@dataclass(frozen=True, slots=True)
class Axis:
    """Where a value lies between two ends, in proportion or by its logarithm.

    Attributes:
        low: The lower end.
        high: The upper end.
        log: By its logarithm.
        at: Where to write numbers, if not at round ones.
    """

    low: float
    high: float
    log: bool = False
    at: tuple[float, ...] = ()

    def share(self, value: float) -> float:
        """Return 0 at the low end, 1 at the high end."""
        if self.log:
            return log10(value / self.low) / log10(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self, most: int = 5) -> list[float]:
        """Return round numbers on the axis, at most about so many."""
        if self.at:
            return list(self.at)
        if self.log:
            first, last = ceil(log10(self.low) - 1e-9), floor(log10(self.high) + 1e-9)
            step = max(1, ceil((last - first + 1) / (most + 1)))
            return [10.0**power for power in range(first, last + 1, step)]
        rough = (self.high - self.low) / most
        power = 10.0 ** floor(log10(rough))
        width = next(factor for factor in (1, 2, 5, 10) if factor * power >= rough) * power
        first, last = ceil(self.low / width - 1e-9), floor(self.high / width + 1e-9)
        return [place * width for place in range(first, last + 1)]


def log_axis(values: Sequence[float], least: float = 1.0) -> Axis:
    """Return a logarithmic axis with room around positive values.

    Args:
        values: What it has to show.
        least: How many times as large its end is as its beginning, at least [1].
    """
    low, high = min(values) / 1.6, max(values) * 1.6
    more = max(1.0, sqrt(least * low / high))
    return Axis(low / more, high * more, log=True)


def linear_axis(values: Sequence[float]) -> Axis:
    """Return an axis from 0 to a little more than the largest value."""
    highest = max(values)
    return Axis(0.0, highest * 1.06 if highest > 0 and isfinite(highest) else 1.0)


@dataclass(slots=True)
class Canvas:
    """A drawing in the making."""

    width: int
    height: int
    parts: list[str] = field(default_factory=list)

    def words(self, x: float, y: float, text: str, anchor: str = "middle", more: str = "") -> None:
        """Write a text; `anchor` says which part of it stands at (x, y)."""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>'
            f"{escape(clean(text))}</text>",
        )

    def path(self, outline: str, fill: str = "none", stroke: str = "", more: str = "") -> None:
        """Draw an outline."""
        pen = f' stroke="{stroke}"' if stroke else ""
        self.parts.append(f'<path d="{outline}" fill="{fill}"{pen}{more}/>')

    def marks(self, shape: str, colour: str, places: Sequence[tuple[float, float]]) -> None:
        """Draw a mark at each place (x, y): one path whose every corner carries it."""
        name = f"m{len(self.parts)}"
        self.parts.append(
            f'<marker id="{name}" markerUnits="userSpaceOnUse" markerWidth="12" markerHeight="12" '
            f'viewBox="-6 -6 12 12"><path d="{_MARKERS[shape]}" fill="{colour}"/></marker>',
        )
        corners = [*places, places[-1]]  # a path of a single corner has no marks
        outline = "L".join(f"{x:.4g} {y:.4g}" for x, y in corners)
        at = "".join(f' marker-{end}="url(#{name})"' for end in ("start", "mid"))
        self.path(f"M{outline}", more=at)

    def legend(self, x: float, y: float, entries: Sequence[tuple[str, str, str]]) -> None:
        """Write (name, colour, marker) one after the other, in lines; the drawing ends below."""
        start = x
        for name, colour, shape in entries:
            room = 24 + 6.3 * len(name)
            if x > start and x + room > self.width:
                x, y = start, y + 15
            self.marks(shape, colour, [(x + 5, y - 4)])
            self.words(x + 14, y, name, "start")
            x += room + 6
        self.height = round(y + 8)

    def uri(self) -> str:
        """Return the drawing as the address of an image."""
        text = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}" '
            f'viewBox="0 0 {self.width} {self.height}" font-family="system-ui,sans-serif" '
            f'font-size="11" fill="{INK}">{"".join(self.parts)}</svg>'
        )
        return f"data:image/svg+xml;base64,{b64encode(text.encode('utf-8', 'replace')).decode()}"


@dataclass(frozen=True, slots=True)
class Panel:
    """A rectangle with two axes.

    Attributes:
        canvas: Where it is drawn.
        left: Its place [px].
        top: Its place [px].
        width: Its size without labels [px].
        height: Its size without labels [px].
        across: The axis to the right.
        up: The axis upwards.
    """

    canvas: Canvas
    left: float
    top: float
    width: float
    height: float
    across: Axis
    up: Axis

    def x(self, value: float) -> float:
        """Return a value's place from the left [px]."""
        return self.left + self.width * self.across.share(value)

    def y(self, value: float) -> float:
        """Return a value's place from the top [px]."""
        return self.top + self.height * (1 - self.up.share(value))

    def axes(
        self,
        across: str,
        up: str,
        text_across: Callable[[float], str],
        text_up: Callable[[float], str],
        most: int = 5,
    ) -> None:
        """Draw grid, numbers and the axes' names; an empty name leaves the axis' numbers out."""
        bottom, right = self.top + self.height, self.left + self.width
        grid = [f"M{self.left:.1f} {self.y(tick):.1f}H{right:.1f}" for tick in self.up.ticks(most)]
        for tick in self.up.ticks(most):
            self.canvas.words(self.left - 5, self.y(tick) + 4, text_up(tick), "end")
        if across:
            for tick in self.across.ticks():
                grid.append(f"M{self.x(tick):.1f} {self.top:.1f}V{bottom:.1f}")
                self.canvas.words(self.x(tick), bottom + 14, text_across(tick))
            self.canvas.words(self.left + self.width / 2, bottom + 30, across)
        self.canvas.path("".join(grid), stroke=GRID)
        self.canvas.path(f"M{self.left} {self.top}V{bottom}H{right}", stroke=INK)
        middle = self.top + self.height / 2
        turn = f' transform="rotate(-90 11 {middle:.1f})"'
        self.canvas.words(11, middle + 4, up, more=turn)
