"""Stretches of one axis stacked in their order: they are that axis again."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from magics.measurement.fields.labels import array, compact, filled
from magics.measurement.fields.layout import LOOSE, Atom, digit_map, slots
from magics.measurement.fields.places import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magics.measurement.fields.canvas import Canvas
    from magics.theory.axis_maps import AxisMap


def restacked(canvas: Canvas, places: Sequence[Place], dim: int) -> Place | None:
    """Return the place of tensors of one layout, put one after another where they are of size 1.

    Returns:
        The place, or `None` if they aren't stretches of one axis, in their order.
    """
    layout = places[0].layout
    known = [place.labels for place in places if not isinstance(place.labels, int)]
    shape = known[0].shape if known else ()
    loose = any(atom.axis == LOOSE for _, atom in slots(layout))
    if loose or any(labels.shape != shape for labels in known):
        return None
    rows = [filled(shape, place.labels).reshape(-1).tolist() for place in places]
    columns = list(zip(*rows, strict=True))
    found: dict[tuple[int, ...], int] = {}
    axis: int | None = None
    for column in dict.fromkeys(columns):
        whole = _whole(canvas, column)
        if whole is None or axis not in (None, whole[0]):
            return None
        axis, found[column] = whole
    if axis is None:
        return None
    own = canvas.size(columns[0][0])[axis]
    labels = compact(array([found[column] for column in columns]).reshape(shape))
    atom = Atom(axis, len(places), own)
    return Place((*layout[:dim], (atom,), *layout[dim + 1 :]), labels)


def _whole(canvas: Canvas, nodes: tuple[int, ...]) -> tuple[int, int] | None:
    """Return the axis of which nodes are stretches, and a node of them all."""
    inputs = [canvas.nodes[node].inputs for node in nodes]
    if any(len(edges) != 1 or not edges[0].maps for edges in inputs):
        return None
    if any(canvas.nodes[node].note for node in nodes):
        return None
    source = inputs[0][0].node
    maps = [edges[0].maps for edges in inputs]
    differ = [axis for axis, pair in enumerate(zip(*maps[:2], strict=True)) if pair[0] != pair[1]]
    if any(edges[0].node != source for edges in inputs) or len(differ) != 1:
        return None
    (axis,) = differ
    rest = (*maps[0][:axis], *maps[0][axis + 1 :])
    if any((*each[:axis], *each[axis + 1 :]) != rest for each in maps):
        return None
    size = canvas.size(nodes[0])
    step = _step([each[axis] for each in maps], size[axis])
    if not step:
        return None
    count = len(nodes) * size[axis]
    first = maps[0][axis].taps[0][0]
    each = dict(enumerate(maps[0]))
    each[axis] = digit_map([(count, step)], [], canvas.size(source)[axis], first)
    return axis, canvas.apply(source, each, {**dict(enumerate(size)), axis: count})


def _step(maps: list[AxisMap], size: int) -> int:
    """Return the distance of the positions that stretches take; 0 if they don't follow on."""
    if any(len(m.taps) != 1 or len(m.taps[0]) != 1 or m.edge != "drop" or m.whole for m in maps):
        return 0
    distances = {b.taps[0][0] - a.taps[0][0] for a, b in pairwise(maps)}
    distance = distances.pop()
    if distances or distance <= 0 or distance % size:
        return 0
    step = distance // size
    return step if size == 1 or all(m.step == step for m in maps) else 0
