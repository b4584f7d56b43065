"""Convolutions and matrix products: by brute force, by torch's counter."""

import warnings

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from magics.theory import Layer, backward_cost, cost
from magics.theory.geometry import (
    conv_output_size,
    conv_transpose_output_size,
    output_padding_for,
    same_padding,
)

CONV = (functional.conv1d, functional.conv2d, functional.conv3d)
TRANSPOSED = (
    functional.conv_transpose1d,
    functional.conv_transpose2d,
    functional.conv_transpose3d,
)
LIMITS = {1: 12, 2: 9, 3: 6}  # input sizes per number of axes, to keep brute force short

many = settings(max_examples=300, deadline=None)


def axes(low, high, dims):
    return st.tuples(*[st.integers(low, high)] * dims)


@st.composite
def convolutions(draw):
    """Return a layer whose dilated kernel fits into its padded input."""
    dims = draw(st.integers(1, 3))
    kernel_size, dilation = draw(axes(1, 4, dims)), draw(axes(1, 3, dims))
    padding = draw(axes(0, 3, dims))
    reach = [d * (k - 1) + 1 for k, d in zip(kernel_size, dilation, strict=True)]
    least = [max(1, r - 2 * p) for r, p in zip(reach, padding, strict=True)]
    size = draw(st.tuples(*[st.integers(n, n + LIMITS[dims]) for n in least]))
    stride = draw(axes(1, 4, dims))
    groups = draw(st.integers(1, 4))
    channels = [groups * draw(st.integers(1, 3)) for _ in range(2)]
    batch = draw(st.integers(1, 2))
    pairs = tuple((p, p) for p in padding)
    out = map(conv_output_size, size, kernel_size, stride, pairs, dilation)
    return Layer(
        kind=f"conv{dims}d",
        input_shape=(batch, channels[0], *size),
        output_shape=(batch, channels[1], *out),
        kernel_size=kernel_size,
        stride=stride,
        dilation=dilation,
        padding=pairs,
        groups=groups,
        bias=draw(st.booleans()),
    )


