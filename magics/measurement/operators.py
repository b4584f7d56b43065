"""What torch really runs, operator by operator, and the work of each.

The words are those of the dispatcher (aten). Convolutions and matrix products have MACs;
elementwise operators and reductions have operations of their own; some only move data. An
operator that is none of these is reported, never counted as nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import torch

from magics import theory
from magics.measurement.functions import both_sides, element_size, per_axis
from magics.theory import Cost, Layer

_ONE = 1
_PER_OUTPUT: dict[str, int] = {
    **dict.fromkeys(
        """abs add sub rsub mul div neg relu maximum minimum clamp clamp_min clamp_max hardtanh
        threshold eq ne lt le gt ge sqrt rsqrt exp exp2 expm1 log log2 log10 log1p sin cos tan
        tanh erf erfc erfinv pow reciprocal floor ceil round trunc frac fmod remainder sign sgn
        floor_divide square logical_and logical_or logical_not logical_xor bitwise_and bitwise_or
        bitwise_not bitwise_xor where masked_fill fmax fmin isnan isinf atan atan2 asin acos sinh
        cosh conj_physical native_dropout bernoulli softshrink hardshrink angle
        __and__ __or__ __xor__ cumsum cumprod cummax cummin nan_to_num sinc 
        logical_and relu6 xlogy heaviside index_put index_add scatter_add""".split(),
        _ONE,
    ),
    **dict.fromkeys("leaky_relu prelu _prelu_kernel addcmul addcdiv".split(), 2),
    **dict.fromkeys("lerp hardsigmoid logaddexp log_sigmoid_forward elu celu selu".split(), 3),
    **dict.fromkeys("sigmoid hardswish glu mse_loss".split(), 4),
    **dict.fromkeys("silu softplus rrelu_with_noise".split(), 5),
    **dict.fromkeys("mish gelu".split(), 8),
    "upsample_nearest1d": 0, "upsample_nearest2d": 0, "upsample_nearest3d": 0,
    "_upsample_nearest_exact1d": 0, "_upsample_nearest_exact2d": 0,
    "_upsample_nearest_exact3d": 0,
    "upsample_linear1d": 3, "upsample_bilinear2d": 9, "_upsample_bilinear2d_aa": 9,
    "upsample_trilinear3d": 21, "upsample_bicubic2d": 35, "_upsample_bicubic2d_aa": 35,
    "grid_sampler_2d": 11, "grid_sampler_3d": 25,
}  # fmt: skip
"""Operations per output element; a root, a power or an exponential counts as one."""

_PER_INPUT: dict[str, int] = {
    **dict.fromkeys(
        """sum mean nansum prod max min amax amin argmax argmin any all aminmax
        count_nonzero max_unpool2d max_unpool3d""".split(),
        _ONE,
    ),
    **dict.fromkeys("norm linalg_vector_norm".split(), 2),
    **dict.fromkeys("var std var_mean std_mean".split(), 4),
    **dict.fromkeys("_softmax _log_softmax _safe_softmax logsumexp".split(), 5),
    "native_layer_norm": 8,
    "native_group_norm": 8,
    "_fused_rms_norm": 5,
    "_weight_norm_interface": 4,
    "_weight_norm": 4,
    "native_channel_shuffle": 0,
}
"""Operations per element of the first input."""

_MOVES = frozenset(
    """view _unsafe_view reshape _reshape_alias permute transpose t expand cat stack split
    split_with_sizes chunk slice select squeeze unsqueeze clone copy contiguous empty empty_like
    new_empty empty_strided new_empty_strided empty_permuted zeros zeros_like new_zeros ones
    ones_like new_ones full full_like new_full arange linspace eye detach alias _to_copy to
    constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d
    replication_pad2d replication_pad3d _pad_circular roll flip index gather index_select
    embedding scatter unbind as_strided unfold im2col pixel_shuffle pixel_unshuffle
    channel_shuffle repeat narrow fill zero lift_fresh lift set_ resize resize_as _local_scalar_dense
    rand randn randint rand_like randn_like normal uniform random randperm movedim diagonal tril
    triu masked_select nonzero scalar_tensor _conj view_as_real view_as_complex real imag
    resolve_conj _neg_view resolve_neg complex isfinite is_same_size take repeat_interleave
    unsafe_split unsafe_chunk _cudnn_init_dropout_state swapaxes flatten unflatten meshgrid
    broadcast_to tile vstack hstack concat concatenate select_scatter slice_scatter
    diag_embed _spdiags _assert_async _assert_scalar item equal copy_ bucketize index_copy
    index_fill masked_scatter expand_copy view_copy split_copy detach_copy
    transpose_copy permute_copy squeeze_copy unsqueeze_copy t_copy slice_copy select_copy
    _efficientzerotensor rot90 fill_diagonal one_hot device sym_size sym_numel sym_stride
    sym_storage_offset is_pinned _pin_memory""".split(),
)
"""Operators that compute nothing: they move, make or reinterpret data."""

_VIEWS = frozenset(
    """view _unsafe_view reshape _reshape_alias permute transpose t expand split split_with_sizes
    chunk slice select squeeze unsqueeze detach alias as_strided unbind narrow diagonal empty
    empty_like new_empty empty_strided new_empty_strided empty_permuted lift_fresh lift set_
    resize view_as_real view_as_complex real imag _conj _neg_view unfold movedim swapaxes
    flatten unflatten broadcast_to _local_scalar_dense device sym_size sym_numel sym_stride
    sym_storage_offset is_same_size unsafe_split unsafe_chunk""".split(),
)
"""Those of them that don't even touch the elements."""

