"""Calls that were seen before: the same layer of torch's own, given the same shapes.

Such a call has the same work, and is the same row. To read it again would cost more than many a
layer takes, so that here only its number is kept.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from magics.measurement.cells.first_calls import shapes_of
from magics.measurement.cells.tally import costs, times

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from magics.measurement.cells.tally import Entry
    from magics.theory import Layer

_MOST = 4096


@dataclass(slots=True)
class Repeat:
    """A call that may come again.

    Attributes:
        module: What was called.
        entry: Its row.
        layer: What it is.
        calls: How often it came again.
    """

    module: weakref.ref[nn.Module]
    entry: Entry
    layer: Layer
    calls: int = 0


class Repeats:
    """Remembers calls of layers."""

    def __init__(self) -> None:
        self._known: dict[object, Repeat] = {}

    @staticmethod
    def key(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> object:
        """Return what a call's work depends on, or `None` where anything else may come in."""
        own = module.__dict__
        if (
            not type(module).__module__.startswith("torch.nn.modules.")
            or own["_forward_pre_hooks"]
            or own["_forward_hooks"]
            or "forward" in own
        ):
            return None
        shapes = shapes_of(args, kwargs)
        if shapes is None:
            return None
        weight = own["_parameters"].get("weight")
        kept = None if weight is None else (weight.shape, weight.requires_grad)
        settings = (own.get("stride"), own.get("groups"), own.get("padding"))
        return (id(module), shapes, own["training"], kept, settings)

    def find(self, key: object, module: nn.Module) -> Repeat | None:
        """Return what is known of a call."""
        known = self._known.get(key)
        return known if known is not None and known.module() is module else None

    def keep(self, key: object, module: nn.Module, entry: Entry, layer: Layer) -> None:
        """Remember a call."""
        if len(self._known) >= _MOST:
            self.settle()
        self._known[key] = Repeat(weakref.ref(module), entry, layer)

    def settle(self) -> None:
        """Add the work of repeated calls to their rows, and forget them."""
        for known in self._known.values():
            forward, backward = costs(known.layer)
            known.entry.cost += times(forward, known.calls)
            known.entry.backward += times(backward, known.calls)
        self._known.clear()
