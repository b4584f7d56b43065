"""Calls of torch's layer functions, read as layers of the theory.

A layer is recognised by the function that computes it (`torch.nn.functional.conv2d` and its
like), whoever calls it: a module, a subclass of one, or plain code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from magics.theory import Layer
from magics.theory.geometry import same_padding

Arguments = Mapping[str, Any]

_DIMENSIONS = (1, 2, 3)
_CONV = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_CONV_TRANSPOSE = (
    "input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation",
)  # fmt: skip
_MAX_POOL = (
    "input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices",
)  # fmt: skip
_AVG_POOL = ("input", "kernel_size", "stride", "padding", "ceil_mode")
_LP_POOL = ("input", "norm_type", "kernel_size", "stride", "ceil_mode")
_ADAPTIVE_POOL = ("input", "output_size", "return_indices")
_FRACTIONAL_POOL = ("input", "kernel_size", "output_size", "output_ratio", "return_indices")
_BATCH_NORM = ("input", "running_mean", "running_var", "weight", "bias", "training")
_BUILTIN_BATCH_NORM = ("input", "weight", "bias", "running_mean", "running_var", "training")
_LINEAR = ("input", "weight", "bias")

MATRIX_PRODUCTS = frozenset({
    "matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "mv", "dot", "vdot", "inner", "outer",
    "ger", "addmm", "addmm_", "addbmm", "addbmm_", "baddbmm", "baddbmm_", "addmv", "addmv_",
    "addr", "addr_", "einsum", "tensordot", "chain_matmul", "multi_dot", "bilinear",
    "scaled_dot_product_attention", "_native_multi_head_attention",
})  # fmt: skip
"""Functions that are matrix products; their MACs are those of what they run inside."""

LOOKALIKES = frozenset({"instance_norm"})
"""Functions that run a layer's operator without being that layer."""

Needs = Callable[[torch.Tensor], bool]
"""Tells whether backward would need the gradient of a tensor."""


def per_axis(value: int | tuple[int, ...] | list[int] | None, axes: int) -> tuple[int, ...]:
    """Return one entry per axis for an argument that may be a single number."""
    if value is None:
        return ()
    if isinstance(value, int):
        return (value,) * axes
    numbers = tuple(int(number) for number in value)
    return numbers * axes if len(numbers) == 1 else numbers


