"""Why a model refused its input, in one line that says what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from magics.errors import ForwardError
from magics.measurement.operators import tensors_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magics.measurement.calls import Call
    from magics.measurement.modules import Target

_LONGEST = 200  # characters of a foreign message that are quoted


def explain(
    error: Exception, target: Target, stack: Sequence[Call], args: tuple[Any, ...]
) -> ForwardError:
    """Return what to raise for an exception that a model raised.

    Args:
        error: What it raised.
        target: The model.
        stack: The calls that were open, the outermost first.
        args: The model's inputs.
    """
    places = [call for call in stack if call.module is not None]
    innermost = places[-1] if places else None
    path = innermost.path if innermost else ""
    where = path or "model"
    module = innermost.module if innermost else None
    shape = stack[-1].input_shape or (innermost.input_shape if innermost else ())
    got = f"(got {_sizes(shape)})" if shape else f"({type(error).__name__})"
    tensors = tensors_in(args)
    advice = (
        _dtype(error, module, tensors)
        or _device(error, module, tensors)
        or _layout(module, shape)
        or _small(error, module, shape)
        or _arguments(error, module)
    )
    if advice is None:
        first = str(error).strip().partition("\n")[0][:_LONGEST] or "no message"
        advice = f"the model raised {type(error).__name__}: {first} {got}; check the input"
    return ForwardError(f"{where}: {advice}", layer=path)


def _sizes(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "a scalar"


def _weight(module: nn.Module | None) -> torch.Tensor | None:
    if module is None:
        return None
    return next((p for p in module.parameters() if p.is_floating_point()), None)


def _dtype(error: Exception, module: nn.Module | None, tensors: list[torch.Tensor]) -> str | None:
    text = str(error).lower()
    weight = _weight(module)
    if not ("type" in text and weight is not None and tensors):
        return None
    wrong = next((item for item in tensors if item.dtype != weight.dtype), None)
    if wrong is None:
        return None
    needed, given = (str(item.dtype).removeprefix("torch.") for item in (weight, wrong))
    return f"the input is {given}, the weights are {needed}; convert one: input.to(torch.{needed})"


def _device(error: Exception, module: nn.Module | None, tensors: list[torch.Tensor]) -> str | None:
    weight = _weight(module)
    if weight is None or "device" not in str(error).lower():
        return None
    wrong = next((item for item in tensors if item.device != weight.device), None)
    if wrong is None:
        return None
    return (
        f"the input is on {wrong.device}, the weights are on {weight.device}; "
        f"move one: input.to({str(weight.device)!r})"
    )


def _layout(  # noqa: PLR0911, one return per finding
    module: nn.Module | None, shape: Sequence[int]
) -> str | None:
    channels, axes = _channels(module)
    if channels is None or len(shape) < 2:  # noqa: PLR2004, a map has channels and an axis
        return None
    if axes is None:
        if isinstance(module, nn.Linear) and shape[-1] != channels:
            return (
                f"expects {channels} features in the last dimension (got {_sizes(shape)}); "
                f"check the input size or flatten before this layer"
            )
        return None
    at = len(shape) - axes - 1
    if at not in {0, 1}:
        return (
            f"expects {axes + 2} dimensions, (N, C{', D' if axes == 3 else ''}"  # noqa: PLR2004
            f"{', H' if axes > 1 else ''}, {'W' if axes > 1 else 'L'}) "
            f"(got {_sizes(shape)}); check the input's shape"
        )
    if shape[at] == channels:
        return None
    if shape[-1] == channels:
        order = (*range(at), len(shape) - 1, *range(at, len(shape) - 1))
        return (
            f"expects {channels} channels in dimension {at} (got {_sizes(shape)}, channels last); "
            f"reorder: input.permute({', '.join(map(str, order))})"
        )
    return (
        f"expects {channels} channels in dimension {at} (got {_sizes(shape)}); "
        f"check the input's shape"
    )


def _channels(module: nn.Module | None) -> tuple[int | None, int | None]:
    if isinstance(module, _ConvNd):
        return module.in_channels, len(module.kernel_size)
    if isinstance(module, nn.Linear):
        return module.in_features, None
    axes = {nn.BatchNorm1d: 1, nn.BatchNorm2d: 2, nn.BatchNorm3d: 3}.get(type(module))  # type: ignore[arg-type]  # None is not found
    return (module.num_features, axes) if axes and module is not None else (None, None)  # type: ignore[return-value]  # an int


def _small(error: Exception, module: nn.Module | None, shape: Sequence[int]) -> str | None:
    text = str(error).lower()
    if 0 in shape:
        return f"the input is empty (got {_sizes(shape)}); every dimension needs an element"
    if "more than 1 value per channel" in text:
        return (
            f"batch norm in train mode needs more than one value per channel "
            f"(got {_sizes(shape)}); use a larger batch or mode='eval'"
        )
    if "kernel size can't be greater" in text or "output size is too small" in text:
        name = type(module).__name__ if module is not None else "the layer"
        return (
            f"the map is smaller than the kernel of {name} (got {_sizes(shape)}); "
            f"use a larger input"
        )
    return None


def _arguments(error: Exception, module: nn.Module | None) -> str | None:
    text = str(error)
    if not isinstance(error, TypeError) or "argument" not in text or "forward" not in text:
        return None
    detail = text.partition("forward()")[2].strip() or text
    name = type(module).__name__ if module is not None else "the function"
    return f"{name}.forward() {detail}; pass every input it takes"
