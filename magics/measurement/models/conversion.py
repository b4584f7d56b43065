"""A model and its inputs in another dtype, layout or place, for a while."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from magics.measurement.models.lazy import stand_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LAYOUTS = {
    "contiguous": torch.contiguous_format,
    "channels_last": torch.channels_last,
    "channels_last_3d": torch.channels_last_3d,
}


def moved(value: Any, **how: Any) -> Any:  # noqa: ANN401, nested inputs of any kind
    """Return nested inputs with every tensor converted: dtype (floats only), device, layout."""
    if isinstance(value, torch.Tensor):
        return _converted(value, **how)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(moved(item, **how) for item in value))
    if isinstance(value, list | tuple):
        return type(value)(moved(item, **how) for item in value)
    if isinstance(value, dict):
        return {key: moved(item, **how) for key, item in value.items()}
    return value


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
    axes = {torch.channels_last: 4, torch.channels_last_3d: 5}
    if layout is not None and tensor.dim() == axes.get(layout, tensor.dim()):
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
