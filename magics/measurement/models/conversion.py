"""A model and its inputs in another dtype, layout or place, for a while."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from magics.measurement.models.lazy import stand_in
from magics.measurement.models.nested import mapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LAYOUTS = {
    "contiguous": torch.contiguous_format,
    "channels_last": torch.channels_last,
    "channels_last_3d": torch.channels_last_3d,
}

_AXES = {torch.channels_last: 4, torch.channels_last_3d: 5}
"""How many axes a tensor has that can lie so."""


def moved(value: Any, **how: Any) -> Any:  # noqa: ANN401, nested inputs of any kind
    """Return nested inputs with every tensor converted: dtype (floats only), device, layout."""
    return mapped(value, lambda tensor: _converted(tensor, **how))


def layout_of(tensor: torch.Tensor) -> torch.memory_format:
    """Return how the elements of a tensor lie: channels last, or in the order of its axes."""
    if tensor.layout is torch.strided and not tensor.is_contiguous():
        for layout, axes in _AXES.items():
            if tensor.dim() == axes and tensor.is_contiguous(memory_format=layout):
                return layout
    return torch.contiguous_format


def _converted(
    tensor: torch.Tensor,
    dtype: torch.dtype | None = None,
    device: torch.device | None = None,
    layout: torch.memory_format | None = None,
) -> torch.Tensor:
    if tensor.is_inference() and torch.is_grad_enabled():
        tensor = tensor.clone()  # autograd saves no tensor made in inference mode
    if dtype is not None and tensor.is_floating_point():
        tensor = tensor.to(dtype)
    if device is not None:
        tensor = tensor.to(device)
    if layout is not None and tensor.dim() == _AXES.get(layout, tensor.dim()):
        tensor = tensor.contiguous(memory_format=layout)
    return tensor


@contextmanager
def converted(modules: Mapping[str, nn.Module], **how: Any) -> Iterator[None]:  # noqa: ANN401, passed on
    """Let modules work in another dtype, layout or place for a while.

    The original tensors are kept and put back, not converted back: nothing is rounded.
    """
    slots: list[tuple[dict[str, Any], str, torch.Tensor]] = []
    scripted: list[tuple[torch.Tensor, torch.Tensor]] = []
    cache: dict[int, torch.Tensor] = {}
    try:
        for module in modules.values():
            if isinstance(module, torch.jit.ScriptModule):  # its slots are out of reach
                for tensor in (*module.parameters(), *module.buffers()):
                    scripted.append((tensor, tensor.data))
                    tensor.data = _converted(tensor.data, **how)
                continue
            held: tuple[dict[str, Any], ...] = (module._parameters, module._buffers)
            for own in held:
                for name, value in own.items():
                    if value is None:
                        continue
                    slots.append((own, name, value))
                    if id(value) not in cache:
                        cache[id(value)] = _like(value, **how)
                    own[name] = cache[id(value)]
        yield
    finally:
        for own, name, value in slots:
            own[name] = value
        for tensor, data in scripted:
            tensor.data = data


def _like(tensor: torch.Tensor, **how: Any) -> torch.Tensor:  # noqa: ANN401, passed on
    if is_lazy(tensor):
        return stand_in(tensor, how.get("dtype"), how.get("device"))
    new = _converted(tensor.detach(), **how)
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(new, requires_grad=tensor.requires_grad)
    return new
