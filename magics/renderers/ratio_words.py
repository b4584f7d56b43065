"""Ratios and their intervals in words: how many fewer, how much faster, and how sure that is."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from magics import units

if TYPE_CHECKING:
    from magics.records import Ratio

_MOST_DECIMALS = 5


def counted(ratio: Ratio, noun: str) -> str:
    """Say how many fewer: '8.41x fewer MACs'; nothing where there are as many."""
    if ratio.value == 1:
        return ""
    factor = max(ratio.value, 1 / ratio.value)
    decimals = _decimals(factor)
    return f"{units.ratio(factor, decimals)} {'fewer' if ratio.value > 1 else 'more'} {noun}"


def timed(ratio: Ratio) -> str:
    """Say how much faster: a ratio whose interval contains 1 is no difference."""
    if ratio.is_gain or ratio.is_loss:
        return f"{times(ratio)} {'faster' if ratio.is_gain else 'slower'} ({interval(ratio)})"
    if not isfinite(ratio.high):
        return "not known to be faster or slower: too few rounds"
    if ratio.is_vague:
        return f"not known to be faster or slower: lost in noise ({interval(ratio)})"
    return f"neither faster nor slower beyond noise ({interval(ratio)})"


def times(ratio: Ratio) -> str:
    """Return a ratio as a factor above 1."""
    return units.ratio(max(ratio.value, 1 / ratio.value), 2)


def interval(ratio: Ratio) -> str:
    """Return the ends of an interval, as factors above 1 where both are below."""
    low, high = ratio.low, ratio.high
    return ends(1 / high, 1 / low) if ratio.is_loss else ends(low, high)


def ends(low: float, high: float) -> str:
    """Return the ends of an interval; of one without 1, with the digits that it takes to see so."""
    decimals = 2 if low <= 1 <= high else _decimals(low, high)
    return f"{units.ratio(low, decimals)} to {units.ratio(high, decimals)}"


def _decimals(*factors: float) -> int:
    """Return how many decimals it takes to see that factors are not 1; two at least."""
    decimals = 2
    while decimals < _MOST_DECIMALS and 1 in {round(factor, decimals) for factor in factors}:
        decimals += 1
    return decimals
