"""What the pictures of a sweep show, before it is drawn: one line for each value of an axis.

The report's drawings and the figures of matplotlib both draw these, so that they say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from magics import units
from magics.renderers.series import FAMILIES
from magics.renderers.sweep.findings import knees
from magics.renderers.sweep.table import cost
from magics.renderers.sweep.words import STATUS, at, line_name, place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from magics.records import Sweep, SweepPoint

_LOOKS = tuple((family.colour, family.marker) for family in FAMILIES[:-1])
_DOUBLING = 8  # largest over smallest value from which on an axis is logarithmic
_STEEP = 30  # the same for what is measured


@dataclass(frozen=True, slots=True)
class Mark:
    """A point of a line.

    Attributes:
        x: Its place on the main axis: the value, or its number where values are no numbers.
        y: What was measured, or predicted, in the base unit.
        knee: Whether it is the line's knee.
    """

    x: float
    y: float
    knee: bool = False


@dataclass(frozen=True, slots=True)
class Drawn:
    """A line of a picture.

    Attributes:
        name: The other axis' value; '' where there is a single line.
        colour: One that colour-blind readers can tell from the others.
        marker: Its shape, as matplotlib names it: colour is never the only difference.
        marks: What was measured.
        predicted: What was foretold, for measured points and others.
    """

    name: str
    colour: str
    marker: str
    marks: tuple[Mark, ...]
    predicted: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something that a picture shows along the main axis.

    Attributes:
        title: What it is.
        value: Its value at a point, in the base unit.
        scale: Chooses the unit.
        reading: Says in one line what a picture of it shows.
        words: Returns a value with its unit.
        best: Chooses the point that the reading is about.
        predicted: The value that was foretold, where it ever is.
        unit: The base unit, where the scale does not name it.
    """

    title: str
    value: Callable[[SweepPoint], float | None]
    scale: Callable[[Iterable[float | None]], units.Scale]
    reading: str
    words: Callable[[float | None], str]
    best: Callable[..., SweepPoint] = min
    predicted: Callable[[SweepPoint], float | None] | None = None
    unit: str = ""

    def axis(self, scale: units.Scale) -> str:
        """Return what to write at an axis, with the unit."""
        return f"{self.title[0].lower()}{self.title[1:]} [{f'{scale.unit} {self.unit}'.strip()}]"


THROUGHPUT = Quantity(
    "Throughput",
    lambda point: point.samples_per_s,
    units.count_scale,
    "Highest throughput at {place}: {value}",
    lambda value: units.count(value, " samples/s"),
    max,
    unit="samples/s",
)
TIME = Quantity(
    "Time per sample",
    cost,
    units.time_scale,
    "Least time at {place}: {value}",
    units.seconds,
)
MEMORY = Quantity(
    "Memory of a run",
    lambda point: point.peak_bytes,
    units.bytes_scale,
    "Most memory at {place}: {value}",
    units.size,
    max,
    lambda point: point.predicted_bytes,
)
QUANTITIES = {"throughput": THROUGHPUT, "time": TIME, "memory": MEMORY}


def drawn(sweep: Sweep, quantity: Quantity) -> list[Drawn]:
    """Return the lines that have something to show."""
    places, found = _places(sweep), []
    for number, (line, knee) in enumerate(zip(sweep.lines(), knees(sweep), strict=True)):
        marks, predicted = [], []
        for point in line:
            x = places[point.values[sweep.main.name]]
            value = quantity.value(point)
            if value:
                marks.append(Mark(x, value, point is knee))
            foretold = quantity.predicted(point) if quantity.predicted else None
            if foretold:
                predicted.append(Mark(x, foretold))
        colour, marker = _LOOKS[number % len(_LOOKS)]
        if marks or predicted:
            name = line_name(sweep, line)
            found.append(Drawn(name, colour, marker, tuple(marks), tuple(predicted)))
    return found


def ticks(sweep: Sweep) -> dict[float, str]:
    """Return the places on the main axis and what to write there."""
    return {x: at("", value).strip() for value, x in _places(sweep).items()}


def _places(sweep: Sweep) -> dict[int | str, float]:
    name = sweep.main.name
    values = dict.fromkeys(point.values[name] for point in sweep.points)
    if sweep.main.is_numeric:
        return {value: float(value) for value in sorted(values, key=float)}
    return {value: float(number) for number, value in enumerate(values)}


def is_logarithmic(sweep: Sweep) -> bool:
    """Return whether the main axis' values are so far apart that most would lie at one end."""
    values = list(_places(sweep).values())
    return sweep.main.is_numeric and min(values) > 0 and max(values) >= _DOUBLING * min(values)


def is_steep(lines: Iterable[Drawn]) -> bool:
    """Return whether what is shown differs so much that only logarithms show all of it."""
    values = [mark.y for line in lines for mark in (*line.marks, *line.predicted)]
    return max(values) > _STEEP * min(values)


def missing(sweep: Sweep) -> list[float]:
    """Return the places at which a point was not measured."""
    places = _places(sweep)
    name = sweep.main.name
    return sorted({places[p.values[name]] for p in sweep.points if p.status in STATUS})


def reading(sweep: Sweep, quantity: Quantity) -> str:
    """Say in one line what the picture of a quantity shows."""
    known = [point for point in sweep.points if quantity.value(point)]
    if not known:
        return ""
    chosen = quantity.best(known, key=quantity.value)
    value = quantity.words(quantity.value(chosen))
    return f"{quantity.reading.format(place=place(chosen), value=value)}."
