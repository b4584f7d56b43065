"""A time, measured several times."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median, quantiles

_MIN_HALVES = 4  # fewer replicates have no two halves with a median each


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A time, measured several times.

    Attributes:
        replicates_s: Every replicate, in the order measured [s].
        clock: 'wall', 'cpu' (time this thread spent on a processor) or 'cuda' (events).

    Raises:
        ValueError: If there is no replicate.
    """

    replicates_s: tuple[float, ...]
    clock: str = "wall"

    def __post_init__(self) -> None:
        if not self.replicates_s:
            raise ValueError("replicates_s: empty (got ()); a measurement has at least one")

    @property
    def median_s(self) -> float:
        """Median of the replicates [s]."""
        return median(self.replicates_s)

    @property
    def iqr_s(self) -> float:
        """Distance of the quartiles [s]; 0 for a single replicate."""
        if len(self.replicates_s) == 1:
            return 0.0
        low, _, high = quantiles(self.replicates_s, n=4, method="inclusive")
        return high - low

    @property
    def minimum_s(self) -> float:
        """Shortest replicate [s]."""
        return min(self.replicates_s)

    @property
    def count(self) -> int:
        """Number of replicates."""
        return len(self.replicates_s)

    @property
    def split_half(self) -> float | None:
        """Difference of the medians of even and odd replicates, relative to the median.

        `None` for fewer than four replicates, which tell nothing about their noise.
        """
        if self.count < _MIN_HALVES or not self.median_s:
            return None
        even, odd = median(self.replicates_s[::2]), median(self.replicates_s[1::2])
        return abs(even - odd) / self.median_s


def paired_ratio(first: Measurement | None, second: Measurement | None) -> float | None:
    """Return first over second, the median over pairs of replicates of the same round."""
    if first is None or second is None:
        return None
    pairs = zip(first.replicates_s, second.replicates_s, strict=False)
    ratios = [one / other for one, other in pairs if other]
    return median(ratios) if ratios else None
