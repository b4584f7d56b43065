"""The table of a spread over ranks: each layer's fastest, median and slowest time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magics import units
from magics.renderers.column import Column, texts
from magics.renderers.spread.words import slowest
from magics.renderers.table import label, what

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from magics.records import Spread
    from magics.records.ranks import Extent, SpreadRow


def columns(spread: Spread, longest: int = 40) -> list[Column]:
    """Return the columns; those without anything to say are left out.

    Args:
        spread: What to show.
        longest: Places for a layer's name.
    """
    rows = spread.rows
    found = [
        texts("layer", [label(row.layers[0], longest) for row in rows], ["total"]),
        texts("kind", [what(row.layers[0]) for row in rows], rank=3),
    ]
    for head, rank in (("forward", 0), ("backward", 1)):
        found += _times(spread, rows, head, rank)
    return [column for column in found if column.head == "layer" or any(column.cells)]


def _times(spread: Spread, rows: Sequence[SpreadRow], head: str, rank: int) -> list[Column]:
    extents = [getattr(row, head) for row in rows]
    whole: Extent | None = getattr(spread, head)
    # One unit for all three, so that they can be compared by eye.
    scale = units.time_scale(max(one.seconds) for one in extents if one)

    def numbers(name: str, values: Iterable[float | None], total: float | None, at: int) -> Column:
        cells = tuple("" if value is None else scale.text(value) for value in values)
        below = "" if total is None else scale.text(total)
        return Column(name, scale.unit, cells, below, rank=at)

    def each(part: str) -> tuple[list[float | None], float | None]:
        values = [_of(one, part) for one in (*extents, whole)]
        return values[:-1], values[-1]

    spreads = ["" if one is None else units.percent(one.spread) for one in (*extents, whole)]
    named = [
        slowest(spread, row, head) if one else "" for row, one in zip(rows, extents, strict=True)
    ]
    return [
        numbers(f"{head} fastest", *each("fastest"), rank + 1),
        numbers("median", *each("median"), rank + 4),
        numbers("slowest", *each("slowest"), rank),
        texts("by", named, [slowest(spread, None, head)], rank=rank),
        texts("spread", spreads[:-1], [spreads[-1]], number=True, rank=rank),
    ]


def _of(extent: Extent | None, part: str) -> float | None:
    if extent is None:
        return None
    if part == "median":
        return extent.median_s
    return min(extent.seconds) if part == "fastest" else max(extent.seconds)
