"""The table of a comparison: layers that correspond, side by side."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from magics import units
from magics.renderers.column import Column
from magics.renderers.ratio_words import ends
from magics.renderers.table import label, what

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magics.records import Comparison, LayerProfile, MatchedLayers, Ratio, Ratios

_GAP = "\u2013"


def columns(comparison: Comparison, longest: int = 40) -> list[Column]:
    """Return the columns; those without anything to say are left out.

    Args:
        comparison: What to show.
        longest: Places for a layer's name.
    """
    rows = comparison.rows
    found = [
        _said("layer", [_named(row, longest) for row in rows], "total", number=False),
        _said("kind", [_kinds(row) for row in rows], number=False, rank=2),
    ]
    found += _counts(comparison, rows)
    for head, rank in (("forward", 0), ("backward", 1)):
        found += _times(comparison, rows, head, rank)
    return [column for column in found if column.head == "layer" or any(column.cells)]


def _said(  # noqa: PLR0913, what a column is
    head: str,
    cells: Sequence[str],
    total: str = "",
    *,
    unit: str = "",
    number: bool = True,
    rank: int = 0,
) -> Column:
    return Column(head, unit, tuple(cells), total, number=number, rank=rank)


def _named(row: MatchedLayers, longest: int) -> str:
    names = dict.fromkeys(label(layer, longest) for layer in row.layers if layer)
    return " | ".join(names)


def _kinds(row: MatchedLayers) -> str:
    return " | ".join(dict.fromkeys(what(layer) for layer in row.layers if layer))


def _counts(comparison: Comparison, rows: Sequence[MatchedLayers]) -> list[Column]:
    every = [layer.macs for row in rows for layer in row.layers if layer]
    scale = units.count_scale(every)
    found = []
    for place, letter in enumerate(comparison.letters):
        cells = tuple(_text(row.layers[place], scale) for row in rows)
        whole = scale.text(comparison.profiles[place].total.macs)
        found.append(Column(f"{letter} MACs", scale.unit, cells, whole, rank=3))
    for place, letter in enumerate(comparison.letters[1:], 1):
        ratios = [_ratio(row.ratios[place - 1], "macs") for row in rows]
        total = _ratio(comparison.total[place - 1], "macs")
        found.append(_column(f"MACs {comparison.letters[0]}/{letter}", ratios, total, rank=4))
    return found


def _text(layer: LayerProfile | None, scale: units.Scale) -> str:
    if layer is None:
        return _GAP
    return scale.text(layer.macs) if layer.macs else ""


def _times(
    comparison: Comparison, rows: Sequence[MatchedLayers], head: str, rank: int
) -> list[Column]:
    totals = [getattr(profile.total, head) for profile in comparison.profiles]
    if not any(totals):
        return []
    every = [_median(row, head) for profile in comparison.profiles for row in profile.rows]
    scale = units.time_scale(every)  # one for all, so that they can be compared by eye
    found = []
    for place, letter in enumerate(comparison.letters):
        seconds = [_median(row.layers[place], head) for row in rows]
        cells = [scale.text(value) if value else "" for value in seconds]
        whole = scale.text(totals[place].median_s) if totals[place] else ""
        found.append(_said(f"{letter} {head}", cells, whole, unit=scale.unit, rank=rank))
    for place, letter in enumerate(comparison.letters[1:], 1):
        ratios = [_ratio(row.ratios[place - 1], head) for row in rows]
        total = _ratio(comparison.total[place - 1], head)
        name = f"{comparison.letters[0]}/{letter}"
        found += [
            _column(name, ratios, total, rank=rank),
            _said("interval", [_ends(ratio) for ratio in ratios], _ends(total), rank=rank + 1),
            _said(f"{letter} is", [_word(ratio) for ratio in ratios], _word(total),
                  number=False, rank=rank),
        ]  # fmt: skip
    return found


def _median(layer: LayerProfile | None, head: str) -> float | None:
    measured = getattr(layer, head, None)
    return measured.median_s if measured else None


def _ratio(ratios: Ratios | None, name: str) -> Ratio | None:
    return getattr(ratios, name, None)


def _column(head: str, ratios: Sequence[Ratio | None], total: Ratio | None, *, rank: int) -> Column:
    cells = [_factor(ratio) for ratio in ratios]
    return _said(head, cells, _factor(total), rank=rank)


def _factor(ratio: Ratio | None) -> str:
    return units.ratio(ratio.value, 2) if ratio else ""


def _ends(ratio: Ratio | None) -> str:
    if ratio is None:
        return ""
    if not isfinite(ratio.high):
        return "unknown"
    return ends(ratio.low, ratio.high)


def _word(ratio: Ratio | None) -> str:
    if ratio is None:
        return ""
    return "faster" if ratio.is_gain else "slower" if ratio.is_loss else ""