def both_sides(padding: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Return (before, after) per axis for symmetric padding."""
    return tuple((amount, amount) for amount in padding)


def batched(tensor: torch.Tensor, axes: int) -> tuple[int, ...]:
    """Return the shape (N, C, *spatial) of a possibly unbatched map."""
    shape = tuple(tensor.shape)
    return shape if len(shape) == axes + 2 else (1, *shape)


def element_size(tensor: torch.Tensor) -> int:
    """Return bytes per element."""
    return int(tensor.element_size())


def _conv(kind: str, axes: int, given: Arguments, output: torch.Tensor, needs: Needs) -> Layer:
    image, weight = given["input"], given["weight"]
    kernel_size = tuple(weight.shape[2:])
    dilation = per_axis(given.get("dilation", 1), axes)
    stride = per_axis(given.get("stride", 1), axes)
    padding = given.get("padding", 0)
    if padding == "valid":
        sides = both_sides((0,) * axes)
    elif padding == "same":
        sides = tuple(map(same_padding, kernel_size, dilation))
    else:
        sides = both_sides(per_axis(padding, axes))
    return Layer(
        kind=kind,
        input_shape=batched(image, axes),
        output_shape=batched(output, axes),
        kernel_size=kernel_size,
        stride=stride,
        dilation=dilation,
        padding=sides,
        output_padding=(
            per_axis(given.get("output_padding", 0), axes) if "transpose" in kind else ()
        ),
        groups=given.get("groups", 1),
        bias=given.get("bias") is not None,
        itemsize=element_size(output),
        needs_input_grad=needs(image),
        needs_weight_grad=needs(weight),
    )


def _pool(kind: str, axes: int, given: Arguments, output: torch.Tensor, needs: Needs) -> Layer:
    image = given["input"]
    kernel_size = per_axis(given.get("kernel_size"), axes)
    windowed = not kind.startswith(("adaptive", "fractional"))
    indices = kind.endswith(("max_pool1d", "max_pool2d", "max_pool3d"))
    return Layer(
        kind=kind,
        input_shape=batched(image, axes),
        output_shape=batched(output, axes),
        kernel_size=kernel_size,
        stride=(per_axis(given.get("stride") or None, axes) or kernel_size) if windowed else (),
        padding=both_sides(per_axis(given.get("padding", 0), axes)) if windowed else (),
        dilation=per_axis(given.get("dilation", 1), axes) if windowed else (),
        itemsize=element_size(output),
        needs_input_grad=needs(image),
        needs_weight_grad=False,
        return_indices=indices and bool(given.get("return_indices") or image.requires_grad),
        ceil_mode=bool(given.get("ceil_mode")),
    )


def _batch_norm(
    kind: str, _axes: int, given: Arguments, output: torch.Tensor, needs: Needs
) -> Layer:
    image, weight = given["input"], given.get("weight")
    mean = given.get("running_mean")
    return Layer(
        kind=kind,
        input_shape=tuple(image.shape),
        output_shape=tuple(output.shape),
        itemsize=element_size(output),
        training=bool(given.get("training")) or mean is None,
        affine=weight is not None,
        running_stats=mean is not None,
        needs_input_grad=needs(image),
        needs_weight_grad=weight is not None and needs(weight),
    )


def _linear(kind: str, _axes: int, given: Arguments, output: torch.Tensor, needs: Needs) -> Layer:
    return Layer(
        kind=kind,
        input_shape=tuple(given["input"].shape),
        output_shape=tuple(output.shape),
        bias=given.get("bias") is not None,
        itemsize=element_size(output),
        needs_input_grad=needs(given["input"]),
        needs_weight_grad=needs(given["weight"]),
    )


Reader = Callable[[str, int, Arguments, torch.Tensor, Needs], Layer]


def _readers() -> dict[str, tuple[str, int, tuple[str, ...], Reader]]:
    table: dict[str, tuple[str, int, tuple[str, ...], Reader]] = {
        "linear": ("linear", 0, _LINEAR, _linear),
        "batch_norm": ("batch_norm", 0, _BATCH_NORM, _batch_norm),
    }
    for n in _DIMENSIONS:
        table[f"conv{n}d"] = (f"conv{n}d", n, _CONV, _conv)
        table[f"conv_transpose{n}d"] = (f"conv_transpose{n}d", n, _CONV_TRANSPOSE, _conv)
        for family, names in (
            ("max_pool", _MAX_POOL),
            ("avg_pool", _AVG_POOL),
            ("lp_pool", _LP_POOL),
            ("adaptive_avg_pool", _ADAPTIVE_POOL),
            ("adaptive_max_pool", _ADAPTIVE_POOL),
            ("fractional_max_pool", _FRACTIONAL_POOL),
        ):
            entry = (f"{family}{n}d", n, names, _pool)
            table[f"{family}{n}d"] = entry
            if "max" in family:
                table[f"{family}{n}d_with_indices"] = entry
    return table


_READERS = _readers()


def kind_of(function: Callable[..., Any]) -> str | None:
    """Return the kind of layer that a function computes, or `None` if it is none."""
    name = getattr(function, "__name__", "")
    if isinstance(function, _OPERATORS):  # torch.ops.other_library.conv2d takes what it likes
        return None
    if name in _READERS:
        return _READERS[name][0]
    if name in MATRIX_PRODUCTS:
        return "matmul"
    return "other" if name in LOOKALIKES else None


_OPERATORS = (torch._ops.OpOverload, torch._ops.OpOverloadPacket)


def arguments(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a layer function's arguments by name."""
    name = function.__name__
    _, _, names, _ = _READERS[name]
    if name == "batch_norm" and getattr(function, "__module__", None) != "torch.nn.functional":
        names = _BUILTIN_BATCH_NORM
    return {**dict(zip(names, args, strict=False)), **kwargs}


def layer_of(function: Callable[..., Any], given: Arguments, output: object, needs: Needs) -> Layer:
    """Read one call of a layer function, given its arguments by name, as a `Layer`."""
    kind, axes, _, read = _READERS[function.__name__]
    first = output[0] if isinstance(output, tuple | list) else output
    if not isinstance(first, torch.Tensor):
        raise TypeError(f"{kind}: the output is no tensor (got {type(first).__name__})")
    return read(kind, axes, given, first, needs)


def reads(function: Callable[..., Any]) -> bool:
    """Return whether `layer_of` knows the function."""
    return getattr(function, "__name__", "") in _READERS
