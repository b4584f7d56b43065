"""A graph of tensors, and the walk backwards from one unit of one of them.

A node is a tensor; an edge says how its axes depend on those of the tensor it came from.
Channels are taken together, and so are zero and non-zero weights. Axes are spatial; a graph
has the same number of them everywhere, and an axis that was pooled away keeps the size 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from magics.theory.index_sets import Box, add_box

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from magics.theory.axis_maps import AxisMap


@dataclass(frozen=True, slots=True)
class Edge:
    """One input of a node.

    Attributes:
        node: Identity of the node that the input comes from.
        maps: One map per axis; empty for an elementwise operation.
    """

    node: int
    maps: tuple[AxisMap, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """One tensor of a graph and how it came about.

    Attributes:
        id: Identity; larger than those of the node's inputs.
        size: Spatial sizes of the tensor.
        inputs: Where it came from; empty for an input of the graph or a constant.
        note: Said about this node and every node after it.
        obstacle: Why the operation can't be followed; empty when it can.
    """

    id: int
    size: tuple[int, ...]
    inputs: tuple[Edge, ...] = ()
    note: str = ""
    obstacle: str = ""


Graph = dict[int, Node]

MAX_STEPS = 500_000
"""Boxes that are followed through an edge, in all walks together, before fields are given up."""


class TooFarError(Exception):
    """Walks over a graph have taken too many steps; says so in words."""


class Effort:
    """How many steps walks have taken: counted, so that they end at the same point everywhere."""

    def __init__(self) -> None:
        self._steps = 0

    def take(self, steps: int) -> None:
        """Count steps.

        Raises:
            TooFarError: If they are too many.
        """
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise TooFarError(f"to follow it back takes more than {MAX_STEPS:,} steps")


def graph_of(nodes: Iterable[Node]) -> Graph:
    """Return a graph of nodes.

    Raises:
        ValueError: If two nodes share an identity, or a node comes before one of its inputs.
    """
    graph: Graph = {}
    for node in sorted(nodes, key=lambda node: node.id):
        if node.id in graph:
            raise ValueError(f"graph_of: node {node.id} appears twice; give each its own id")
        for edge in node.inputs:
            if edge.node not in graph:
                raise ValueError(
                    f"graph_of: node {node.id} reads node {edge.node}, which is not before it; "
                    f"number the nodes in the order in which they run",
                )
        graph[node.id] = node
    return graph


def touched(  # noqa: PLR0913, the walk and what may shorten it
    graph: Mapping[int, Node],
    node: int,
    unit: tuple[int, ...],
    source: int,
    *,
    all_units: bool = False,
    seeing_all: Container[int] = (),
    effort: Effort | None = None,
) -> list[Box]:
    """Return the positions of an input that one unit of a node depends on.

    Args:
        graph: Nodes by identity.
        node: The node that the unit belongs to.
        unit: Position of the unit, one number per axis.
        source: The input looked at.
        all_units: Ask about all units of the node together, whatever `unit` is.
        seeing_all: Nodes each of whose units is known to depend on the whole input.
        effort: What other walks have taken already; without it, there is no limit.

    Returns:
        A union of boxes, each a set of positions per axis (see `index_sets`); empty if the
        unit doesn't depend on the input.

    Raises:
        TooFarError: If the walks take too many steps.

    Source: the definition, applied from the unit backwards: a convolution's input positions
    ``u * s - p + q * d``, a transposed one's ``(u + p - q * d) / s``, clipped to the map.
    """
    start = tuple(1 << position for position in unit)
    if all_units:
        start = _whole(graph[node].size)
    pending: dict[int, list[Box]] = {node: [start]}
    queue = [-node]
    while queue:
        current = -heappop(queue)
        boxes = pending.pop(current)
        if current == source:
            return boxes
        if boxes and current in seeing_all:
            return [_whole(graph[source].size)]
        for edge in graph[current].inputs:
            if edge.node < source:
                continue
            if edge.node not in pending:
                pending[edge.node] = []
                heappush(queue, -edge.node)
            if effort is not None:
                effort.take(len(boxes))
            for box in boxes:
                add_box(pending[edge.node], _image(edge, box, graph[edge.node].size))
    return []


def _whole(size: tuple[int, ...]) -> Box:
    return tuple((1 << length) - 1 for length in size)


def _image(edge: Edge, box: Box, size: tuple[int, ...]) -> Box:
    if not edge.maps:
        return box
    axes = zip(edge.maps, box, size, strict=True)
    return tuple(axis.image(mask, length) for axis, mask, length in axes)
