"""Calls of layers, added up while they happen: memory doesn't grow with their number."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from magics import theory
from magics.measurement.operators import known_backward
from magics.theory import Cost

if TYPE_CHECKING:
    from magics.theory import Layer

_SAMPLE = 512
"""Times of single calls that are kept, for their median."""

_MOST_SHAPES = 16
"""Shapes of one layer's input that are told apart."""


@dataclass(slots=True)
class Times:
    """A sum of times, and every n-th of them; n doubles whenever they become too many."""

    total_ns: int = 0
    count: int = 0
    sample: list[int] = field(default_factory=list)
    _every: int = 1

    def add(self, nanoseconds: int) -> None:
        """Add the time of a call [ns]."""
        self.total_ns += nanoseconds
        if self.count % self._every == 0:
            self.sample.append(nanoseconds)
            if len(self.sample) >= _SAMPLE:
                del self.sample[1::2]
                self._every *= 2
        self.count += 1


@dataclass(slots=True)
class Entry:
    """All calls of one layer.

    Attributes:
        name: Path, or ``path.function()``.
        kind: Kind of layer.
        type: Class of the module, or name of the function.
        params: Parameters used here first.
        note: What the reader should know.
        layer: The first call read as a layer, where it is one.
        input_shape: Shape of the first call's input.
        output_shape: Shape of its output.
        dtype: Element type of its output.
        output_bytes: Size of its output [bytes].
        shapes: Shapes of inputs, some of them.
        forward: Times of the calls.
        backward_ns: Time of all backwards, and of what they run again of the forward [ns].
        backwards: How many nodes of the backward ran.
        cost: Work of all calls.
        backward: Work that they cause in a backward.
        uncounted: Calls without a formula.
    """

    name: str
    kind: str
    type: str
    params: int = 0
    note: str = ""
    layer: Layer | None = None
    input_shape: tuple[int, ...] = ()
    output_shape: tuple[int, ...] = ()
    dtype: str = ""
    output_bytes: int = 0
    shapes: set[tuple[int, ...]] = field(default_factory=set)
    forward: Times = field(default_factory=Times)
    backward_ns: int = 0
    backwards: int = 0
    cost: Cost = field(default_factory=Cost)
    backward: Cost = field(default_factory=Cost)
    uncounted: int = 0

    def count(self, layer: Layer | None, input_shape: tuple[int, ...]) -> None:
        """Count the work of a call."""
        if len(self.shapes) < _MOST_SHAPES:
            self.shapes.add(input_shape)
        if layer is None:
            self.uncounted += 1
            return
        forward, backward = _costs(layer)
        self.cost += forward
        self.backward += backward


@dataclass(slots=True)
class Seen:
    """What was seen of a cell.

    Attributes:
        entries: Layers in the order of their first calls' ends.
        whole_ns: Time of the cell [ns].
        backward_ns: Time of the backward passes in it [ns].
        looking_ns: Time that looking took of it, what was measured of it [ns].
        params: Parameters of all modules that were called.
        modes: Whether modules were in train mode, by what they said.
        devices: Devices of what layers gave out.
    """

    entries: dict[object, Entry] = field(default_factory=dict)
    whole_ns: int = 0
    backward_ns: int = 0
    looking_ns: int = 0
    params: int = 0
    modes: set[bool] = field(default_factory=set)
    devices: set[str] = field(default_factory=set)


@lru_cache(maxsize=4096)
def _costs(layer: Layer) -> tuple[Cost, Cost]:
    return theory.cost(layer), known_backward(layer) or Cost()


def same_layer(layer: Layer | None) -> object:
    """Return what tells two layers of the same name apart: all but the size of the batch."""
    if layer is None:
        return None
    wide = layer.kind.startswith("conv")
    channels = (layer.input_shape[1], layer.output_shape[1]) if wide else ()
    window = (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
    return (layer.kind, window, layer.groups, channels)