_BATCH_NORMS = frozenset(
    """native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training
    _batch_norm_with_update _batch_norm_no_update cudnn_batch_norm miopen_batch_norm
    _batch_norm_impl_index""".split(),
)
_ATTENTION = "_scaled_dot_product_"


@dataclass(frozen=True, slots=True)
class Work:
    """What one operator did.

    Attributes:
        kind: Kind of layer that the operator would be by itself; 'other' for the rest.
        cost: Its work, or `None` where no formula is known.
        layer: The operator read as a layer, where it is one.
    """

    kind: str
    cost: Cost | None
    layer: Layer | None = None


def base_name(func: Any) -> str:  # noqa: ANN401, an OpOverload, which torch doesn't export
    """Return an operator's name without namespace, overload and in-place mark."""
    name = str(func._schema.name).rpartition("::")[2]
    return name if name.startswith("__") else name.rstrip("_") or name


def full_name(func: Any) -> str:  # noqa: ANN401, an OpOverload, which torch doesn't export
    """Return an operator's name with its namespace: 'aten::topk'."""
    return str(func._schema.name)


def work_of(  # noqa: PLR0911, one return per family
    func: Any,  # noqa: ANN401, an OpOverload
    args: tuple[Any, ...],
    output: object,
) -> Work:
    """Return the work of one call of an operator."""
    name = base_name(func)
    inputs, outputs = tensors_in(args), tensors_in(output)
    if name in _VIEWS:
        return Work("other", Cost())
    layer = _layer(name, args, outputs)
    if layer is not None:
        return Work(layer.kind, theory.cost(layer), layer)
    if name.startswith(_ATTENTION):
        return Work("matmul", _attention(args))
    if name == "mkldnn_rnn_layer":
        return Work("matmul", _recurrent(args))
    traffic = Cost(bytes_read=_bytes(inputs), bytes_written=_bytes(outputs))
    if name in _MOVES:
        return Work("other", traffic)
    operations = _elementwise(name, inputs, outputs)
    if operations is not None:
        return Work("other", traffic + Cost(elementwise_flops=operations))
    return _registered(func, inputs, outputs)


def _elementwise(name: str, inputs: list[torch.Tensor], outputs: list[torch.Tensor]) -> int | None:
    if name in _PER_OUTPUT and outputs:
        return _PER_OUTPUT[name] * outputs[0].numel()
    if name in _PER_INPUT and inputs:
        return _PER_INPUT[name] * inputs[0].numel()
    return None


def _registered(
    func: Any,  # noqa: ANN401, an OpOverload
    inputs: list[torch.Tensor],
    outputs: list[torch.Tensor],
) -> Work:
    """Ask the registry for a formula of the operator's own full name."""
    kind = full_name(func)
    if not (inputs and outputs):
        return Work("other", None)
    layer = Layer(
        kind=kind,
        input_shape=tuple(inputs[0].shape),
        output_shape=tuple(outputs[0].shape),
        other_shape=tuple(inputs[1].shape) if len(inputs) > 1 else (),
        itemsize=element_size(outputs[0]),
    )
    try:
        return Work(kind, theory.cost(layer), layer)
    except theory.UnknownKindError:
        return Work("other", None)


