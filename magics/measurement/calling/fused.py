"""Operators whose work needs more than the sizes of what goes in and out.

Each function takes arguments, the tensors among them, the outputs and the question whether a
tensor needs a gradient; it returns the kind of layer, the cost of the forward and what a
backward does because of it.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import torch

from magics import theory
from magics.measurement.calling.functions import Needs, element_size
from magics.measurement.calling.operator_layers import convolution
from magics.theory import Cost

if TYPE_CHECKING:
    from collections.abc import Callable

Args = tuple[Any, ...]
Tensors = list[torch.Tensor]
Found = tuple[str, Cost, Cost]


def size_of(tensors: Tensors) -> int:
    """Return the size of tensors, each once [bytes]."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _convolution_backward(args: Args, _inputs: Tensors, _outputs: Tensors, needs: Needs) -> Found:
    """Return the work of a backward that the model itself runs in its forward."""
    gradient, image, weight, bias_sizes, *rest, wanted = args[:11]
    layer = convolution("", (image, weight, bias_sizes, *rest), [gradient], needs)
    cost, every = (
        theory.backward_cost(replace(layer, needs_input_grad=first, needs_weight_grad=second))
        for first, second in (wanted[:2], (True, True))
    )
    again = any(map(needs, (gradient, image, weight)))
    return layer.kind, cost, every if again else Cost()


def _attention(args: Args, _inputs: Tensors, _outputs: Tensors, needs: Needs) -> Found:
    """Return the work of attention: two products and a softmax.

    Backward has two products for each; what fused kernels compute again is not counted.

    Source: Vaswani et al., arXiv:1706.03762, equation 1.
    """
    query, key, value = args[:3]
    *batch, rows, width = query.shape
    columns, depth = key.shape[-2], value.shape[-1]
    pairs = prod(batch) * rows * columns
    cost = _products(
        pairs * (width + depth),
        read=size_of([query, key, value]),
        written=prod(batch) * rows * depth * element_size(query),
        elementwise=5 * pairs,
    )
    return ("matmul", cost, _twice(cost) if any(map(needs, (query, key, value))) else Cost())


def _recurrent(args: Args, inputs: Tensors, outputs: Tensors, needs: Needs) -> Found:
    """Return the work of one recurrent layer in one direction, from its weights.

    Every step multiplies the input and the state by their weights.

    Source: torch.nn.LSTM; oneDNN's fused layer takes both weights as matrices.
    """
    sequence, first, second = args[:3]
    steps = sequence.shape[0] * sequence.shape[1]
    sizes = [steps * first.numel(), steps * second.numel()]
    cost = _products(sum(sizes), read=size_of(inputs), written=size_of(outputs))
    if not any(map(needs, (sequence, first, second))):
        return ("matmul", cost, Cost())
    # The state's gradient is always needed, the first layer's input's is not.
    saved = 0 if needs(sequence) else sizes[0]
    backward = _products(2 * sum(sizes) - saved, read=2 * cost.bytes_moved, written=cost.bytes_read)
    return ("matmul", cost, backward)


def _whole_attention(args: Args, inputs: Tensors, outputs: Tensors, _needs: Needs) -> Found:
    """Return the work of multi-head attention or an encoder layer fused into one operator.

    Such operators run without gradients only. Each weight matrix is used once per token; the
    two products of attention take a row per token of the key.

    Source: torch.nn.MultiheadAttention, torch.nn.TransformerEncoderLayer.
    """
    tokens = prod(args[0].shape[:-1])
    width = args[0].shape[-1]
    keys = args[1].shape[-2] if isinstance(args[1], torch.Tensor) else args[0].shape[-2]
    matrices = [item for item in inputs if item.dim() == 2]  # noqa: PLR2004, a matrix
    macs = tokens * (sum(item.numel() for item in matrices) + 2 * keys * width)
    cost = _products(macs, read=size_of(inputs), written=size_of(outputs))
    return "matmul", cost, Cost()


