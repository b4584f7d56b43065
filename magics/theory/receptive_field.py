"""Receptive fields over a whole graph: which input positions a unit of a layer depends on.

Two answers, both exact:

- `graph.touched` follows one unit of one layer backwards, clipping to every map on
  the way; it equals the support of the gradient of that unit.
- `ReceptiveFields` describes every layer at once on an unbounded map, as the literature does
  (size, effective stride and padding, coverage). It goes forwards: along an axis, the
  positions that unit ``period * n + phase`` touches are ``shift * n`` plus a set that depends
  on the phase alone. Only transposed convolutions and resizing have more than one phase.

Where a layer has no description on an unbounded map (after global pooling, or where branches
of different strides meet), its field is that of its centre unit on the given input.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING, Any

from magics.theory.graph import Edge, Effort, Node, TooFarError, touched
from magics.theory.index_sets import Box, add_box, count, extent, projection
from magics.theory.periodic import Family, Table, add_family, origin_family

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_FAMILIES = 16
"""Families of boxes kept per layer; a layer with more is described on its own input."""


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """What one unit of a layer sees of the input.

    Attributes:
        size: Extent per axis on an unbounded map, the largest over all phases [positions].
        stride: Input positions per unit and axis; below 1 after upsampling; `None` where the
            units don't advance evenly.
        padding: Positions before the input that unit 0 reaches, per axis; `None` as above.
        coverage: Share of the positions in the extent that are touched [percent].
        centre_size: Extent per axis of the centre unit, on an unbounded map.
        bounded: The numbers are those of the centre unit on the given input, because there
            is no description on an unbounded map.
        whole: The extent is that of the whole input (global pooling, a linear layer).
        notes: What else to know.

    Source: Araujo, Norris and Sim, "Computing receptive fields of convolutional neural
    networks", Distill 2019, for size, effective stride and effective padding.
    """

    size: tuple[int, ...]
    stride: tuple[Fraction | None, ...]
    padding: tuple[int | None, ...]
    coverage: float
    centre_size: tuple[int, ...]
    bounded: bool = False
    whole: bool = False
    notes: tuple[str, ...] = ()

    @property
    def centre(self) -> tuple[Fraction | None, ...]:
        """Input position of the middle of unit 0, per axis."""
        return tuple(
            None if padding is None else Fraction(size - 1, 2) - padding
            for size, padding in zip(self.size, self.padding, strict=True)
        )


class ReceptiveFields:
    """The receptive field of every node of a graph with respect to one of its inputs.

    Args:
        graph: Nodes by identity, as `graph.graph_of` returns them.
        source: The input looked at.
    """

    def __init__(self, graph: Mapping[int, Node], source: int) -> None:
        self._graph = graph
        self._source = source
        self._families: dict[int, list[Family] | None] = {}
        self._notes: dict[int, tuple[str, ...]] = {}
        self._obstacles: dict[int, str] = {}
        self._spans: dict[int, tuple[bool, ...]] = {}  # axes pooled as a whole on the way
        self._seeing_all: set[int] | None = None
        self._effort = Effort()
        for node in graph.values():
            if node.id >= source:
                self._visit(node)

    def _visit(self, node: Node) -> None:
        if node.id == self._source:
            self._families[node.id] = [origin_family(len(node.size))]
            self._notes[node.id] = ()
            self._spans[node.id] = (False,) * len(node.size)
            return
        edges = [edge for edge in node.inputs if edge.node in self._notes]
        if not edges:
            return
        obstacle = node.obstacle
        notes: dict[str, None] = {}
        for edge in edges:
            obstacle = obstacle or self._obstacles.get(edge.node, "")
            notes.update(dict.fromkeys(self._notes[edge.node]))
        if node.note:
            notes[node.note] = None
        self._notes[node.id] = tuple(notes)
        self._spans[node.id] = tuple(
            any(
                self._spans[edge.node][axis] or (edge.maps and edge.maps[axis].whole)
                for edge in edges
            )
            for axis in range(len(node.size))
        )
        if obstacle:
            self._obstacles[node.id] = obstacle
        else:
            self._families[node.id] = self._joined(edges)

    def _joined(self, edges: list[Edge]) -> list[Family] | None:
        joined: list[Family] = []
        for edge in edges:
            families = self._families[edge.node]
            if families is None:
                return None
            for family in families:
                image = family.image(edge.maps)
                if image is None or not add_family(joined, image):
                    return None
        return joined if len(joined) <= MAX_FAMILIES else None

    def obstacle(self, node: int) -> str:
        """Return why a node has no receptive field; empty if it has one."""
        if node in self._obstacles:
            return self._obstacles[node]
        return "" if node in self._families else "doesn't depend on the input"

    def __getitem__(self, node: int) -> ReceptiveField | None:
        """Return a node's receptive field; `None` if `obstacle` has something to say."""
        if self.obstacle(node):
            return None
        families = self._families[node]
        if families is None:
            try:
                return self._on_this_input(node)
            except TooFarError as error:
                self._obstacles[node] = str(error)
                return None
        return self._unbounded(node, families)

    def _unbounded(self, node: int, families: list[Family]) -> ReceptiveField:
        size = self._graph[node].size
        axes = [
            Table.union([family.tables[axis] for family in families]) for axis in range(len(size))
        ]
        centre = tuple(length // 2 for length in size)
        boxes = _boxes_at(families, centre)
        centre_size = tuple(axis.at(unit).length for axis, unit in zip(axes, centre, strict=True))
        area = prod(centre_size)
        return ReceptiveField(
            size=tuple(max(part.length for part in axis.sets) for axis in axes),
            stride=tuple(Fraction(axis.shift, axis.period) for axis in axes),
            padding=tuple(-axis.at(0).start if axis.at(0).mask else None for axis in axes),
            coverage=100 * count(boxes) / area if area else 0.0,
            centre_size=centre_size,
            notes=self._notes[node],
        )

    def _on_this_input(self, node: int) -> ReceptiveField:
        size = self._graph[node].size
        centre = tuple(length // 2 for length in size)
        if self._seeing_all is None:
            self._seeing_all = self._find_those_seeing_all()
        boxes = self._touched(node, centre, seeing_all=self._seeing_all)
        extents = [extent(projection(boxes, axis)) for axis in range(len(size))]
        lengths = tuple(stop - start for start, stop in extents)
        area = prod(lengths)
        return ReceptiveField(
            size=lengths,
            stride=(None,) * len(size),
            padding=(None,) * len(size),
            coverage=100 * count(boxes) / area if area else 0.0,
            centre_size=lengths,
            bounded=True,
            whole=lengths == self._graph[self._source].size and all(self._spans[node]),
            notes=self._notes[node],
        )

    def _find_those_seeing_all(self) -> set[int]:
        """Return nodes each of whose units depends on the whole input, cheap ones to tell.

        After global pooling, or beside a branch that has it, a walk need not go further.
        """
        found: set[int] = set()
        everything = [tuple((1 << size) - 1 for size in self._graph[self._source].size)]
        for node in self._graph.values():
            for edge in node.inputs:
                if edge.node not in self._notes:
                    continue
                pooled = bool(edge.maps) and all(axis.whole for axis in edge.maps)
                spread = all(axis.whole or axis.is_identity or not axis.step for axis in edge.maps)
                if (edge.node in found and spread) or (
                    pooled and self._all_units(edge.node, found) == everything
                ):
                    found.add(node.id)
                    break
        return found

    def _all_units(self, node: int, known: set[int]) -> list[Box]:
        first = (0,) * len(self._graph[node].size)
        return self._touched(node, first, all_units=True, seeing_all=known)

    def _touched(self, node: int, unit: tuple[int, ...], **how: Any) -> list[Box]:  # noqa: ANN401, as for `touched`
        return touched(self._graph, node, unit, self._source, effort=self._effort, **how)


def _boxes_at(families: list[Family], unit: tuple[int, ...]) -> list[Box]:
    """Return what a unit touches as boxes over one common origin per axis."""
    parts = [
        [table.at(position) for table, position in zip(family.tables, unit, strict=True)]
        for family in families
    ]
    origins = [
        min((part.start for part in column if part.mask), default=0)
        for column in zip(*parts, strict=True)
    ]
    boxes: list[Box] = []
    for row in parts:
        if all(part.mask for part in row):
            add_box(
                boxes,
                tuple(part.mask << (part.start - o) for part, o in zip(row, origins, strict=True)),
            )
    return boxes


def receptive_field(
    graph: Mapping[int, Node],
    node: int,
    source: int | None = None,
) -> ReceptiveField | None:
    """Return the receptive field of one node; of many, ask one `ReceptiveFields`.

    Args:
        graph: Nodes by identity, as `graph.graph_of` returns them.
        node: The node asked about.
        source: The input looked at; the graph's first node when left out.

    Returns:
        The field, or `None` where an operation on the way can't be followed or the node doesn't
        depend on the input.
    """
    return ReceptiveFields(graph, min(graph) if source is None else source)[node]
