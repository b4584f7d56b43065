"""What a model takes apart from its runs: parameters, buffers, inputs, optimizer's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from magics.theory.memory import adam_state_bytes, momentum_state_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

    from magics.measurement.models.modules import Target


def sizes(target: Target, tensors: Iterable[torch.Tensor]) -> dict[str, int]:
    """Return what is there apart from the run: model, inputs, gradients, optimizer's state.

    Gradients are those of all parameters that can have one, whether they have it now or not.
    The optimizer is not known to a model, so its state is that of torch's SGD with momentum,
    and of its Adam and AdamW.
    """
    parameters = list(target.parameters().values())
    buffers = {id(b): b for module in target.modules.values() for b in _buffers(module)}
    trained = [p.numel() * p.element_size() for p in parameters if p.requires_grad]
    return {
        "parameters": _bytes(parameters),
        "buffers": _bytes(buffers.values()),
        "inputs": _bytes({id(tensor): tensor for tensor in tensors}.values()),
        "gradients": sum(trained),
        "momentum_state": momentum_state_bytes(trained),
        "adam_state": adam_state_bytes(trained),
    }


def _buffers(module: nn.Module) -> list[torch.Tensor]:
    return list(module.buffers(recurse=isinstance(module, torch.jit.ScriptModule)))


def _bytes(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