def tensors_in(value: object) -> list[torch.Tensor]:
    """Return the tensors in nested arguments, in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, list | tuple):
        return [tensor for item in value for tensor in tensors_in(item)]
    if isinstance(value, dict):
        return [tensor for item in value.values() for tensor in tensors_in(item)]
    return []


def _bytes(tensors: list[torch.Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _layer(name: str, args: tuple[Any, ...], outputs: list[torch.Tensor]) -> Layer | None:
    if not outputs:
        return None
    if name in {"convolution", "_convolution", "convolution_overrideable"}:
        return _convolution(args, outputs[0])
    if name in _PRODUCTS:
        first, second, added = _PRODUCTS[name]
        return _product(args[first], args[second], outputs[0], bias=added)
    if name in _BATCH_NORMS:
        return _batch_norm(name, args, outputs[0])
    kind = _POOLS.get(name)
    return _pool(kind, args, outputs) if kind else None


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
    "quantized_max_pool2d": "max_pool2d",
}


def _convolution(args: tuple[Any, ...], output: torch.Tensor) -> Layer:
    image, weight, bias, stride, padding, dilation, transposed, output_padding, groups = args[:9]
    axes = weight.dim() - 2
    return Layer(
        kind=f"conv_transpose{axes}d" if transposed else f"conv{axes}d",
        input_shape=tuple(image.shape) if image.dim() == axes + 2 else (1, *image.shape),
        output_shape=tuple(output.shape) if output.dim() == axes + 2 else (1, *output.shape),
        kernel_size=tuple(weight.shape[2:]),
        stride=per_axis(stride, axes),
        padding=both_sides(per_axis(padding, axes)),
        dilation=per_axis(dilation, axes),
        output_padding=per_axis(output_padding, axes) if transposed else (),
        groups=groups,
        bias=bias is not None,
        itemsize=element_size(output),
        needs_input_grad=image.requires_grad,
        needs_weight_grad=weight.requires_grad,
    )


def _product(
    first: torch.Tensor, second: torch.Tensor, output: torch.Tensor, *, bias: bool
) -> Layer:
    left, right, result = tuple(first.shape), tuple(second.shape), tuple(output.shape)
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
        bias=bias,
        itemsize=element_size(output),
        needs_input_grad=first.requires_grad,
        needs_weight_grad=second.requires_grad,
    )


def _batch_norm(name: str, args: tuple[Any, ...], output: torch.Tensor) -> Layer:
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
        output_shape=tuple(output.shape),
        itemsize=element_size(output),
        training=training or not statistics,
        affine=weight is not None,
        running_stats=bool(statistics),
        needs_input_grad=image.requires_grad,
        needs_weight_grad=weight is not None and weight.requires_grad,
    )


def _pool(kind: str, args: tuple[Any, ...], outputs: list[torch.Tensor]) -> Layer:
    image, output, axes = args[0], outputs[0], int(kind[-2])
    lead = () if image.dim() == axes + 2 else (1,)
    numbers = [tuple(item) for item in args[1:] if isinstance(item, list | tuple)]
    windowed = not kind.startswith(("adaptive", "fractional"))
    kernel = numbers[0] if numbers and not kind.startswith("adaptive") else ()
    spread = [item * axes if len(item) == 1 else item for item in numbers]
    stride = (spread[1] if len(spread) > 1 and spread[1] else kernel) if windowed else ()
    padding = spread[2] if windowed and len(spread) > 2 else (0,) * axes  # noqa: PLR2004, third argument
    dilated = windowed and kind.startswith("max") and len(spread) > 3  # noqa: PLR2004, fourth
    return Layer(
        kind=kind,
        input_shape=(*lead, *image.shape),
        output_shape=(*lead, *output.shape),
        kernel_size=kernel * axes if len(kernel) == 1 else kernel,
        stride=stride,
        padding=both_sides(padding) if windowed else (),
        dilation=spread[3] if dilated else (1,) * axes if windowed else (),
        itemsize=element_size(output),
        needs_input_grad=image.requires_grad,
        needs_weight_grad=False,
        return_indices=len(outputs) > 1 and image.requires_grad,
    )


def _attention(args: tuple[Any, ...]) -> Cost:
    """Return the work of attention: two products and a softmax.

    Source: Vaswani et al., arXiv:1706.03762, equation 1.
    """
    query, key, value = args[:3]
    *batch, rows, width = query.shape
    columns, depth = key.shape[-2], value.shape[-1]
    pairs = prod(batch) * rows * columns
    macs = pairs * (width + depth)
    moved = _bytes([query, key, value])
    return Cost(
        macs=macs,
        useful_macs=macs,
        elementwise_flops=5 * pairs,
        bytes_read=moved,
        bytes_written=prod(batch) * rows * depth * element_size(query),
    )


def _recurrent(args: tuple[Any, ...]) -> Cost:
    """Return the work of one recurrent layer in one direction, from its weights.

    Every step multiplies the input and the state by their weights.

    Source: torch.nn.LSTM; oneDNN's fused layer takes both weights as matrices.
    """
    sequence, first, second = args[:3]
    steps = sequence.shape[0] * sequence.shape[1]
    macs = steps * (first.numel() + second.numel())
    tensors = tensors_in(args)
    return Cost(macs=macs, useful_macs=macs, bytes_read=_bytes(tensors))
