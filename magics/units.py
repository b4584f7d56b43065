"""How numbers become text: the only place that rounds.

A column of numbers shares one unit, so that sizes can be compared by eye; a number in a
sentence brings its own. Neither torch nor a renderer is known here.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from math import floor, inf, log10
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DIGITS = 3
"""Significant digits of a rounded number, unless told otherwise."""

_digits = ContextVar("digits", default=DIGITS)


@contextmanager
def rounding(digits: int | None) -> Iterator[None]:
    """Round to so many significant digits for a while; `None` leaves it as it is.

    Columns and percentages get as many decimals more or fewer.
    """
    before = _digits.set(digits or _digits.get())
    try:
        yield
    finally:
        _digits.reset(before)


def _decimals(usual: int) -> int:
    return max(0, usual + _digits.get() - DIGITS)


_DECIMAL = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_BINARY = ((1024.0**3, "GiB"), (1024.0**2, "MiB"), (1024.0, "KiB"), (1.0, "B"))
_TIME = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
MISSING = "\u2013"
"""What stands where nothing was measured or counted."""


@dataclass(frozen=True, slots=True)
class Scale:
    """One unit for a whole column.

    Attributes:
        factor: What one unit is, in the base unit.
        unit: What to write in the column's head.
        decimals: Digits after the point.
    """

    factor: float
    unit: str
    decimals: int

    def text(self, value: float | None) -> str:
        """Return the number in this unit, with this column's digits."""
        if value is None:
            return MISSING
        if value == 0:
            return "0"
        smallest = 10.0**-self.decimals
        scaled = value / self.factor
        if abs(scaled) < smallest / 2:
            return f"<{smallest:.{self.decimals}f}"
        return f"{scaled:,.{self.decimals}f}"


def _scale(values: Iterable[float | None], steps: tuple[tuple[float, str], ...]) -> Scale:
    known = [abs(value) for value in values if value]
    largest = max(known, default=0.0)
    place = next((number for number, step in enumerate(steps) if largest >= step[0]), -1)
    if known and place + 1 < len(steps) and median(known) < _VANISHING * steps[place][0]:
        place += 1  # half the column would be zeros and one digit
    factor, unit = steps[place]
    if factor == 1.0 and all(float(value).is_integer() for value in known):
        return Scale(factor, unit, 0)
    return Scale(
        factor,
        unit,
        _decimals(next(digits for limit, digits in _DECIMALS if largest < limit * factor)),
    )


_MANY = 100
_VANISHING = 0.02
_DECIMALS = ((10.0, 3), (1e3, 2), (inf, 1))  # below so many units, so many decimals


def count_scale(values: Iterable[float | None]) -> Scale:
    """Return the unit (none, k, M, G, T) for a column of counts."""
    return _scale(values, _DECIMAL)


def bytes_scale(values: Iterable[float | None]) -> Scale:
    """Return the unit (B, KiB, MiB, GiB) for a column of sizes in bytes."""
    return _scale(values, _BINARY)


def time_scale(values: Iterable[float | None]) -> Scale:
    """Return the unit (s, ms, µs, ns) for a column of times in seconds."""
    return _scale(values, _TIME)


def _single(
    value: float | None,
    steps: tuple[tuple[float, str], ...],
    digits: int | None,
    unit: str = "",
) -> str:
    if value is None:
        return MISSING
    digits = digits or _digits.get()
    # 999,999 is 1.00 M, not 1,000 k; but 1023 B is no KiB.
    rounded = value if steps is _BINARY else float(f"{value:.{digits - 1}e}")
    scale = _scale([rounded], steps)
    whole_number = scale.factor == 1.0 and float(rounded).is_integer()
    number = f"{value:,.0f}" if whole_number else significant(rounded / scale.factor, digits)
    return f"{number} {scale.unit}{unit}".rstrip()


def significant(value: float, digits: int = 3) -> str:
    """Return a number with so many significant digits, integers above them kept whole."""
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - floor(log10(abs(value))))
    return f"{value:,.{decimals}f}"


def count(value: float | None, unit: str = "", digits: int | None = None) -> str:
    """Return a count with a prefix: 1.81 G, or 167 GFLOP/s."""
    return _single(value, _DECIMAL, digits, unit)


def size(value: float | None, digits: int | None = None) -> str:
    """Return a size in bytes with its unit: 44.7 MiB."""
    return _single(value, _BINARY, digits)


def seconds(value: float | None, digits: int | None = None) -> str:
    """Return a time with its unit: 1.25 ms."""
    return _single(value, _TIME, digits)


def whole(value: int | None) -> str:
    """Return an integer with all its digits: 11,689,512."""
    return MISSING if value is None else f"{value:,}"


def percent(fraction: float | None, decimals: int = 1) -> str:
    """Return a share of 1 in percent: 98.7 %."""
    return MISSING if fraction is None else f"{100 * fraction:.{_decimals(decimals)}f} %"


def ratio(value: float | None, decimals: int = 3) -> str:
    """Return a ratio: 1.015x."""
    return MISSING if value is None else f"{value:.{_decimals(decimals)}f}x"


def power(value: float) -> str:
    """Return a number that may be very small: 2.3e-07."""
    return f"{value:.{_decimals(1)}e}"


def intensity(value: float | None) -> str:
    """Return FLOP per byte, without the unit: 24.1."""
    if value is None:
        return MISSING
    return f"{value:,.0f}" if value >= _MANY else f"{value:.1f}" if value else "0"


def shape(sizes: tuple[int, ...]) -> str:
    """Return a shape as it is typed: 8x3x224x224."""
    return "x".join(map(str, sizes)) if sizes else "scalar"
