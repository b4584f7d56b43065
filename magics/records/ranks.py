"""What follows from times on several ranks: how far they lie apart, what waiting costs.

A training step is timed with and without synchronising, by turns, all ranks beginning each one
together. It ends when the slowest rank is done, so of every round the longest time counts; what
synchronising adds to that is the time lost to communication. Pairs of the same round are
compared, as in a comparison of models.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING

from magics.records.measurement import Measurement
from magics.records.ratio import Ratio, of_times

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magics.records.layer import LayerProfile

    Replicates = tuple[float, ...]

ALWAYS = 0.9
"""Share of the rounds in which a rank must be the slowest to count as always slower [1]."""


@dataclass(frozen=True, slots=True)
class Extent:
    """A time on every rank.

    Attributes:
        seconds: Its median on each rank [s].
        ratio: The slowest rank's time over the fastest's; `None` where it is lost in noise.
    """

    seconds: tuple[float, ...]
    ratio: Ratio | None

    @property
    def fastest(self) -> int:
        """Place of the fastest rank."""
        return self.seconds.index(min(self.seconds))

    @property
    def slowest(self) -> int:
        """Place of the slowest rank."""
        return self.seconds.index(max(self.seconds))

    @property
    def median_s(self) -> float:
        """Median over ranks [s]."""
        return median(self.seconds)

    @property
    def spread(self) -> float | None:
        """By how much the slowest takes longer than the fastest, as a share of the fastest."""
        shortest, longest = min(self.seconds), max(self.seconds)
        return longest / shortest - 1 if shortest > 0 else None

    @property
    def is_sure(self) -> bool:
        """Whether the slowest is surely slower than the fastest."""
        return self.ratio is not None and self.ratio.is_gain


@dataclass(frozen=True, slots=True)
class SpreadRow:
    """One layer on every rank.

    Attributes:
        layers: The layer on each rank.
        forward: Its forward, or `None` where it was not measured.
        backward: Its backward, or `None`.
    """

    layers: tuple[LayerProfile, ...]
    forward: Extent | None
    backward: Extent | None


@dataclass(frozen=True, slots=True)
class Communication:
    """What of a training step is communication.

    Attributes:
        step: The step of the slowest rank, round by round.
        alone: The same without synchronising.
        ratio: Step over alone; its interval contains 1 where no loss is sure.
        waiting_s: How long each rank has nothing to do until the slowest is done, synchronising
            or not; the median of all rounds [s].
        hidden: Share of the communication that goes on beside the backward and costs nothing,
            or `None` where the communication by itself was not measured.
    """

    step: Measurement
    alone: Measurement
    ratio: Ratio
    waiting_s: tuple[float, ...]
    hidden: float | None

    @property
    def share(self) -> float:
        """Share of the step that is lost to communication, 0 if synchronising seems faster."""
        return max(0.0, 1 - 1 / self.ratio.value)

    @property
    def interval(self) -> tuple[float, float]:
        """Ends of the share's interval; from 0 to 1 where nothing is known."""
        low, high = self.ratio.low, self.ratio.high
        return (max(0.0, 1 - 1 / low) if low else 0.0, max(0.0, 1 - 1 / high) if high else 0.0)

    @property
    def lost_s(self) -> float:
        """Time of a step that is lost to communication [s]."""
        return self.share * self.step.median_s


@dataclass(frozen=True, slots=True)
class Straggler:
    """A rank that is always slower.

    Attributes:
        place: Its place among the ranks.
        ratio: Its step over that of the median of the others, without synchronising.
        rounds: Share of the rounds in which it was the slowest.
    """

    place: int
    ratio: Ratio
    rounds: float


def communication(
    steps: Sequence[Replicates], alone: Sequence[Replicates], reduction: Measurement | None
) -> Communication | None:
    """Return what of a step is communication, or `None` where that is lost in noise.

    Args:
        steps: Steps with communication: for each rank, one time per round [s].
        alone: Steps without [s].
        reduction: Communication by itself, if it was measured.
    """
    step, without = _longest(steps), _longest(alone)
    ratio = of_times(step, without, paired=True)
    if ratio is None:
        return None
    waiting = tuple(
        median(most - own for most, own in zip(without.replicates_s, each, strict=True))
        for each in alone
    )
    found = Communication(step, without, ratio, waiting, None)
    if reduction is None or reduction.median_s <= 0:
        return found
    return replace(found, hidden=min(1.0, max(0.0, 1 - found.lost_s / reduction.median_s)))


def straggler(alone: Sequence[Replicates]) -> Straggler | None:
    """Return the rank that is always slower than the others, if there is one.

    Args:
        alone: Steps without communication: for each rank, one time per round [s].
    """
    if len(alone) < 2:  # noqa: PLR2004, one alone is not slower
        return None
    rounds = list(zip(*alone, strict=True))
    last = [each.index(max(each)) if each.count(max(each)) == 1 else None for each in rounds]
    place = max(range(len(alone)), key=last.count)
    others = tuple(median(each[:place] + each[place + 1 :]) for each in rounds)
    own, usual = Measurement(replicates_s=alone[place]), Measurement(replicates_s=others)
    ratio = of_times(own, usual, paired=True, claims=len(alone))
    share = last.count(place) / len(last)
    if ratio is None or not ratio.is_gain or share < ALWAYS:
        return None
    return Straggler(place, ratio, share)


def _longest(ranks: Sequence[Sequence[float]]) -> Measurement:
    """Return the longest time of each round."""
    return Measurement(replicates_s=tuple(map(max, zip(*ranks, strict=True))))


def extent(measured: Sequence[Measurement | None], claims: int) -> Extent | None:
    """Return a time on every rank, or `None` where one of them has none."""
    known = [one for one in measured if one]
    if not known or len(known) < len(measured):
        return None
    seconds = tuple(one.median_s for one in known)
    slowest = known[seconds.index(max(seconds))]
    fastest = known[seconds.index(min(seconds))]
    ratio = of_times(slowest, fastest, paired=False, claims=claims)
    return Extent(seconds, ratio)
