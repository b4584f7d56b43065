"""What to do about a layer that refused its input: one finding after another, the first wins."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.nn.modules.conv import _ConvNd

from magics.hints import nearest
from magics.measurement.calling.operators import tensors_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

_NORM_DIMENSIONS: tuple[tuple[type[nn.Module], tuple[int, ...]], ...] = (
    (nn.BatchNorm1d, (2, 3)),
    (nn.BatchNorm2d, (4,)),
    (nn.BatchNorm3d, (5,)),
)
_AXES = {1: "N, C, L", 2: "N, C, H, W", 3: "N, C, D, H, W"}
_UNEXPECTED = re.compile(r".*unexpected keyword argument '(\w+)'")
_GROUPS = re.compile(r"[Gg]iven (?:\w+=\d+, )?groups=(\d+).* to have (\d+) channels")


def sizes(shape: Sequence[int]) -> str:
    """Write a shape: '1x3x224x224'; '' where there is none."""
    return "x".join(map(str, shape))


def advice(
    error: Exception, module: nn.Module | None, shape: Sequence[int], args: tuple[Any, ...]
) -> str | None:
    """Return what is wrong and what to do about it, or `None` where nothing is known.

    Args:
        error: What a layer raised.
        module: The layer.
        shape: Shape of its input.
        args: What the model was given.
    """
    tensors, text = tensors_in(args), str(error)
    return (
        _no_tensor(error, args, tensors)
        or _meta(text, tensors)
        or _dtype(text, module, tensors)
        or _device(text, module, tensors)
        or _empty(shape)
        or _features(module, shape)
        or _dimensions(module, shape)
        or _channels(module, shape)
        or _groups(text, shape)
        or _small(text, module, shape)
        or _arguments(error, module)
    )


def _no_tensor(error: Exception, args: tuple[Any, ...], tensors: list[torch.Tensor]) -> str | None:
    if tensors or not args or not isinstance(error, TypeError | AttributeError):
        return None
    kind = type(args[0]).__name__
    how = "torch.from_numpy(input)" if kind == "ndarray" else "torch.as_tensor(input)"
    return f"takes tensors (got {kind}); convert the input: {how}"


def _meta(text: str, tensors: list[torch.Tensor]) -> str | None:
    if "meta tensor" not in text or not any(tensor.is_meta for tensor in tensors):
        return None
    return (
        "looks at values, which meta tensors don't have (got device 'meta'); "
        "profile it on a real device"
    )


def _weight(module: nn.Module | None) -> torch.Tensor | None:
    if module is None:
        return None
    return next((p for p in module.parameters() if p.is_floating_point()), None)


def _name(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _dtype(text: str, module: nn.Module | None, tensors: list[torch.Tensor]) -> str | None:
    weight = _weight(module)
    if "type" not in text.lower() or weight is None:
        return None
    if isinstance(module, nn.Embedding | nn.EmbeddingBag):
        if not tensors or not tensors[0].is_floating_point():
            return None
        return f"takes indices (got {_name(tensors[0])}); convert the input: input.long()"
    wrong = next((item for item in tensors if item.dtype != weight.dtype), None)
    if wrong is None:
        return None
    needed, given = _name(weight), _name(wrong)
    return (
        f"the weights are {needed}, the input is not (got {given}); "
        f"convert one: input.to(torch.{needed})"
    )


def _device(text: str, module: nn.Module | None, tensors: list[torch.Tensor]) -> str | None:
    weight = _weight(module)
    if weight is None or "device" not in text.lower():
        return None
    wrong = next((item for item in tensors if item.device != weight.device), None)
    if wrong is None:
        return None
    return (
        f"the weights are on {weight.device}, the input is not (got {wrong.device}); "
        f"move one: input.to({str(weight.device)!r})"
    )


def _empty(shape: Sequence[int]) -> str | None:
    if 0 not in shape:
        return None
    return f"the input is empty (got {sizes(shape)}); every dimension needs an element"


def _features(module: nn.Module | None, shape: Sequence[int]) -> str | None:
    if not isinstance(module, nn.Linear) or not shape or shape[-1] == module.in_features:
        return None
    return (
        f"expects {module.in_features} features in the last dimension (got {sizes(shape)}); "
        f"check the input's size, or flatten before this layer"
    )


def _wanted(module: nn.Module | None) -> tuple[int, int, tuple[int, ...]] | None:
    """Return channels, spatial axes and possible numbers of dimensions of a layer's input."""
    if isinstance(module, _ConvNd):
        axes = len(module.kernel_size)
        return module.in_channels, axes, (axes + 1, axes + 2)
    for kind, dimensions in _NORM_DIMENSIONS:
        if isinstance(module, kind):
            return module.num_features, dimensions[-1] - 2, dimensions  # type: ignore[return-value]  # an int
    return None


