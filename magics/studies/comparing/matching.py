"""Which layers of two models correspond: by name, then by order, kind and shape."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magics.records import LayerProfile, Profile

_MOST_CELLS = 1_000_000  # of an alignment; beyond, layers are taken in order
_ALIKE = ("input_shape", "output_shape", "kernel_size", "stride", "groups", "params")

Match = tuple[int | None, ...]


def matched(profiles: Sequence[Profile]) -> tuple[Match, ...]:
    """Return rows of layers that correspond, in the first model's order.

    Returns:
        Per row the place of each model's layer, or `None` where it has none.
    """
    rows: list[Match] = [(place,) for place in range(len(profiles[0].layers))]
    for number, profile in enumerate(profiles[1:], 1):
        known = [_first(row, profiles) for row in rows]
        partners = _pairs(known, profile.layers)
        rows = [(*row, partners.get(place)) for place, row in enumerate(rows)]
        rows = _with_new(rows, number, len(profile.layers))
    return tuple(rows)


def _first(row: Match, profiles: Sequence[Profile]) -> LayerProfile:
    return next(
        profile.layers[place]
        for place, profile in zip(row, profiles, strict=False)
        if place is not None
    )


def _with_new(rows: list[Match], number: int, count: int) -> list[Match]:
    """Put in the layers that have no partner, each after the one that it follows in its model."""
    taken = {place for row in rows if (place := row[number]) is not None}
    after: dict[int | None, list[Match]] = defaultdict(list)
    before: int | None = None
    for place in range(count):
        if place in taken:
            before = place
        else:
            after[before].append((*(None,) * number, place))
    found = after[None]
    for row in rows:
        found += [row, *(after[row[number]] if row[number] is not None else ())]
    return found


def _pairs(first: Sequence[LayerProfile], other: Sequence[LayerProfile]) -> dict[int, int]:
    """Return the partner of each of the first's layers that has one."""
    found = _by_name(first, other)
    left = [place for place in range(len(first)) if place not in found]
    free = set(range(len(other))) - set(found.values())
    right = sorted(free)
    some, others = [first[place] for place in left], [other[place] for place in right]
    align = _aligned if len(some) * len(others) <= _MOST_CELLS else _in_order
    found |= {left[one]: right[two] for one, two in align(some, others)}
    return found


def _by_name(first: Sequence[LayerProfile], other: Sequence[LayerProfile]) -> dict[int, int]:
    """Return the pairs with the same name and kind.

    The number of a layer in a sequence is no name: one layer more before it, and it is another.
    Such a pair must be alike in all else too.
    """
    places = {(layer.name, layer.call_index): place for place, layer in enumerate(other)}
    found = {}
    for place, layer in enumerate(first):
        partner = places.get((layer.name, layer.call_index))
        if partner is None or other[partner].kind != layer.kind:
            continue
        numbered = any(part.isdigit() for part in layer.name.split("."))
        if not numbered or _likeness(layer, other[partner]) == len(_ALIKE):
            found[place] = partner
    return found


def _likeness(one: LayerProfile, two: LayerProfile) -> int:
    """Return how much two layers have in common, -1 for different kinds."""
    if (one.kind, one.type if one.kind == "other" else "") != (
        two.kind,
        two.type if two.kind == "other" else "",
    ):
        return -1
    return sum(getattr(one, name) == getattr(two, name) for name in _ALIKE)


def _aligned(first: Sequence[LayerProfile], other: Sequence[LayerProfile]) -> list[tuple[int, int]]:
    """Return the pairs, in order in both, that have the most in common.

    Source: Needleman and Wunsch, J. Mol. Biol. 48, 1970; gaps cost nothing.
    """
    best = [[0] * (len(other) + 1) for _ in range(len(first) + 1)]
    gains = [[_gain(one, two) for two in other] for one in first]
    for i in range(len(first) - 1, -1, -1):
        below, here, row = best[i + 1], best[i], gains[i]
        for j in range(len(other) - 1, -1, -1):
            here[j] = max(below[j], here[j + 1], below[j + 1] + row[j])
    pairs, i, j = [], 0, 0
    while i < len(first) and j < len(other):
        if gains[i][j] and best[i][j] == best[i + 1][j + 1] + gains[i][j]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs


def _gain(one: LayerProfile, two: LayerProfile) -> int:
    likeness = _likeness(one, two)
    same_name = one.name == two.name and one.call_index == two.call_index
    return likeness + 1 + same_name if likeness >= 0 else 0


def _in_order(
    first: Sequence[LayerProfile], other: Sequence[LayerProfile]
) -> list[tuple[int, int]]:
    """Return the first of a kind with the first of that kind, the second with the second."""
    waiting: dict[tuple[object, ...], deque[int]] = defaultdict(deque)
    for place, layer in enumerate(other):
        waiting[_signature(layer)].append(place)
    return [
        (place, waiting[key].popleft())
        for place, layer in enumerate(first)
        if waiting[key := _signature(layer)]
    ]


def _signature(layer: LayerProfile) -> tuple[object, ...]:
    return (layer.kind, layer.kernel_size, layer.groups, layer.output_shape[1:])
