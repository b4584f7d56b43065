"""Calls of layers, added up while they happen: memory doesn't grow with their number."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import TYPE_CHECKING

from magics import theory
from magics.measurement.calling.operators import known_backward
from magics.theory import Cost

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch.nn import Parameter

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


@dataclass(frozen=True, slots=True)
class Ran:
    """What ran in a call.

    Attributes:
        has_products: There were matrix products or convolutions.
        cost: Work of what has a formula.
        backward: Work that it causes in a backward.
        uncounted: Names of operators without a formula.
    """

    has_products: bool
    cost: Cost
    backward: Cost
    uncounted: tuple[str, ...]


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
        uncounted: Calls that could not be read.
        saved_bytes: What the first call keeps for the backward, if that is known [bytes].
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
    saved_bytes: int | None = None

    def count(
        self, layer: Layer | None, input_shape: tuple[int, ...], ran: Ran | None = None
    ) -> None:
        """Count the work of a call: that of what ran in it, or of the layer that it was."""
        if len(self.shapes) < _MOST_SHAPES:
            self.shapes.add(input_shape)
        if ran is not None:
            forward, backward = ran.cost, ran.backward
        elif layer is not None:
            forward, backward = costs(layer)
        else:
            self.uncounted += 1
            return
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
        calls_ns: Time of the calls of layers [ns].
        working_ns: What a processor worked on the threads that made them, meanwhile [ns].
        params: Parameters of all modules that were called.
        modes: Whether modules were in train mode, by what they said.
        devices: Devices of what layers gave out.
        channels_last: A layer gave out images in this layout.
        parameter_bytes: Size of the parameters [bytes].
        other: Work of functions that are no layers.
        other_saved_bytes: What their first calls keep for the backward [bytes].
        uncounted: How often operators without a formula ran, by name and place.
        compiled: Paths of compiled models that were called.
    """

    entries: dict[object, Entry] = field(default_factory=dict)
    whole_ns: int = 0
    backward_ns: int = 0
    looking_ns: int = 0
    calls_ns: int = 0
    working_ns: int = 0
    params: int = 0
    modes: set[bool] = field(default_factory=set)
    devices: set[str] = field(default_factory=set)
    channels_last: bool = False
    parameter_bytes: int = 0
    other: Cost = field(default_factory=Cost)
    other_saved_bytes: int = 0
    uncounted: Counter[tuple[str, str]] = field(default_factory=Counter)
    compiled: set[str] = field(default_factory=set)

    @property
    def contention(self) -> float:
        """Wall over processor time of the layers; 1 where nobody else worked on the machine."""
        return max(1.0, self.calls_ns / self.working_ns) if self.working_ns else 1.0

    def count_parameters(self, parameters: Iterable[Parameter]) -> None:
        """Count the parameters of a module."""
        for parameter in parameters:
            self.params += parameter.numel()
            self.parameter_bytes += parameter.numel() * parameter.element_size()

    def count_other(self, ran: Ran, path: str, calls: int = 1) -> None:
        """Count the work of calls of a function that is no layer, at a place."""
        if calls:
            self.other += times(ran.cost, calls)
            self.note_uncounted(ran, path, calls)

    def note_uncounted(self, ran: Ran, path: str, calls: int = 1) -> None:
        """Note what has no formula."""
        for name in ran.uncounted:
            self.uncounted[name, path] += calls


def times(cost: Cost, calls: int) -> Cost:
    """Return the work of so many calls."""
    return Cost(**{item.name: getattr(cost, item.name) * calls for item in fields(cost)})


@lru_cache(maxsize=4096)
def costs(layer: Layer) -> tuple[Cost, Cost]:
    """Return the work of a layer, and of its backward."""
    return theory.cost(layer), known_backward(layer) or Cost()


def same_layer(layer: Layer | None) -> object:
    """Return what tells two layers of the same name apart: all but the size of the batch."""
    if layer is None:
        return None
    wide = layer.kind.startswith("conv")
    channels = (layer.input_shape[1], layer.output_shape[1]) if wide else ()
    window = (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
    return (layer.kind, window, layer.groups, channels)
