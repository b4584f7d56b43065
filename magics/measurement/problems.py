"""Why a model refused its input, in one line that says what to do."""

from __future__ import annotations

from dataclasses import dataclass
from traceback import walk_tb
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


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a model raised."""

    path: str
    module: nn.Module | None
    shape: tuple[int, ...]
    in_hook: bool = False


def explain(
    error: Exception, target: Target, stack: Sequence[Call], args: tuple[Any, ...]
) -> ForwardError:
    """Return what to raise for an exception that a model raised.

    Args:
        error: What it raised.
        target: The model.
        stack: The calls that were open, the outermost first; just the root where none was
            recorded.
        args: The model's inputs.
    """
    place = _place(error, target, stack)
    where, module, shape = place.path or "model", place.module, place.shape
    got = f"(got {_sizes(shape)})" if shape else f"({type(error).__name__})"
    first = str(error).strip().partition("\n")[0][:_LONGEST] or "no message"
    raised = f"raised {type(error).__name__}: {first} {got}"
    if place.in_hook:
        return ForwardError(
            f"{where}: a hook of this {type(module).__name__} {raised}; mend or remove the hook",
            layer=place.path,
        )
    tensors = tensors_in(args)
    advice = (
        _dtype(error, module, tensors)
        or _device(error, module, tensors)
        or _layout(module, shape)
        or _small(error, module, shape)
        or _arguments(error, module)
        or f"the model {raised}; check the input"
    )
    return ForwardError(f"{where}: {advice}", layer=place.path)


def _place(error: Exception, target: Target, stack: Sequence[Call]) -> _Place:
    """Find the innermost module that an exception came from.

    The recorded calls say whose forward was running. A module that the traceback passes through
    without having a forward open was in one of its hooks.
    """
    opened = [call for call in stack if call.module is not None]
    frame = _innermost_call(error)
    module = frame.get("self") if frame else None
    paths = {id(item): path for path, item in target.modules.items()}
    if frame and id(module) in paths and all(call.module is not module for call in opened):
        inputs = tensors_in((frame.get("args"), frame.get("kwargs")))
        shape = tuple(inputs[0].shape) if inputs else ()
        return _Place(paths[id(module)], module, shape, in_hook=bool(opened))
    if not opened:
        return _Place("", None, stack[-1].input_shape)
    shape = stack[-1].input_shape or opened[-1].input_shape
    return _Place(opened[-1].path, opened[-1].module, shape)


def _innermost_call(error: Exception) -> dict[str, Any] | None:
    """Return the local variables of the innermost call of a module on the way of an exception."""
    found = None
    for frame, _ in walk_tb(error.__traceback__):
        if frame.f_code is nn.Module._call_impl.__code__:
            found = frame
    return found.f_locals if found is not None else None


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
