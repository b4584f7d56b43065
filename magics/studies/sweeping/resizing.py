"""The inputs of a model with another batch size, other sizes, other channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from magics.errors import InputError
from magics.measurement.models.conversion import layout_of
from magics.measurement.models.inputs import as_shape, is_shape_text
from magics.measurement.models.nested import mapped

if TYPE_CHECKING:
    from collections.abc import Callable

Inputs = tuple[tuple[object, ...], dict[str, object]]
"""Positional arguments and keyword arguments, shapes and tensors among them."""

_Sizes = tuple[int, ...]


def sizes_of(inputs: Inputs) -> list[_Sizes]:
    """Return the shapes of all inputs, in order: those given as shapes, and those of tensors."""
    found: list[_Sizes] = []

    def noted(sizes: _Sizes) -> _Sizes:
        found.append(sizes)
        return sizes

    _each(inputs, noted)
    return found


def with_batch(inputs: Inputs, batch: int) -> Inputs:
    """Return inputs with so many samples; samples of tensors are repeated or left out.

    Every input that has as many samples as the first one gets as many again.

    Raises:
        InputError: If there is nothing that could have a batch size.
    """
    first = next((sizes for sizes in sizes_of(inputs) if sizes), None)
    if first is None:
        raise InputError(
            f"batch: no input with a batch size (got batch={batch}); give a shape or a tensor",
        )

    def changed(sizes: _Sizes) -> _Sizes:
        return (batch, *sizes[1:]) if sizes and sizes[0] == first[0] else sizes

    return _each(inputs, changed)


def with_size(inputs: Inputs, size: int | str) -> Inputs:
    """Return inputs of another height and width (and depth); tensors are repeated or cut.

    Args:
        inputs: What to change.
        size: Of each axis, or of all of them: '64x96'.

    Raises:
        InputError: If no input has such axes, or another number of them.
    """
    first = next((sizes[2:] for sizes in sizes_of(inputs) if sizes[2:]), None)
    if first is None:
        raise InputError(
            f"size: no input with height or width (got size={size}); "
            f"give an input such as 8x3x224x224",
        )
    wanted = (size,) * len(first) if isinstance(size, int) else tuple(map(int, size.split("x")))
    if len(wanted) != len(first):
        raise InputError(
            f"size: not as many axes as the input (got {size} for {'x'.join(map(str, first))}); "
            f"write one number, or {len(first)} such as {'x'.join(map(str, first))}",
        )
    return _each(inputs, lambda sizes: (*sizes[:2], *wanted) if sizes[2:] == first else sizes)


def with_channels(inputs: Inputs, channels: int) -> Inputs:
    """Return inputs with so many channels; channels of tensors are repeated or left out.

    Raises:
        InputError: If no input has channels.
    """
    first = channels_of(inputs)
    if first is None:
        raise InputError(
            f"channels: no input with channels (got channels={channels}); "
            f"give an input such as 8x3x224x224",
        )

    def changed(sizes: _Sizes) -> _Sizes:
        return (sizes[0], channels, *sizes[2:]) if sizes[1:2] == (first,) else sizes

    return _each(inputs, changed)


def channels_of(inputs: Inputs) -> int | None:
    """Return the channels of the first input that has some."""
    return next((sizes[1] for sizes in sizes_of(inputs) if len(sizes) > 1), None)


def batch_of(inputs: Inputs) -> int | None:
    """Return the number of samples: the first size of the first input."""
    return next((sizes[0] for sizes in sizes_of(inputs) if sizes), None)


def _each(inputs: Inputs, changed: Callable[[_Sizes], _Sizes]) -> Inputs:
    """Return inputs in which everything with a shape has another."""
    args, kwargs = inputs
    return (
        tuple(_argument(value, changed) for value in args),
        {
            name: _shape(value, changed) if is_shape_text(value) else _nested(value, changed)
            for name, value in kwargs.items()
        },
    )


def _argument(value: object, changed: Callable[[_Sizes], _Sizes]) -> object:
    is_shape = as_shape(value) is not None
    return _shape(value, changed) if is_shape else _nested(value, changed)


def _shape(value: object, changed: Callable[[_Sizes], _Sizes]) -> object:
    sizes = as_shape(value) or ()
    return "x".join(map(str, changed(sizes)))


def _nested(value: Any, changed: Callable[[_Sizes], _Sizes]) -> Any:  # noqa: ANN401, nested inputs of any kind
    return mapped(value, lambda tensor: _tensor(tensor, changed))


def _tensor(tensor: torch.Tensor, changed: Callable[[_Sizes], _Sizes]) -> torch.Tensor:
    if tensor.is_nested or tensor.layout is not torch.strided:
        return tensor
    before = tuple(tensor.shape)
    after = changed(before)
    if after == before or 0 in before:
        return tensor
    new = tensor.detach()
    for axis, (old, wanted) in enumerate(zip(before, after, strict=True)):
        if old != wanted:
            new = new.index_select(axis, torch.arange(wanted, device=new.device) % old)
    new = new.contiguous(memory_format=layout_of(tensor))
    return new.requires_grad_(tensor.requires_grad)
