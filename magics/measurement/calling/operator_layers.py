"""Operators that are layers by themselves, read from their arguments.

The order of the arguments is that of the operator's schema; what the dispatcher leaves out
because it is the default is simply missing at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from magics.measurement.calling.functions import Needs, batched, both_sides, element_size, per_axis
from magics.theory import Layer

Reader = Callable[[str, tuple[Any, ...], list[torch.Tensor], Needs], Layer]

_PRODUCTS = {
    "mm": (0, 1, False), "bmm": (0, 1, False), "mv": (0, 1, False), "dot": (0, 1, False),
    "vdot": (0, 1, False), "addmm": (1, 2, True), "baddbmm": (1, 2, True),
    "addbmm": (1, 2, True), "addmv": (1, 2, True), "_addmm_activation": (1, 2, True),
    "_int_mm": (0, 1, False), "_scaled_mm": (0, 1, False),
}  # fmt: skip
"""Positions of the two factors, and whether something is added to the product."""

_POOLS = {
    "max_pool1d": "max_pool1d",
    "max_pool2d_with_indices": "max_pool2d",
    "max_pool3d_with_indices": "max_pool3d",
    "avg_pool1d": "avg_pool1d",
    "avg_pool2d": "avg_pool2d",
    "avg_pool3d": "avg_pool3d",
    "adaptive_avg_pool1d": "adaptive_avg_pool1d",
    "_adaptive_avg_pool2d": "adaptive_avg_pool2d",
    "_adaptive_avg_pool3d": "adaptive_avg_pool3d",
    "adaptive_max_pool2d": "adaptive_max_pool2d",
    "adaptive_max_pool3d": "adaptive_max_pool3d",
    "fractional_max_pool2d": "fractional_max_pool2d",
    "fractional_max_pool3d": "fractional_max_pool3d",
    "mkldnn_max_pool2d": "max_pool2d",
    "mkldnn_max_pool3d": "max_pool3d",
    "quantized_max_pool1d": "max_pool1d",
    "quantized_max_pool2d": "max_pool2d",
    "quantized_max_pool3d": "max_pool3d",
}

_BATCH_NORMS = (
    "native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training",
    "_batch_norm_with_update", "_batch_norm_no_update", "cudnn_batch_norm", "miopen_batch_norm",
    "_batch_norm_impl_index",
)  # fmt: skip


def convolution(
    _name: str, args: tuple[Any, ...], outputs: list[torch.Tensor], needs: Needs
) -> Layer:
    """Read ``convolution(input, weight, bias, stride, padding, dilation, transposed, ...)``."""
    image, weight, bias, stride, padding, dilation, transposed, output_padding, groups = args[:9]
    axes = weight.dim() - 2
    return Layer(
        kind=f"conv_transpose{axes}d" if transposed else f"conv{axes}d",
        input_shape=batched(image, axes),
        output_shape=batched(outputs[0], axes),
        kernel_size=tuple(weight.shape[2:]),
        stride=per_axis(stride, axes),
        padding=both_sides(per_axis(padding, axes)),
        dilation=per_axis(dilation, axes),
        output_padding=per_axis(output_padding, axes) if transposed else (),
        groups=groups,
        bias=bias is not None,
        itemsize=element_size(outputs[0]),
        needs_input_grad=needs(image),
        needs_weight_grad=needs(weight),
    )


def _mkldnn_convolution(
    name: str, args: tuple[Any, ...], outputs: list[torch.Tensor], needs: Needs
) -> Layer:
    image, weight, bias, padding, stride, dilation, groups = args[:7]
    return convolution(
        name,
        (image, weight, bias, stride, padding, dilation, False, (), groups),
        outputs,
        needs,
    )


def _mkldnn_linear(
    _name: str, args: tuple[Any, ...], outputs: list[torch.Tensor], needs: Needs
) -> Layer:
    return Layer(
        kind="linear",
        input_shape=tuple(args[0].shape),
        output_shape=tuple(outputs[0].shape),
        bias=len(args) > 2 and args[2] is not None,  # noqa: PLR2004, third argument
        itemsize=element_size(outputs[0]),
        needs_input_grad=needs(args[0]),
        needs_weight_grad=needs(args[1]),
    )


def _product(name: str, args: tuple[Any, ...], outputs: list[torch.Tensor], needs: Needs) -> Layer:
    first, second, added = _PRODUCTS[name]
    left, right = tuple(args[first].shape), tuple(args[second].shape)
    result = tuple(outputs[0].shape)
    if len(left) == 1:
        left, result = (1, *left), (1, *result)
    if len(right) == 1:
        right, result = (*right, 1), (*result, 1)
    if len(result) < len(left):  # addbmm sums the batch away
        result = (left[0], *result)
    return Layer(
        kind="matmul",
        input_shape=left,
        other_shape=right,
        output_shape=result,
        bias=added,
        itemsize=element_size(outputs[0]),
        needs_input_grad=needs(args[first]),
        needs_weight_grad=needs(args[second]),
    )


def _batch_norm(
    name: str, args: tuple[Any, ...], outputs: list[torch.Tensor], needs: Needs
) -> Layer:
    image, weight = args[0], args[1]
    statistics = [item for item in args[3:5] if isinstance(item, torch.Tensor)]
    flags = [item for item in args if isinstance(item, bool)]
    if name.endswith("_no_training") or name == "_batch_norm_no_update":
        training = False
    else:
        training = name == "_batch_norm_with_update" or bool(flags and flags[0])
    return Layer(
        kind="batch_norm",
        input_shape=tuple(image.shape),
        output_shape=tuple(outputs[0].shape),
        itemsize=element_size(outputs[0]),
        training=training or not statistics,
        affine=weight is not None,
        running_stats=bool(statistics),
        needs_input_grad=needs(image),
        needs_weight_grad=weight is not None and needs(weight),
    )


def _pool(name: str, args: tuple[Any, ...], outputs: list[torch.Tensor], needs: Needs) -> Layer:
    kind = _POOLS[name]
    image, axes = args[0], int(kind[-2])
    numbers = [tuple(item) for item in args[1:] if isinstance(item, list | tuple)]
    windowed = not kind.startswith(("adaptive", "fractional"))
    kernel = numbers[0] if numbers and not kind.startswith("adaptive") else ()
    spread = [item * axes if len(item) == 1 else item for item in numbers]
    stride = (spread[1] if len(spread) > 1 and spread[1] else kernel) if windowed else ()
    padding = spread[2] if windowed and len(spread) > 2 else (0,) * axes  # noqa: PLR2004, third argument
    dilated = windowed and kind.startswith("max") and len(spread) > 3  # noqa: PLR2004, fourth
    return Layer(
        kind=kind,
        input_shape=batched(image, axes),
        output_shape=batched(outputs[0], axes),
        kernel_size=kernel * axes if len(kernel) == 1 else kernel,
        stride=stride,
        padding=both_sides(padding) if windowed else (),
        dilation=spread[3] if dilated else (1,) * axes if windowed else (),
        itemsize=element_size(outputs[0]),
        needs_input_grad=needs(image),
        needs_weight_grad=False,
        return_indices=len(outputs) > 1 and image.requires_grad,
    )


def _packed_convolution(
    name: str, args: tuple[Any, ...], outputs: list[torch.Tensor], _needs: Needs
) -> Layer:
    """Read a quantised convolution, whose weight and arguments are in an opaque object."""
    image, packed = args[:2]
    weight, bias = packed.unpack()
    layer = convolution(
        name,
        (image, weight, bias, packed.stride(), packed.padding(), packed.dilation(),
         bool(packed.transpose()), packed.output_padding(), packed.groups()),
        outputs,
        _never,
    )  # fmt: skip
    if name.startswith("conv1d"):  # packed with a second axis of size 1
        return replace(
            layer,
            kind="conv1d",
            input_shape=batched(image, 1),
            output_shape=batched(outputs[0], 1),
            kernel_size=layer.kernel_size[-1:],
            stride=layer.stride[-1:],
            padding=layer.padding[-1:],
            dilation=layer.dilation[-1:],
        )
    return layer


def _packed_linear(
    _name: str, args: tuple[Any, ...], outputs: list[torch.Tensor], _needs: Needs
) -> Layer:
    _weight, bias = args[1].unpack()
    return Layer(
        kind="linear",
        input_shape=tuple(args[0].shape),
        output_shape=tuple(outputs[0].shape),
        bias=bias is not None,
        itemsize=element_size(outputs[0]),
        needs_input_grad=False,
        needs_weight_grad=False,
    )


def _never(_tensor: torch.Tensor) -> bool:
    return False


_READERS: dict[str, Reader] = {
    **{f"aten::{name}": convolution for name in
       ("convolution", "_convolution", "convolution_overrideable")},
    "aten::mkldnn_convolution": _mkldnn_convolution,
    "aten::mkldnn_linear": _mkldnn_linear,
    **{f"aten::{name}": _product for name in _PRODUCTS},
    **{f"aten::{name}": _batch_norm for name in _BATCH_NORMS},
    **{f"aten::{name}": _pool for name in _POOLS},
    **{f"quantized::{name}{suffix}": _packed_convolution
       for name in ("conv1d", "conv2d", "conv3d", "conv2d_dynamic", "conv_transpose1d",
                    "conv_transpose2d", "conv_transpose3d")
       for suffix in ("", "_relu")},
    **{f"quantized::{name}": _packed_linear
       for name in ("linear", "linear_relu", "linear_dynamic", "linear_relu_dynamic",
                    "linear_dynamic_fp16", "linear_relu_dynamic_fp16")},
}  # fmt: skip


def layer_of(
    full_name: str,
    name: str,
    args: tuple[Any, ...],
    outputs: list[torch.Tensor],
    needs: Needs,
) -> Layer | None:
    """Read one call of an operator as a layer, or return `None` where it is none."""
    reader = _READERS.get(full_name)
    return reader(name, args, outputs, needs) if reader is not None and outputs else None
