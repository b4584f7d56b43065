"""The nodes of a tensor's free elements: one for all, or an array of them.

Arrays are on the CPU whatever the caller's default device is; here alone they are made.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from magics.measurement.fields.canvas import Canvas

Labels = int | torch.Tensor


def array(nodes: Sequence[int]) -> torch.Tensor:
    """Return nodes as an array of one dimension."""
    return torch.tensor(nodes, device="cpu")


def filled(shape: Sequence[int], labels: Labels) -> torch.Tensor:
    """Return labels expanded to a shape of as many dimensions."""
    if isinstance(labels, int):
        return torch.full(tuple(shape), labels, device="cpu")
    return labels.expand(tuple(shape))


def compact(labels: Labels) -> Labels:
    """Return one node in place of an array that holds no other."""
    if isinstance(labels, int):
        return labels
    first = int(labels.reshape(-1)[0])
    if labels.numel() == 1 or bool((labels == first).all()):
        return first
    return labels


def mapped(labels: Labels, function: Callable[[int], int]) -> Labels:
    """Return labels in which every node is another."""
    if isinstance(labels, int):
        return function(labels)
    nodes, inverse = labels.unique(return_inverse=True)
    return compact(array([function(node) for node in nodes.tolist()])[inverse])


def united(canvas: Canvas, several: Sequence[Labels]) -> Labels:
    """Return the unions of labels, element by element."""
    if all(isinstance(item, int) for item in several):
        return canvas.union(int(item) for item in several)
    arrays = torch.broadcast_tensors(
        *(filled((), item) if isinstance(item, int) else item for item in several)
    )
    canvas.work(len(arrays) * arrays[0].numel() // ELEMENTS)
    # Sets of nodes are numbered; each further array makes pairs of set and node.
    count = len(canvas.nodes)
    nodes, which = arrays[0].unique(return_inverse=True)
    sets = [{node} for node in nodes.tolist()]
    for each in arrays[1:]:
        pairs, which = (which * count + each).unique(return_inverse=True)
        sets = [sets[pair // count] | {pair % count} for pair in pairs.tolist()]
    return compact(array([canvas.union(nodes) for nodes in sets])[which])


ELEMENTS = 64
"""Elements of an array whose handling counts as one piece of work."""


def united_along(canvas: Canvas, labels: torch.Tensor, at: int) -> torch.Tensor:
    """Return labels with the union of all along one dimension, which becomes 1."""
    canvas.work(labels.numel() // ELEMENTS)
    rows = labels.movedim(at, -1)
    outer = rows.shape[:-1]
    nodes = [canvas.union(row) for row in rows.reshape(prod(outer), -1).tolist()]
    return array(nodes).reshape(outer).unsqueeze(at)