def _dimensions(module: nn.Module | None, shape: Sequence[int]) -> str | None:
    wanted = _wanted(module)
    if wanted is None or not shape or len(shape) in wanted[2]:
        return None
    _, axes, dimensions = wanted
    said = f"expects {axes + 2} dimensions, ({_AXES[axes]}) (got {sizes(shape)})"
    if len(shape) == dimensions[0] - 1:
        return f"{said}; add the batch to the model's input: input.unsqueeze(0)"
    return f"{said}; check the input's shape"


def _channels(module: nn.Module | None, shape: Sequence[int]) -> str | None:
    wanted = _wanted(module)
    if wanted is None or not shape:
        return None
    channels, axes, dimensions = wanted
    unbatched = isinstance(module, _ConvNd) and len(shape) == dimensions[0]
    at = 0 if unbatched else 1
    if shape[at] == channels:
        return None
    said = f"expects {channels} channels in dimension {at} (got {sizes(shape)}"
    if len(shape) > 2 and shape[-1] == channels:  # noqa: PLR2004, else there is no axis to move
        order = (*range(at), len(shape) - 1, *range(at, len(shape) - 1))
        return f"{said}, channels last); reorder: input.permute({', '.join(map(str, order))})"
    if unbatched and shape[1] == channels:
        return f"{said}); with a batch it takes {axes + 2} dimensions, ({_AXES[axes]})"
    return f"{said}); check the input's shape"


def _groups(text: str, shape: Sequence[int]) -> str | None:
    found = _GROUPS.search(text)
    if found is None:
        return None
    groups, channels = found.groups()
    return (
        f"expects {channels} channels with groups={groups} (got {sizes(shape)}); "
        f"groups must divide the channels: check groups and the weight's shape"
    )


def _small(text: str, module: nn.Module | None, shape: Sequence[int]) -> str | None:
    text = text.lower()
    if "more than 1 value per channel" in text:
        return (
            f"batch norm in train mode needs more than one value per channel "
            f"(got {sizes(shape)}); use a larger batch or mode='eval'"
        )
    if "not supported for strided convolutions" in text:
        return f"padding='same' takes no stride (got {sizes(shape)}); give the padding in numbers"
    if "kernel size can't be greater" in text or "output size is too small" in text:
        name = type(module).__name__ if module is not None else "the layer"
        return (
            f"the map is smaller than the kernel of {name} (got {sizes(shape)}); use a larger input"
        )
    return None


def _arguments(error: Exception, module: nn.Module | None) -> str | None:
    text = str(error)
    if isinstance(error, NotImplementedError) and 'missing the required "forward"' in text:
        name = type(module).__name__
        return f"{name} has no forward (got {name}); profile a module that can be called"
    if not isinstance(error, TypeError) or "argument" not in text or "forward" not in text:
        return None
    detail = text.partition("forward()")[2].strip() or text
    name = type(module).__name__ if module is not None else "the function"
    unexpected = _UNEXPECTED.match(detail)
    if unexpected and module is not None:
        close = nearest(unexpected[1], inspect.signature(module.forward).parameters)
        if close:
            return f"{name}.forward() {unexpected[0]}; did you mean {close}?"
    return f"{name}.forward() {detail}; pass exactly the inputs it takes"
