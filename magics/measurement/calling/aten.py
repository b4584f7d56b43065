"""What the operators of aten do with an element: how many operations each, or only a move.

A root, a power or an exponential counts as one operation. Names are without namespace,
overload and in-place mark. Nothing here is a convolution, a product, a pool or batch norm.
"""

from __future__ import annotations

PER_OUTPUT: dict[str, int] = {
    **dict.fromkeys(
        """abs add sub rsub mul div neg relu maximum minimum clamp clamp_min clamp_max hardtanh
        threshold eq ne lt le gt ge sqrt rsqrt exp exp2 expm1 log log2 log10 log1p sin cos tan
        tanh erf erfc erfinv pow reciprocal floor ceil round trunc frac fmod remainder sign sgn
        floor_divide square logical_and logical_or logical_not logical_xor bitwise_and bitwise_or
        bitwise_not bitwise_xor where masked_fill fmax fmin isnan isinf isfinite atan atan2 asin
        acos sinh cosh conj_physical native_dropout bernoulli softshrink hardshrink angle
        __and__ __or__ __xor__ cumsum cumprod cummax cummin nan_to_num sinc relu6 xlogy heaviside
        quantize_per_tensor quantize_per_channel dequantize""".split(),
        1,
    ),
    **dict.fromkeys("leaky_relu prelu _prelu_kernel addcmul addcdiv".split(), 2),
    **dict.fromkeys("lerp hardsigmoid logaddexp log_sigmoid_forward elu celu selu".split(), 3),
    **dict.fromkeys("sigmoid hardswish glu".split(), 4),
    **dict.fromkeys("silu softplus rrelu_with_noise".split(), 5),
    **dict.fromkeys("mish gelu".split(), 8),
    **dict.fromkeys(
        """upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d
        _upsample_nearest_exact2d _upsample_nearest_exact3d""".split(),
        0,
    ),
    "upsample_linear1d": 3,
    **dict.fromkeys("upsample_bilinear2d _upsample_bilinear2d_aa".split(), 9),
    "upsample_trilinear3d": 21,
    **dict.fromkeys("upsample_bicubic2d _upsample_bicubic2d_aa".split(), 35),
    "grid_sampler_2d": 11,
    "grid_sampler_3d": 25,
}
"""Operations per output element."""

PER_INPUT: dict[str, int] = {
    **dict.fromkeys(
        """sum mean nansum prod max min amax amin argmax argmin any all aminmax
        count_nonzero max_unpool2d max_unpool3d col2im""".split(),
        1,
    ),
    **dict.fromkeys("norm linalg_vector_norm".split(), 2),
    **dict.fromkeys("mse_loss nll_loss_forward nll_loss2d_forward".split(), 3),
    **dict.fromkeys("var std var_mean std_mean smooth_l1_loss huber_loss".split(), 4),
    **dict.fromkeys("_softmax _log_softmax _safe_softmax logsumexp".split(), 5),
    "binary_cross_entropy": 6,
    "binary_cross_entropy_with_logits": 8,
    **dict.fromkeys("native_layer_norm native_group_norm".split(), 8),
    "_fused_rms_norm": 5,
    **dict.fromkeys("_weight_norm_interface _weight_norm".split(), 4),
}
"""Operations per element of the first input."""

PER_LAST_INPUT: dict[str, int] = dict.fromkeys("index_put index_add scatter_add".split(), 1)
"""Operations per element of the last input, which is added to the first."""

VIEWS = frozenset(
    """view _unsafe_view reshape _reshape_alias permute transpose t expand split split_with_sizes
    chunk slice select squeeze unsqueeze detach alias as_strided unbind narrow diagonal empty
    empty_like new_empty empty_strided new_empty_strided empty_permuted lift_fresh lift set
    resize view_as_real view_as_complex real imag _conj _neg_view unfold movedim swapaxes
    flatten unflatten broadcast_to _local_scalar_dense device sym_size sym_numel sym_stride
    sym_storage_offset is_same_size unsafe_split unsafe_chunk is_pinned resize_as
    _assert_async _assert_scalar _assert_tensor_metadata _linalg_check_errors _values _indices
    _coalesced is_nonzero is_contiguous sym_is_contiguous size stride dim numel storage_offset
    layout _nested_view_from_jagged _nested_get_values _nested_get_offsets _nested_get_lengths
    _nested_get_ragged_idx _nested_get_min_seqlen _nested_get_max_seqlen
    _nested_get_jagged_dummy""".split(),
)
"""Operators that don't touch an element."""

MOVES = frozenset(
    """cat stack clone copy contiguous zeros zeros_like new_zeros ones ones_like new_ones full
    full_like new_full arange linspace eye _to_copy to constant_pad_nd reflection_pad1d
    reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d replication_pad3d
    _pad_circular roll flip index gather index_select embedding scatter im2col pixel_shuffle
    pixel_unshuffle channel_shuffle native_channel_shuffle repeat fill zero rand randn randint
    rand_like randn_like normal uniform random randperm tril triu masked_select nonzero
    scalar_tensor resolve_conj resolve_neg complex take repeat_interleave
    _cudnn_init_dropout_state meshgrid tile vstack hstack concat concatenate select_scatter
    slice_scatter diag_embed _spdiags item equal bucketize index_copy index_fill masked_scatter
    expand_copy view_copy split_copy detach_copy transpose_copy permute_copy squeeze_copy
    unsqueeze_copy t_copy slice_copy select_copy _efficientzerotensor rot90 fill_diagonal one_hot
    _pin_memory to_mkldnn _to_dense _to_sparse to_padded_tensor _nested_from_padded
    _pack_padded_sequence int_repr""".split(),
)
"""Operators that compute nothing: they move, make or convert data."""


def base_name(full_name: str) -> str:
    """Return an operator's name without namespace and in-place mark."""
    name = full_name.rpartition("::")[2]
    return name if name.startswith("__") else name.rstrip("_") or name


def operations(name: str, first: int, last: int, output: int) -> int | None:
    """Return how many operations an elementwise operator or a reduction takes.

    The derivative of an elementwise operator takes as many as the operator.

    Args:
        name: Name as `base_name` returns it.
        first: Elements of the first input.
        last: Elements of the last input.
        output: Elements of the first output.

    Returns:
        The number, or `None` where it is not known.
    """
    name = name.removesuffix("_data").removesuffix("_backward")
    if name in PER_OUTPUT:
        return PER_OUTPUT[name] * output
    if name in PER_INPUT:
        return PER_INPUT[name] * first
    if name in PER_LAST_INPUT:
        return PER_LAST_INPUT[name] * last
    return None
