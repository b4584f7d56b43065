"""How many times one is the other, and how sure that is.

Replicates of two models that were measured in turns come in pairs: what the machine did
meanwhile it did to both. Their ratios' logarithms are averaged without the outer tenths, and
Student's distribution says how far off that may be. Replicates measured at different times
have no pairs; theirs are averaged apart. Both intervals are widened by what repeating the
whole measurement changes, which no replicate tells.

Source: Yuen, "The two-sample trimmed t for unequal population variances", Biometrika 61, 1974.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import cos, exp, inf, log, log1p, pi, sin, sqrt, tan
from statistics import fmean, median, variance
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magics.records.measurement import Measurement

LEVEL = 0.05
"""How often a comparison may claim anything at all that is not so [1]."""

PLACEMENT = 0.01
"""By how much two equal models differ that are measured in turns: where their tensors lie [1]."""

RUN_TO_RUN = 0.03
"""By how much a model's time differs from one quiet process to the next [1]."""

_UNKNOWN = log(1000)  # an interval as wide as this says nothing
_VAGUE = 4.0  # upper over lower end of an interval that tells neither a gain nor its absence
_MOST_FREEDOM = 200  # from here on, Student's distribution is as good as the normal one


@dataclass(frozen=True, slots=True)
class Ratio:
    """The first over the other: above 1, the other needs less.

    Attributes:
        value: The ratio.
        low: Lower end of its interval; 0 where nothing is known.
        high: Upper end; infinite where nothing is known. Counts have no spread: both are `value`.
    """

    value: float
    low: float
    high: float

    @property
    def is_gain(self) -> bool:
        """Whether the other surely needs less."""
        return self.low > 1

    @property
    def is_loss(self) -> bool:
        """Whether the other surely needs more."""
        return self.high < 1

    @property
    def is_vague(self) -> bool:
        """Whether it may as well be a large gain as none, or a large loss."""
        return self.low <= 1 <= self.high and self.high >= _VAGUE * self.low

    @property
    def is_exact(self) -> bool:
        """Whether it is a ratio of counts."""
        return self.low == self.high


def of_counts(first: int | None, other: int | None) -> Ratio | None:
    """Return the ratio of two counts, or `None` where one is missing or 0."""
    if not first or not other:
        return None
    value = first / other
    return Ratio(value, value, value)


def of_times(
    first: Measurement | None, other: Measurement | None, *, paired: bool, claims: int = 1
) -> Ratio | None:
    """Return the ratio of two times, or `None` where one is missing or lost in noise.

    Args:
        first: The time on top.
        other: The time below.
        paired: Both were measured in turns: the ratio is the median of the pairs' ratios.
        claims: How many ratios share `LEVEL` (Bonferroni).
    """
    if first is None or other is None:
        return None
    on_top, below = list(first.replicates_s), list(other.replicates_s)
    if paired:
        count = min(len(on_top), len(below))
        on_top, below = on_top[:count], below[:count]
    if min(*on_top, *below) <= 0:
        return _unsure(median(on_top), median(below))
    logs, other_logs = list(map(log, on_top)), list(map(log, below))
    if paired:
        differences = [one - two for one, two in zip(logs, other_logs, strict=True)]
        centre, half = median(differences), _paired(differences, claims)
        mean = _trimmed(differences)[0]
    else:
        centre, half = median(logs) - median(other_logs), _apart(logs, other_logs, claims)
        mean = _trimmed(logs)[0] - _trimmed(other_logs)[0]
    if half is None or half > _UNKNOWN:
        return Ratio(exp(centre), 0.0, inf)
    half += log1p(PLACEMENT if paired else RUN_TO_RUN)
    return Ratio(exp(centre), exp(min(centre, mean - half)), exp(max(centre, mean + half)))


def _unsure(first: float, other: float) -> Ratio | None:
    return Ratio(first / other, 0.0, inf) if first > 0 and other > 0 else None


def _paired(values: Sequence[float], claims: int) -> float | None:
    """Return half the length of the interval of a trimmed mean, `None` if there is none."""
    _, error, freedom = _trimmed(values)
    return student(freedom, LEVEL / claims) * sqrt(error) if freedom else None


def _apart(values: Sequence[float], others: Sequence[float], claims: int) -> float | None:
    """Return half the length of the interval of two trimmed means' difference."""
    _, error, freedom = _trimmed(values)
    _, other_error, other_freedom = _trimmed(others)
    if not freedom or not other_freedom:
        return None
    both = error + other_error
    if not both:
        return 0.0
    # Welch and Satterthwaite; rounded down, which is the careful side.
    joint = both**2 / (error**2 / freedom + other_error**2 / other_freedom)
    return student(max(1, int(joint)), LEVEL / claims) * sqrt(both)


def _trimmed(values: Sequence[float]) -> tuple[float, float, int]:
    """Return the mean without the outer tenths, its squared error, its degrees of freedom."""
    ordered = sorted(values)
    cut = len(ordered) // 10
    kept = ordered[cut : len(ordered) - cut]
    if len(kept) == 1:
        return kept[0], 0.0, 0
    drawn_in = [kept[0]] * cut + kept + [kept[-1]] * cut
    spread = variance(drawn_in) * (len(ordered) - 1)
    return fmean(kept), spread / (len(kept) * (len(kept) - 1)), len(kept) - 1


@cache
def student(freedom: int, outside: float) -> float:
    """Return how far Student's t strays with a probability of `outside`, to either side.

    Source: Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.7.3 and 26.7.4.
    """
    freedom = min(freedom, _MOST_FREEDOM)
    low, high = 0.0, pi / 2
    for _ in range(60):  # halvings, beyond which a float has no more digits
        angle = (low + high) / 2
        if 1 - _inside(angle, freedom) > outside:
            low = angle
        else:
            high = angle
    return tan(low) * sqrt(freedom)


def _inside(angle: float, freedom: int) -> float:
    """Return the probability that |t| is below tan(angle) times the root of `freedom`."""
    odd = freedom % 2
    term, total = cos(angle) if odd else 1.0, 0.0
    for power in range(odd + 2, freedom + 1, 2):
        total += term
        term *= cos(angle) ** 2 * (power - 1) / power
    total *= sin(angle)
    return 2 / pi * (angle + total) if odd else total
