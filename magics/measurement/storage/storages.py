"""How long memory lives: every storage from the operator that made it until its release.

Seen at dispatch level, so on any device, meta too; what an operator needs and gives back
within itself (workspace) is not seen here but by the allocator.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from magics.measurement.calling.dispatch import OperatorObserver
from magics.measurement.calling.operators import tensors_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import torch

_FRESH = "aten::lift_fresh"  # what torch.tensor() made a moment ago comes in as its argument


class StorageTracker(OperatorObserver):
    """Counts the bytes of all storages made while it is active and not yet released.

    Memory that was there before, such as parameters and inputs, is not counted.

    Attributes:
        live: Bytes alive [bytes].
        peak: Most bytes alive so far [bytes].
    """

    supports_higher_order_operators = True

    def __init__(self, grown: Callable[[int], None], ran: Callable[[str], None]) -> None:
        """Prepare a tracker.

        Args:
            grown: Is told the bytes alive after each operator that made something.
            ran: Is told the name of each operator before it runs.
        """
        super().__init__()
        self.live = 0
        self.peak = 0
        self._grown, self._ran = grown, ran
        # Of each known storage: its bytes, `None` for one from before; and what waits for its end.
        self._known: dict[int, tuple[int | None, weakref.ref[Any]]] = {}

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401, part of torch's protocol
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401, part of torch's protocol
        kwargs = kwargs or {}
        name = func._schema.name if hasattr(func, "_schema") else str(func)
        self._ran(name)
        if name != _FRESH:
            for tensor in tensors_in((args, kwargs)):
                self._note(tensor, counted=False)
        result = func(*args, **kwargs)
        before = self.live
        for tensor in tensors_in(result):
            self._note(tensor, counted=True)
        if self.live > before:
            self.peak = max(self.peak, self.live)
            self._grown(self.live)
        return result

    def _note(self, tensor: torch.Tensor, *, counted: bool) -> None:
        storage = storage_behind(tensor)
        if storage is None:
            return
        place = storage._cdata
        size = storage.nbytes()
        known = self._known.get(place)
        if known is None:
            released = weakref.ref(storage, lambda _: self._released(place))
            self._known[place] = (size if counted else None, released)
            self.live += size if counted else 0
        elif known[0] is not None and known[0] != size:  # resized
            self.live += size - known[0]
            self._known[place] = (size, known[1])

    def _released(self, place: int) -> None:
        size, _ = self._known.pop(place)
        self.live -= size or 0


class SavedTensors:
    """Notices what autograd keeps for backward: each stretch of memory once, no parameters.

    Bytes are logical, elements times their size: a slice of a data set counts as the slice.
    """

    def __init__(self, parameters: Iterable[torch.Tensor]) -> None:
        storages = map(storage_behind, parameters)
        self._parameters = {storage._cdata for storage in storages if storage is not None}
        self._seen: dict[int, set[tuple[int, int]]] = {}
        self._ends: dict[int, weakref.ref[Any]] = {}

    def new_bytes(self, tensor: torch.Tensor) -> int:
        """Return the size of a tensor that is saved, 0 if it was saved before [bytes]."""
        size = tensor.numel() * tensor.element_size()
        storage = storage_behind(tensor)
        if storage is None:
            return size
        place = storage._cdata
        if place in self._parameters:
            return 0
        if place not in self._seen:
            self._seen[place] = set()
            # The address may be used again after the storage's end.
            self._ends[place] = weakref.ref(storage, lambda _: self._seen.pop(place, None))
        stretch = (int(tensor.storage_offset()), tensor.numel())
        if stretch in self._seen[place]:
            return 0
        self._seen[place].add(stretch)
        return size


def storage_behind(tensor: torch.Tensor) -> torch.UntypedStorage | None:
    """Return a tensor's storage, on the meta device too, or `None` where it has none."""
    try:
        return tensor.untyped_storage()
    except (RuntimeError, NotImplementedError, ValueError):  # sparse, opaque or lazy
        return None
