"""Very deep models: cheap neighbours share a row, so that a table stays readable and adds up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magics.records.summing import together

if TYPE_CHECKING:
    from magics.records import LayerProfile, Profile

MOST_ROWS = 200
"""Layers up to which every one has its row."""

_KEPT = 80


def rows(profile: Profile) -> tuple[LayerProfile, ...]:
    """Return the rows to show: all, or the most expensive ones and sums of those between."""
    layers = profile.layers
    if len(layers) <= MOST_ROWS:
        return profile.rows
    places = sorted(range(len(layers)), key=lambda place: cost(layers[place]), reverse=True)
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


def cost(layer: LayerProfile) -> tuple[float, int, int]:
    """Return what layers are ordered by: time, else work."""
    seconds = layer.forward.median_s if layer.forward else 0.0
    return seconds, layer.macs, layer.bytes_moved


def _together(layers: list[LayerProfile]) -> list[LayerProfile]:
    return [together(layers, f"… {len(layers)} layers")] if len(layers) > 1 else layers
