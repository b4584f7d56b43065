"""What a sweep varies: axes, as they are written, and the values on them."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, fields
from math import prod
from operator import index
from typing import TYPE_CHECKING, Any

from magics.errors import InputError
from magics.hints import near, short
from magics.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Value = int | str

AXES = ("batch", "size", "channels", "groups", "dilation", "threads", "dtype", "layout", "device")
"""What a sweep can vary."""

GROWING = ("batch", "size", "channels")
"""Axes along which a model needs more and more memory."""

OF_PROFILE = ("threads", "dtype", "layout", "device")
"""Axes that are options of a profile, which takes one value of them."""

_OPEN = ("batch", "size", "channels", "threads")
"""Axes that can go on without a last value: some time memory ends, or the processors."""

_MOST_AXES = 2
_SIZE = re.compile(r"[1-9]\d*(x[1-9]\d*)*")
_DOTS = ("...", "\u2026")


@dataclass(frozen=True, slots=True)
class Axis:
    """What is varied.

    Attributes:
        name: Such as 'batch'.
        values: Those given, and those that follow from them where there is a last one.
        step: What comes after the last value; `None` where nothing does.
    """

    name: str
    values: tuple[Value, ...]
    step: Callable[[int], int] | None = None

    @property
    def is_numeric(self) -> bool:
        """Whether all values are numbers."""
        return all(isinstance(value, int) for value in self.values)


def read(given: dict[str, Any], is_of_model: Callable[[str], bool]) -> tuple[
    list[Axis], dict[str, Value], dict[str, Any]
]:  # fmt: skip
    """Split keywords into axes, values that hold for all points, and the rest.

    Args:
        given: What the user gave, in order.
        is_of_model: Whether the model itself takes an argument of a name.

    Raises:
        InputError: If a value makes no sense, or there are not one axis or two.
    """
    axes: list[Axis] = []
    fixed: dict[str, Value] = {}
    rest: dict[str, Any] = {}
    for name, value in given.items():
        values = several(value) if name in AXES else None
        if values is not None:
            axes.append(_axis(name, values))
        elif name in AXES and name not in OF_PROFILE and not is_of_model(name):
            if value is not None:
                fixed[name] = _value(name, value)
        else:
            rest[name] = value
    if not axes:
        known = {item.name for item in fields(Options)}
        meant = [name for name in rest if name not in known and several(rest[name])]
        if meant:
            raise InputError(
                f"{meant[0]}: no such axis (got {short(rest[meant[0]])}); {near(meant[0], AXES)}",
            )
    if not 1 <= len(axes) <= _MOST_AXES:
        names = ", ".join(axis.name for axis in axes) or "none"
        raise InputError(
            f"sweep: one axis or two (got {names}); give values such as batch=[1, 2, 4], "
            f"of {', '.join(AXES)}",
        )
    return axes, fixed, rest


def extent(name: str, value: Value, dimensions: int) -> int | None:
    """Return what memory is about linear in along an axis, `None` where it doesn't grow.

    Args:
        name: The axis.
        value: The value on it.
        dimensions: How many axes the size of an input has.
    """
    if name not in GROWING:
        return None
    if name == "size":
        return value**dimensions if isinstance(value, int) else prod(map(int, value.split("x")))
    return int(value)


def several(value: object) -> list[object] | None:
    """Return values where there are several, `None` for a single one."""
    if not isinstance(value, str) and callable(getattr(value, "tolist", None)):
        value = value.tolist()  # type: ignore[attr-defined]  # an array or tensor
    if isinstance(value, str):
        parts = [part.strip() for part in value.split(",")]
        return list(parts) if len(parts) > 1 else None
    return list(value) if isinstance(value, list | tuple | range) else None


def _axis(name: str, given: Sequence[object]) -> Axis:
    dots = [place for place, item in enumerate(given) if item is Ellipsis or item in _DOTS]
    values = [_value(name, item) for place, item in enumerate(given) if place not in dots]
    if not values:
        raise InputError(f"{name}: no values (got {short(list(given))}); give such as {name}="
                         f"{_EXAMPLES.get(name, '[1, 2, 4]')}")  # fmt: skip
    step = None
    if dots:
        step, last = _progression(name, given, values, dots)
        if last is not None:
            start = values[-2] if len(values) > 1 else values[-1]
            values[-1:] = [*_between(int(start), last, step), last]
            step = None
    twice = next((value for value, count in Counter(values).items() if count > 1), None)
    if twice is not None:
        raise InputError(f"{name}: a value twice (got {twice!r}); give each value once")
    return Axis(name, tuple(values), step)


_EXAMPLES = {"dtype": "['float32', 'bfloat16']", "layout": "['contiguous', 'channels_last']",
             "device": "['cpu', 'cuda']"}  # fmt: skip


def _progression(
    name: str, given: Sequence[object], values: Sequence[Value], dots: Sequence[int]
) -> tuple[Callable[[int], int], int | None]:
    """Return what comes after a value, and the last one if there is one.

    Raises:
        InputError: If it is not clear how the values go on.
    """
    (place, *more), count = dots, len(given)
    ahead = list(values[:place])
    shown = ", ".join("..." if item is Ellipsis else str(item) for item in given)
    if more or place < count - 2 or not ahead or not all(type(item) is int for item in values):
        raise InputError(
            f"{name}: '...' goes on from numbers, to a last one or without (got {shown}); "
            f"write such as 1,2,4,... or 1,2,4,...,64",
        )
    last = int(values[-1]) if place == count - 2 else None
    if last is None and name not in _OPEN:
        raise InputError(
            f"{name}: '...' needs a last value here (got {shown}); write such as 1,2,4,...,16",
        )
    numbers = [int(item) for item in ahead]
    pairs = list(itertools.pairwise([*numbers, *([last] if last is not None else [])]))
    if any(one >= other for one, other in pairs):
        raise InputError(
            f"{name}: '...' goes on upwards only (got {shown}); write such as 1,2,4,...",
        )
    if all(other == 2 * one for one, other in itertools.pairwise(numbers)):
        return (lambda value: 2 * value), last
    distance = numbers[-1] - numbers[-2]
    return (lambda value: value + distance), last


def _between(start: int, last: int, step: Callable[[int], int]) -> Iterator[int]:
    """Yield the values after one and before another."""
    value = step(start)
    while value < last:
        yield value
        value = step(value)


def _value(name: str, value: object) -> Value:
    """Return a value as it stands on an axis.

    Raises:
        InputError: If it makes no sense there.
    """
    if name in {"dtype", "layout", "device"}:
        if value is None:
            raise InputError(f"{name}: no value (got None); name one")
        read: str = getattr(Options(**{name: value}), name)  # type: ignore[arg-type]  # checked there
        return read
    text = str(value).strip() if isinstance(value, str) else value
    if name == "size":
        if isinstance(text, list | tuple) and all(type(item) is int for item in text):
            text = "x".join(map(str, text))
        if isinstance(text, str) and _SIZE.fullmatch(text) and "x" in text:
            return text
    if isinstance(text, str) and text.isdecimal():
        text = int(text)
    elif not isinstance(text, str | bool):
        with suppress(TypeError):
            text = index(text)  # type: ignore[arg-type]  # an integer of NumPy's, perhaps
    if type(text) is not int or text < 1:
        words = "a whole number from 1, or two such as 64x96" if name == "size" else (
            "a whole number from 1")  # fmt: skip
        raise InputError(f"{name}: must be {words} (got {short(value)}); mend the list of values")
    return text
