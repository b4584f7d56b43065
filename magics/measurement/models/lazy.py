"""Lazy layers, whose shapes are known only after a first run, given shapes for a while."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch.nn.parameter import UninitializedParameter, is_lazy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import torch
    from torch import nn

NOTE = (
    "Lazy layers took their shapes from this input while they were profiled; "
    "the model itself still waits for its first run."
)


def waiting(modules: Mapping[str, nn.Module]) -> list[nn.Module]:
    """Return the modules that wait for their shapes."""
    return [
        module
        for module in modules.values()
        if any(is_lazy(tensor) for own in _slots(module) for tensor in own.values())
    ]


def stand_ins(modules: Iterable[nn.Module]) -> dict[int, torch.Tensor]:
    """Return a stand-in for every tensor that waits for its shape, by its id.

    As the memo of `copy.deepcopy`: not all such tensors can be copied by it.
    """
    return {
        id(tensor): stand_in(tensor)
        for module in modules
        for own in _slots(module)
        for tensor in own.values()
        if is_lazy(tensor)
    }


@contextmanager
def materialised(modules: list[nn.Module], run: Callable[[], object]) -> Iterator[None]:
    """Let modules take their shapes from one run, and make them wait again afterwards.

    A module changes its class when it gets its shapes, and its tensors become others in place;
    so it works with stand-ins. Hooks and attributes are not looked after here.

    Args:
        modules: What `waiting` returned.
        run: Runs the model once.
    """
    classes = [(module, type(module)) for module in modules]
    slots = [
        (own, name, tensor)
        for module in modules
        for own in _slots(module)
        for name, tensor in own.items()
        if is_lazy(tensor)
    ]
    try:
        for own, name, tensor in slots:
            own[name] = stand_in(tensor)
        if modules:
            run()
        yield
    finally:
        for module, kind in classes:
            module.__class__ = kind
        for own, name, tensor in slots:
            own[name] = tensor


def stand_in(tensor: Any, dtype: Any = None, device: Any = None) -> torch.Tensor:  # noqa: ANN401, torch's own arguments
    """Return another tensor that waits for its shape, alike or in another dtype or place."""
    how = {"dtype": dtype or tensor.dtype, "device": device or tensor.device}
    if isinstance(tensor, UninitializedParameter):
        how["requires_grad"] = tensor.requires_grad
    new: torch.Tensor = type(tensor)(**how)
    return new


def _slots(module: nn.Module) -> tuple[dict[str, Any], dict[str, Any]]:
    own = vars(module)
    return own.get("_parameters", {}), own.get("_buffers", {})  # a scripted one has none
