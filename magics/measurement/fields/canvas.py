"""The graph being drawn: nodes for tensors, made once for each way of coming about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magics.measurement.fields.layout import LostError
from magics.theory.axis_maps import IDENTITY, AxisMap
from magics.theory.graph import Edge, Node

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_WORK = 200_000
"""Nodes looked up, united and read through maps, before the rest of a run is given up."""


class Canvas:
    """A graph of `magics.theory.graph` that grows; equal nodes are one.

    Args:
        size: Spatial sizes of the input looked at, which becomes the `source`.
    """

    def __init__(self, size: tuple[int, ...]) -> None:
        self.nodes: dict[int, Node] = {}
        self._worked = 0
        self._known: dict[tuple[tuple[int, ...], tuple[Edge, ...], str], int] = {}
        self._unions: dict[frozenset[int], int] = {}
        self.source = self._add(size, (), "source")
        self.nodes[self.source] = Node(self.source, size)

    def work(self, pieces: int = 1) -> None:
        """Count work done, so that what takes too long ends at the same point everywhere.

        Raises:
            LostError: If it is too much.
        """
        self._worked += pieces
        if self._worked > MAX_WORK:
            raise LostError(f"to follow it takes more than {MAX_WORK:,} steps of work")

    @property
    def axes(self) -> int:
        """Number of spatial axes."""
        return len(self.nodes[self.source].size)

    def size(self, node: int) -> tuple[int, ...]:
        """Return the spatial sizes of a node."""
        return self.nodes[node].size

    def nothing(self, size: tuple[int, ...]) -> int:
        """Return a node that doesn't depend on the input."""
        return self._add(size, (), "")

    def is_nothing(self, node: int) -> bool:
        """Return whether a node doesn't depend on the input."""
        return node != self.source and not self.nodes[node].inputs

    def apply(
        self, node: int, maps: Mapping[int, AxisMap], sizes: Mapping[int, int], note: str = ""
    ) -> int:
        """Return a node that reads another through one map per axis.

        Args:
            node: The node that is read.
            maps: By axis; the identity where left out.
            sizes: New sizes by axis; unchanged where left out.
            note: What to say about this node and all that follow.
        """
        self.work()
        old = self.size(node)
        size = tuple(sizes.get(axis, length) for axis, length in enumerate(old))
        if self.is_nothing(node):
            return self.nothing(size)
        each = tuple(maps.get(axis, IDENTITY) for axis in range(len(size)))
        if size == old and all(axis.is_identity for axis in each):
            return self._add(size, (Edge(node),), note) if note else node
        return self._add(size, (Edge(node, each),), note)

    def union(self, nodes: Iterable[int]) -> int:
        """Return a node that depends on all that some nodes of one size depend on."""
        self.work()
        every = frozenset(nodes)
        known = self._unions.get(every)
        if known is None:
            some = sorted(node for node in every if not self.is_nothing(node))
            if len(some) > 1:
                known = self._add(self.size(some[0]), tuple(map(Edge, some)), "")
            else:
                known = some[0] if some else min(every)
            self._unions[every] = known
        return known

    def joined(self, size: tuple[int, ...], edges: Iterable[Edge]) -> int:
        """Return a node of several edges; those to constants are left out."""
        return self._add(size, tuple(e for e in edges if not self.is_nothing(e.node)), "")

    def _add(self, size: tuple[int, ...], edges: tuple[Edge, ...], note: str) -> int:
        key = (size, edges, note)
        known = self._known.get(key)
        if known is None:
            known = len(self.nodes)
            self._known[key] = known
            self.nodes[known] = Node(known, size, edges, note)
        return known
