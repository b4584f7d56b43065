"""What autograd keeps for the backward of a call, read off its nodes when the call has ended.

Nothing is hooked: what is read is what is there, so that the call and its backward stay as they
are.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.function import BackwardCFunction

from magics.measurement.calling.operators import tensors_in
from magics.measurement.storage.storages import SavedTensors

if TYPE_CHECKING:
    from collections.abc import Iterable

_SAVED = "_saved_"


class Kept:
    """Adds up what nodes keep: each stretch of memory once, no parameters."""

    def __init__(self) -> None:
        self._saved = SavedTensors(())

    def new_bytes(self, nodes: Iterable[Any]) -> int | None:
        """Return the size of what nodes keep and no earlier one did [bytes].

        `None` where somebody else decides what is kept: to look at it might compute it again.
        """
        hooks = getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", None)
        if hooks is None or hooks(False) is not None:  # noqa: FBT003, torch takes it by place
            return None
        return sum(
            self._saved.new_bytes(tensor)
            for node in nodes
            for tensor in _kept_by(node)
            if not _is_parameter(tensor)
        )


def _kept_by(node: Any) -> list[torch.Tensor]:  # noqa: ANN401, torch has no type for nodes
    try:
        if isinstance(node, BackwardCFunction):
            return tensors_in(node.saved_tensors)
        kind: type = type(node)
        return tensors_in([getattr(node, name) for name in _names(kind)])
    except RuntimeError:  # written to since, or given back already
        return []


def _is_parameter(tensor: torch.Tensor) -> bool:
    """Return whether a tensor is a parameter or a view of one, such as a transposed weight."""
    whole = tensor._base if tensor._is_view() else tensor
    return isinstance(whole, torch.nn.Parameter)


@lru_cache(maxsize=1024)
def _names(kind: type) -> tuple[str, ...]:
    return tuple(name for name in dir(kind) if name.startswith(_SAVED))