@st.composite
def transposed_convolutions(draw):
    """Return a transposed layer whose output is not empty."""
    dims = draw(st.integers(1, 3))
    kernel_size, dilation = draw(axes(1, 4, dims)), draw(axes(1, 3, dims))
    stride, size = draw(axes(1, 4, dims)), draw(axes(1, 5, dims))
    output_padding = tuple(
        draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)
    )
    full = [
        (n - 1) * s + d * (k - 1) + 1
        for n, s, k, d in zip(size, stride, kernel_size, dilation, strict=True)
    ]
    padding = tuple(draw(st.integers(0, min(3, (n - 1) // 2))) for n in full)
    groups = draw(st.integers(1, 4))
    channels = [groups * draw(st.integers(1, 3)) for _ in range(2)]
    batch = draw(st.integers(1, 2))
    out = [
        conv_transpose_output_size(n, k, s, p, output_padding=op, dilation=d)
        for n, k, s, p, op, d in zip(
            size, kernel_size, stride, padding, output_padding, dilation, strict=True
        )
    ]
    return Layer(
        kind=f"conv_transpose{dims}d",
        input_shape=(batch, channels[0], *size),
        output_shape=(batch, channels[1], *out),
        kernel_size=kernel_size,
        stride=stride,
        dilation=dilation,
        padding=tuple((p, p) for p in padding),
        output_padding=output_padding,
        groups=groups,
        bias=draw(st.booleans()),
    )


def run(layer, *, padding=None, output_padding=None):
    """Run a layer in torch on ones; return (input, weight, output) of the graph."""
    dims = len(layer.kernel_size)
    padding = [before for before, _ in layer.padding] if padding is None else padding
    x = torch.ones(layer.input_shape, dtype=torch.float64, requires_grad=True)
    arguments = {"stride": layer.stride, "padding": padding, "dilation": layer.dilation}
    bias = torch.zeros(layer.out_channels, dtype=torch.float64) if layer.bias else None
    if layer.kind.startswith("conv_transpose"):
        if output_padding is None:
            output_padding = layer.output_padding
        shape = (layer.in_channels, layer.out_channels // layer.groups, *layer.kernel_size)
        function = TRANSPOSED[dims - 1]
        arguments["output_padding"] = output_padding
    else:
        shape = (layer.out_channels, layer.in_channels // layer.groups, *layer.kernel_size)
        function = CONV[dims - 1]
    weight = torch.ones(shape, dtype=torch.float64, requires_grad=True)
    return x, weight, function(x, weight, bias, groups=layer.groups, **arguments)


@many
@given(convolutions())
def test_zero_padding_counts_the_useful_taps_of_a_convolution(layer):
    _, _, out = run(layer)
    assert tuple(out.shape) == layer.output_shape
    assert cost(layer).useful_macs == round(out.sum().item())


@many
@given(convolutions())
def test_padding_with_ones_counts_the_dense_macs_of_a_convolution(layer):
    dims = len(layer.kernel_size)
    pairs = [n for pair in reversed(layer.padding) for n in pair]
    padded = functional.pad(torch.ones(layer.input_shape, dtype=torch.float64), pairs, value=1.0)
    weight = torch.ones(
        layer.out_channels,
        layer.in_channels // layer.groups,
        *layer.kernel_size,
        dtype=torch.float64,
    )
    arguments = layer.stride, 0, layer.dilation, layer.groups
    assert cost(layer).macs == round(CONV[dims - 1](padded, weight, None, *arguments).sum().item())


@many
@given(transposed_convolutions())
def test_ones_count_the_taps_of_a_transposed_convolution(layer):
    _, _, cut = run(layer)
    assert tuple(cut.shape) == layer.output_shape
    assert cost(layer).useful_macs == round(cut.sum().item())
    nothing = (0,) * len(layer.kernel_size)
    _, _, whole = run(layer, padding=nothing, output_padding=nothing)
    assert cost(layer).macs == round(whole.sum().item())


@many
@given(st.one_of(convolutions(), transposed_convolutions()))
def test_each_gradient_takes_as_many_multiply_adds_as_the_forward(layer):
    """With ones everywhere a gradient is the number of products that were added for it."""
    x, weight, out = run(layer)
    found = backward_cost(layer)
    grad_x, grad_weight = torch.autograd.grad(out.sum(), (x, weight))
    assert found.useful_macs == round(grad_x.sum().item() + grad_weight.sum().item())
    assert found.grad_input_macs == found.grad_weight_macs == cost(layer).macs


@settings(max_examples=150, deadline=None)
@given(st.one_of(convolutions(), transposed_convolutions()))
def test_forward_agrees_with_torchs_counter_for_every_layer(layer):
    with FlopCounterMode(display=False) as counter:
        run(layer)
    assert cost(layer).flops == counter.get_total_flops()


@settings(max_examples=150, deadline=None)
@given(st.one_of(convolutions(), transposed_convolutions()))
def test_backward_agrees_with_torchs_counter_but_for_its_mistake_with_groups(layer):
    """torch counts the weight's gradient `groups` times (pytorch pull request 183405)."""
    _, _, out = run(layer)
    with FlopCounterMode(display=False) as counter:
        out.sum().backward()
    found = backward_cost(layer)
    mistaken = 2 * (found.grad_input_macs + layer.groups * found.grad_weight_macs)
    assert counter.get_total_flops() == mistaken
    if layer.groups == 1:
        assert counter.get_total_flops() == found.flops


@many
@given(st.integers(1, 7), st.integers(1, 4), st.integers(1, 20))
def test_same_padding_keeps_the_size_and_splits_as_torch_does(kernel_size, dilation, size):
    before, after = same_padding(kernel_size, dilation)
    assert conv_output_size(size, kernel_size, 1, (before, after), dilation) == size
    x = torch.arange(1.0, size + 1).view(1, 1, -1)
    weight = torch.arange(1.0, kernel_size + 1).view(1, 1, -1)
    by_hand = functional.conv1d(functional.pad(x, (before, after)), weight, dilation=dilation)
    with warnings.catch_warnings(action="ignore"):  # torch warns that it copies for an odd total
        by_torch = functional.conv1d(x, weight, padding="same", dilation=dilation)
    assert torch.equal(by_hand, by_torch)


@many
@given(convolutions())
def test_output_padding_recovers_the_size_that_a_strided_convolution_came_from(layer):
    columns = zip(
        layer.input_size,
        layer.output_size,
        layer.kernel_size,
        layer.stride,
        layer.padding,
        layer.dilation,
        strict=True,
    )
    for size, out, kernel_size, stride, (padding, _), dilation in columns:
        extra = output_padding_for(size, kernel_size, stride, padding, dilation)
        back = conv_transpose_output_size(
            out, kernel_size, stride, padding, output_padding=extra, dilation=dilation
        )
        assert back == size


@settings(max_examples=100, deadline=None)
@given(axes(1, 6, 4))
def test_matrix_products_agree_with_torchs_counter_both_ways(sizes):
    batch, rows, inner, columns = sizes
    first = torch.ones(batch, rows, inner, requires_grad=True)
    second = torch.ones(batch, inner, columns, requires_grad=True)
    layer = Layer(
        kind="matmul", input_shape=(batch, rows, inner), output_shape=(batch, rows, columns)
    )
    with FlopCounterMode(display=False) as counter:
        out = first @ second
    assert cost(layer).flops == counter.get_total_flops()
    with FlopCounterMode(display=False) as counter:
        out.sum().backward()
    assert backward_cost(layer).flops == counter.get_total_flops()
