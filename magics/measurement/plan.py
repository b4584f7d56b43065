"""The rows of a profile to be, before anything is measured."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from magics.theory import Cost

if TYPE_CHECKING:
    from magics.measurement.calling.calls import Call
    from magics.theory import Layer

Key = tuple[str, int]


@dataclass(slots=True)
class Row:
    """One row to be: a call, its kind and its work.

    Attributes:
        name: Path, or ``path.function()``.
        call_index: 0 for the first call of this name.
        kind: Kind of layer.
        type: Class of the module, or name of the function.
        call: The call that the row is about.
        layer: The call read as a layer, where it is one.
        cost: Work of the forward.
        backward: Work of the backward.
        params: Parameters used here first.
        timed: Whether a time can be had.
        note: What the reader should know.
    """

    name: str
    call_index: int
    kind: str
    type: str
    call: Call
    layer: Layer | None
    cost: Cost
    backward: Cost
    params: int = 0
    timed: bool = True
    note: str = ""

    @property
    def key(self) -> Key:
        """Name and call index, unique within a profile."""
        return (self.name, self.call_index)


@dataclass(slots=True)
class Plan:
    """The rows of one model on one input, and what is no row.

    Attributes:
        rows: One per call, in the order of the calls' ends.
        other: Work of everything else.
        other_backward: Work of everything else in the backward.
        other_params: Parameters that no row uses.
        uncounted: Calls of operators without a formula, by operator and place.
        modules: Paths of modules that are rows as a whole.
        functions: Layer functions that have rows of their own: name and calling namespaces.
        notes: What the reader should know about the input.
        operators: How often each operator ran, by name.
    """

    rows: list[Row] = field(default_factory=list)
    other: Cost = field(default_factory=Cost)
    other_backward: Cost = field(default_factory=Cost)
    other_params: int = 0
    uncounted: Counter[tuple[str, str]] = field(default_factory=Counter)
    modules: set[str] = field(default_factory=set)
    functions: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    operators: Counter[str] = field(default_factory=Counter)
