"""The picture of a comparison: what becomes of fewer MACs on their way to less time."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from magics import units
from magics.renderers.comparison import words
from magics.renderers.pictures import Picture
from magics.renderers.svg import INK, Axis, Canvas

if TYPE_CHECKING:
    from magics.records import Comparison
    from magics.renderers.comparison.words import Step

_WIDTH, _LEFT, _RIGHT, _BAR, _GAP, _TOP = 520, 190, 60, 18, 10, 10
_COUNTS, _TIMES = "#E69F00", "#0072B2"  # Okabe and Ito


def pictures(comparison: Comparison) -> list[Picture]:
    """Return a picture for each profile that has times to compare."""
    places = range(1, len(comparison.profiles))
    drawn = (_drawn(comparison, place, words.steps(comparison, place)) for place in places)
    return [picture for picture in drawn if picture]


def _drawn(comparison: Comparison, place: int, steps: list[Step]) -> Picture | None:
    if not steps:
        return None
    height = _TOP + len(steps) * (_BAR + _GAP) + 22
    canvas = Canvas(_WIDTH, height)
    ratio = steps[-1].ratio
    ends = [ratio.high] if ratio and isfinite(ratio.high) else []
    across = Axis(0.0, max([1.0, *(step.gain for step in steps), *ends]) * 1.02)
    room = _WIDTH - _LEFT - _RIGHT
    for number, step in enumerate(steps):
        top = _TOP + number * (_BAR + _GAP)
        long = room * across.share(step.gain)
        colour = _TIMES if step.ratio else _COUNTS
        canvas.path(f"M{_LEFT} {top}h{long:.1f}v{_BAR}h-{long:.1f}z", colour)
        canvas.words(_LEFT - 6, top + 13, step.name, "end")
        end = long
        if step.ratio and isfinite(step.ratio.high):
            low, high = (room * across.share(x) for x in (step.ratio.low, step.ratio.high))
            middle = top + _BAR / 2
            outline = f"M{_LEFT + low:.1f} {middle}H{_LEFT + high:.1f}"
            outline += "".join(f"M{_LEFT + x:.1f} {middle - 5}v10" for x in (low, high))
            canvas.path(outline, stroke=INK, more=' stroke-width="2"')
            end = max(long, high)
        canvas.words(_LEFT + end + 5, top + 13, units.ratio(step.gain, 2), "start")
    one = _LEFT + room * across.share(1.0)
    canvas.path(f"M{one:.1f} {_TOP - 4}V{height - 20}", stroke=INK,
                more=' stroke-dasharray="3 3"')  # fmt: skip
    canvas.words(one, height - 6, "1x: as fast")
    first, other = comparison.letters[0], comparison.letters[place]
    alt = f"Bars, {first} over {other}: " + ", ".join(
        f"{step.name} {units.ratio(step.gain, 2)}" for step in steps
    )
    verdict = words.verdict(comparison, place)
    left = [units.ratio(step.gain, 2) for step in steps]
    reading = f"Of {left[0]} in MACs {left[-1]} is left in time; each bar takes one more reason in."
    return Picture(f"From MACs to time: {first} over {other}", reading, f"{alt}. {verdict}",
                   canvas.uri(), _WIDTH, height)  # fmt: skip
