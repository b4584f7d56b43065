"""What convolutions, transposed convolutions and matrix products cost.

MACs are the dense count, padding included, because kernels execute it so; `useful_macs`
leaves out the taps that fall on zero padding.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from magics.theory.formulas import Cost, Layer, register_formula
from magics.theory.geometry import useful_taps

if TYPE_CHECKING:
    from collections.abc import Callable

CONVOLUTIONS = ("conv1d", "conv2d", "conv3d")
TRANSPOSED = ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")


def weight_elements(layer: Layer) -> int:
    """Return the number of weights of a layer of this family, without the bias.

    A convolution has C_out * (C_in / groups) * kernel; a transposed one exchanges the two,
    which gives the same number. A linear layer has in_features * out_features.

    Source: torch.nn.Conv2d, torch.nn.ConvTranspose2d, torch.nn.Linear, shape of `weight`.
    """
    if layer.kind == "linear":
        return layer.input_shape[-1] * layer.output_shape[-1]
    channels = layer.in_channels * layer.out_channels // layer.groups
    return channels * prod(layer.kernel_size)


def _conv_macs(layer: Layer) -> tuple[int, int]:
    """Return (dense, useful) MACs: N * C_out * (C_in / g) * taps.

    Source: the convolution sum of torch.nn.Conv2d.
    """
    channels = layer.batch * layer.out_channels * (layer.in_channels // layer.groups)
    dense = channels * prod(layer.output_size) * prod(layer.kernel_size)
    return dense, channels * _taps(layer, layer.output_size, layer.input_size)


def _conv_transpose_macs(layer: Layer) -> tuple[int, int]:
    """Return (dense, useful) MACs: N * C_in * (C_out / g) * taps, over the *input* map.

    Each input element is laid out once per tap; a tap outside the output is not useful.

    Source: Dumoulin and Visin, arXiv:1603.07285, chapter 4 (the transposed matrix has as many
    non-zeros as the convolution's).
    """
    channels = layer.batch * layer.in_channels * (layer.out_channels // layer.groups)
    dense = channels * prod(layer.input_size) * prod(layer.kernel_size)
    return dense, channels * _taps(layer, layer.input_size, layer.output_size)


def _linear_macs(layer: Layer) -> tuple[int, int]:
    """Return (dense, useful) MACs: one per input element and output feature.

    Source: torch.nn.Linear, y = x A^T + b.
    """
    macs = layer.input_elements * layer.output_shape[-1]
    return macs, macs


def _taps(layer: Layer, outer: tuple[int, ...], inner: tuple[int, ...]) -> int:
    if not layer.zero_padding:
        return prod(outer) * prod(layer.kernel_size)
    axes = zip(
        outer,
        inner,
        layer.kernel_size,
        layer.stride,
        layer.padding,
        layer.dilation,
        strict=True,
    )
    return prod(
        useful_taps(out, into, taps, stride=stride, padding=padding[0], dilation=dilation)
        for out, into, taps, stride, padding, dilation in axes
    )


_MACS: dict[str, Callable[[Layer], tuple[int, int]]] = {
    **dict.fromkeys(CONVOLUTIONS, _conv_macs),
    **dict.fromkeys(TRANSPOSED, _conv_transpose_macs),
    "linear": _linear_macs,
}


def _bias_elements(layer: Layer) -> int:
    if not layer.bias:
        return 0
    return layer.output_shape[-1] if layer.kind == "linear" else layer.out_channels


@register_formula(*CONVOLUTIONS, *TRANSPOSED, "linear")
def weighted_cost(layer: Layer) -> Cost:
    """Return the forward cost of a layer that multiplies its input by a weight.

    The bias is one addition per output element, counted as elementwise work.

    Source: torch.nn.Conv2d, torch.nn.ConvTranspose2d, torch.nn.Linear; each tensor is moved
    once (compulsory traffic, Williams, Waterman and Patterson, CACM 2009).
    """
    macs, useful = _MACS[layer.kind](layer)
    parameters = weight_elements(layer) + _bias_elements(layer)
    return Cost(
        macs=macs,
        useful_macs=useful,
        elementwise_flops=layer.output_elements if layer.bias else 0,
        bytes_read=layer.itemsize * (layer.input_elements + parameters),
        bytes_written=layer.itemsize * layer.output_elements,
    )


@register_formula(*CONVOLUTIONS, *TRANSPOSED, "linear", backward=True)
def weighted_backward_cost(layer: Layer) -> Cost:
    """Return the backward cost of a layer that multiplies its input by a weight.

    The gradient of the input and that of the weight take the forward's MACs each, whatever
    the groups: every product x * w of the forward sum appears once as dy * w and once as
    x * dy. The output's gradient is read once for each of the two. The bias's gradient is
    a sum over the output's gradient.

    Source: the chain rule applied to the convolution sum. torch.utils.flop_counter multiplies
    the weight's part by `groups` up to torch 2.13; pytorch pull request 183405 mends that.
    """
    macs, useful = _MACS[layer.kind](layer)
    weights, biases = weight_elements(layer), _bias_elements(layer)
    read = written = passes = 0
    if layer.needs_input_grad:
        passes += 1
        read += layer.output_elements + weights
        written += layer.input_elements
    if layer.needs_weight_grad:
        passes += 1
        read += layer.output_elements + layer.input_elements
        written += weights + biases
    return Cost(
        macs=passes * macs,
        useful_macs=passes * useful,
        grad_input_macs=macs if layer.needs_input_grad else 0,
        grad_weight_macs=macs if layer.needs_weight_grad else 0,
        elementwise_flops=layer.output_elements if layer.bias and layer.needs_weight_grad else 0,
        bytes_read=layer.itemsize * read,
        bytes_written=layer.itemsize * written,
    )


def _matmul_terms(layer: Layer) -> tuple[int, int]:
    """Return (MACs, elements of the second operand) of (*, m, k) @ (*, k, n)."""
    inner = layer.input_shape[-1]
    if layer.other_shape:
        other = prod(layer.other_shape)
    else:
        other = prod(layer.output_shape[:-2]) * inner * layer.output_shape[-1]
    return layer.output_elements * inner, other


@register_formula("matmul")
def matmul_cost(layer: Layer) -> Cost:
    """Return the forward cost of a matrix product: k MACs per output element.

    Source: torch.matmul.
    """
    macs, other = _matmul_terms(layer)
    return Cost(
        macs=macs,
        useful_macs=macs,
        elementwise_flops=layer.output_elements if layer.bias else 0,
        bytes_read=layer.itemsize * (layer.input_elements + other),
        bytes_written=layer.itemsize * layer.output_elements,
    )


@register_formula("matmul", backward=True)
def matmul_backward_cost(layer: Layer) -> Cost:
    """Return the backward cost of a matrix product: the forward's MACs per operand.

    `needs_input_grad` speaks of the first operand, `needs_weight_grad` of the second.

    Source: the chain rule: dA = dC B^T and dB = A^T dC.
    """
    macs, other = _matmul_terms(layer)
    first, second = int(layer.needs_input_grad), int(layer.needs_weight_grad)
    gradient = layer.output_elements
    read = first * (gradient + other) + second * (gradient + layer.input_elements)
    return Cost(
        macs=(first + second) * macs,
        useful_macs=(first + second) * macs,
        grad_input_macs=first * macs,
        grad_weight_macs=second * macs,
        bytes_read=layer.itemsize * read,
        bytes_written=layer.itemsize * (first * layer.input_elements + second * other),
    )
