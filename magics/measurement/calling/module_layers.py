"""What a module says about its layer beyond what its function was given."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.pooling import (
    _AdaptiveAvgPoolNd,
    _AdaptiveMaxPoolNd,
    _AvgPoolNd,
    _LPPoolNd,
    _MaxPoolNd,
)

from magics import theory
from magics.measurement.calling.functions import both_sides, per_axis
from magics.theory import Layer

if TYPE_CHECKING:
    from magics.measurement.calling.calls import Call

LAYERS = (
    _ConvNd, _NormBase, nn.Linear, _MaxPoolNd, _AvgPoolNd, _LPPoolNd, _AdaptiveAvgPoolNd,
    _AdaptiveMaxPoolNd, nn.FractionalMaxPool2d, nn.FractionalMaxPool3d,
)  # fmt: skip
"""A layer also where modules in it compute its weight (parametrizations)."""

_WINDOW = ("kernel_size", "stride", "dilation", "output_padding")


def as_module(call: Call, layer: Layer) -> Layer:
    """Let the module's own arguments overrule what its function was given.

    Padding that is not of zeros is done before the convolution, which then has none; so is
    padding that is larger on one side.
    """
    module = call.module
    if isinstance(module, nn.SyncBatchNorm):
        return replace(layer, kind="sync_batch_norm")
    if isinstance(module, _ConvNd) and module.padding_mode != "zeros":
        axes = len(module.kernel_size)
        if isinstance(module.padding, str):
            flat = module._reversed_padding_repeated_twice
            sides = tuple((flat[2 * i], flat[2 * i + 1]) for i in reversed(range(axes)))
        else:
            sides = both_sides(per_axis(module.padding, axes))
        shape = call.input_shape
        shape = shape if len(shape) == axes + 2 else (1, *shape)
        return replace(layer, input_shape=shape, padding=sides, zero_padding=False)
    return layer


def own_layer(call: Call) -> Layer | None:
    """Return a module as a layer of its class' own kind, if a formula is registered for it.

    The formula is given the shapes, and those arguments of a window that the module has as
    attributes.
    """
    module = call.module
    kind = type(module).__name__
    if kind in theory.KINDS or not theory.has_formula(kind):
        return None
    if not (call.input_shape and call.output_shape):
        return None
    return Layer(
        kind=kind,
        input_shape=call.input_shape,
        output_shape=call.output_shape,
        itemsize=call.itemsize,
        **_attributes(module, len(call.input_shape) - 2),
    )


def _attributes(module: nn.Module | None, axes: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in _WINDOW:
        value = getattr(module, name, None)
        if _are_numbers(value):
            found[name] = per_axis(value, axes)
    padding = getattr(module, "padding", None)
    if _are_numbers(padding):
        found["padding"] = both_sides(per_axis(padding, axes))
    if isinstance(getattr(module, "groups", None), int):
        found["groups"] = module.groups  # type: ignore[union-attr]  # it has groups
    found["bias"] = getattr(module, "bias", None) is not None
    return found


def _are_numbers(value: object) -> bool:
    if isinstance(value, int):
        return True
    return isinstance(value, tuple | list) and all(isinstance(item, int) for item in value)