def _trilinear(args: Args, _inputs: Tensors, outputs: Tensors, needs: Needs) -> Found:
    """Return the work of ``sum(a * b * c)`` over all axes of the three, broadcast.

    Source: torch.nn.Bilinear, y = x1^T A x2 + b.
    """
    shapes = []
    for tensor, expanded in zip(args[:3], args[3:6], strict=True):
        shape = list(tensor.shape)
        for axis in sorted(expanded):
            shape.insert(axis, 1)
        shapes.append(shape)
    triples = prod(torch.broadcast_shapes(*shapes))
    cost = _products(
        triples, read=size_of(list(args[:3])), written=size_of(outputs), elementwise=triples
    )
    gradients = sum(map(needs, args[:3]))
    return ("matmul", cost, _products(
        gradients * triples, read=gradients * cost.bytes_read, written=cost.bytes_read,
        elementwise=gradients * triples,
    ))  # fmt: skip


def _embedding_bag(args: Args, _inputs: Tensors, outputs: Tensors, needs: Needs) -> Found:
    weight, indices = args[:2]
    gathered = indices.numel() * weight.shape[1]
    cost = Cost(
        elementwise_flops=gathered,
        bytes_read=size_of([indices]) + gathered * weight.element_size(),
        bytes_written=size_of(outputs[:1]),
    )
    return ("other", cost, theory.elementwise_backward(cost) if needs(weight) else Cost())


def _distances(args: Args, _inputs: Tensors, outputs: Tensors, needs: Needs) -> Found:
    """Return the work of all distances of two sets: difference, power and sum per coordinate."""
    cost = Cost(
        elementwise_flops=3 * outputs[0].numel() * args[0].shape[-1],
        bytes_read=size_of(list(args[:2])),
        bytes_written=size_of(outputs),
    )
    gradient = any(map(needs, args[:2]))
    return ("other", cost, theory.elementwise_backward(cost) if gradient else Cost())


def _affine_grid(args: Args, inputs: Tensors, outputs: Tensors, needs: Needs) -> Found:
    """Return the work of an affine grid: each point times a matrix (n x n + 1).

    Source: torch.nn.functional.affine_grid.
    """
    macs = outputs[0].numel() * args[0].shape[-1]
    cost = _products(macs, read=size_of(inputs), written=size_of(outputs))
    gradient = _products(macs, read=size_of(outputs), written=size_of(inputs))
    return "matmul", cost, gradient if needs(args[0]) else Cost()


def _products(macs: int, *, read: int, written: int, elementwise: int = 0) -> Cost:
    return Cost(
        macs=macs,
        useful_macs=macs,
        elementwise_flops=elementwise,
        bytes_read=read,
        bytes_written=written,
    )


def _twice(cost: Cost) -> Cost:
    return _products(
        2 * cost.macs,
        read=2 * cost.bytes_moved,
        written=cost.bytes_read,
        elementwise=2 * cost.elementwise_flops,
    )


FORMULAS: dict[str, Callable[[Args, Tensors, Tensors, Needs], Found]] = {
    "convolution_backward": _convolution_backward,
    **{f"_scaled_dot_product_{name}": _attention for name in (
        "attention_math", "flash_attention", "flash_attention_for_cpu", "efficient_attention",
        "cudnn_attention", "fused_attention_overrideable")},
    "mkldnn_rnn_layer": _recurrent,
    "_native_multi_head_attention": _whole_attention,
    "_transformer_encoder_layer_fwd": _whole_attention,
    "_trilinear": _trilinear,
    "_embedding_bag": _embedding_bag,
    "_embedding_bag_forward_only": _embedding_bag,
    "_cdist_forward": _distances,
    "affine_grid_generator": _affine_grid,
}  # fmt: skip
"""Operators whose work needs more than the sizes of what goes in and out."""
