"""Very deep models: cheap neighbours share a row, so that a table stays readable and adds up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magics.records import LayerProfile, Measurement, Totals

if TYPE_CHECKING:
    from magics.records import Profile

MOST_ROWS = 200
"""Layers up to which every one has its row."""

_KEPT = 80


def rows(profile: Profile) -> tuple[LayerProfile, ...]:
    """Return the rows to show: all, or the most expensive ones and sums of those between."""
    layers = profile.layers
    if len(layers) <= MOST_ROWS:
        return profile.rows
    places = sorted(range(len(layers)), key=lambda place: _cost(layers[place]), reverse=True)
    kept = set(places[:_KEPT])
    found: list[LayerProfile] = []
    between: list[LayerProfile] = []
    for place, layer in enumerate(layers):
        if place not in kept:
            between.append(layer)
            continue
        found += [*_together(between), layer]
        between = []
    return (*found, *_together(between), profile.other)


def _cost(layer: LayerProfile) -> tuple[float, int, int]:
    seconds = layer.forward.median_s if layer.forward else 0.0
    return seconds, layer.macs, layer.bytes_moved


def _together(layers: list[LayerProfile]) -> list[LayerProfile]:
    if len(layers) <= 1:
        return layers
    sums = Totals.of(layers)
    return [
        LayerProfile(
            name=f"… {len(layers)} layers",
            kind="",
            params=sums.params,
            macs=sums.macs,
            elementwise_flops=sums.elementwise_flops,
            bytes_moved=sums.bytes_moved,
            saved_bytes=sum(layer.saved_bytes or 0 for layer in layers),
            forward=_added([layer.forward for layer in layers]),
            backward=_added([layer.backward for layer in layers]),
        ),
    ]


def _added(measured: list[Measurement | None]) -> Measurement | None:
    known = [item for item in measured if item]
    if not known:
        return None
    replicates = zip(*(item.replicates_s for item in known), strict=False)
    return Measurement(replicates_s=tuple(map(sum, replicates)), clock=known[0].clock)
