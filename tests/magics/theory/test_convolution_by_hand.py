"""Work of convolutions and matrix products that can be worked out by hand."""

from math import prod

import pytest

from magics.theory import Layer, backward_cost, cost
from magics.theory.geometry import (
    conv_output_size,
    conv_transpose_output_size,
)


def conv2d(**changes):
    values = {
        "kind": "conv2d",
        "input_shape": (2, 4, 8, 8),
        "output_shape": (2, 6, 8, 8),
        "kernel_size": (3, 3),
        "stride": (1, 1),
        "dilation": (1, 1),
        "padding": ((1, 1), (1, 1)),
    }
    return Layer(**{**values, **changes})


def test_a_convolution_by_hand():
    found = cost(conv2d(bias=True))
    assert found.macs == 2 * 6 * 64 * 4 * 9  # N * C_out * positions * C_in * taps
    assert found.flops == 2 * found.macs
    assert found.elementwise_flops == 2 * 6 * 64  # one addition per output element
    # Per axis 8 positions * 3 taps, two of them outside: 22 of 24.
    assert found.useful_macs == 2 * 6 * 4 * 22 * 22
    weights = 6 * 4 * 9 + 6
    assert found.bytes_read == 4 * (2 * 4 * 64 + weights)
    assert found.bytes_written == 4 * 2 * 6 * 64
    assert found.arithmetic_intensity == (found.flops + 768) / found.bytes_moved


def test_the_backward_of_a_convolution_by_hand():
    found = backward_cost(conv2d(bias=True))
    assert found.macs == 2 * cost(conv2d()).macs
    assert found.elementwise_flops == 2 * 6 * 64  # the bias's gradient is a sum over dy
    x, dy, weights, bias = 2 * 4 * 64, 2 * 6 * 64, 6 * 4 * 9, 6
    assert found.bytes_read == 4 * (dy + weights + dy + x)
    assert found.bytes_written == 4 * (x + weights + bias)


def test_the_first_layer_of_a_network_needs_no_gradient_of_its_input():
    layer = conv2d(needs_input_grad=False)
    assert backward_cost(layer).macs == cost(layer).macs
    assert backward_cost(layer).grad_input_macs == 0


def test_a_frozen_layer_passes_the_gradient_on_and_computes_none_of_its_own():
    found = backward_cost(conv2d(needs_weight_grad=False, bias=True))
    assert (found.macs, found.grad_weight_macs) == (cost(conv2d()).macs, 0)
    assert found.elementwise_flops == 0


def test_values_in_the_padding_make_every_tap_useful():
    found = cost(conv2d(zero_padding=False))
    assert found.useful_macs == found.macs


@pytest.mark.parametrize(
    ("dilation", "size", "percent"),
    # Share of useful taps of DeepLab's pyramid: (sum over taps of max(0, H - |offset|) / 3H)^2;
    # d=6, H=33: (33 + 2*27)^2 / 99^2 = 77 %; d=18, H=17: only the centre tap is left.
    [(6, 33, 77), (12, 33, 57), (18, 33, 40), (18, 17, 11)],
)
def test_dilation_wider_than_the_map_leaves_few_useful_taps(dilation, size, percent):
    shape = (1, 1, size, size)
    layer = conv2d(
        input_shape=shape,
        output_shape=shape,
        dilation=(dilation,) * 2,
        padding=((dilation,) * 2,) * 2,
    )
    assert round(100 * cost(layer).useful_fraction) == percent


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_groups_divide_macs_and_weights(groups):
    whole = cost(conv2d(output_shape=(2, 4, 8, 8)))
    found = cost(conv2d(output_shape=(2, 4, 8, 8), groups=groups))
    assert found.macs * groups == whole.macs
    maps = 4 * 2 * (2 * 4 * 64)
    assert found.bytes_moved - maps == (whole.bytes_moved - maps) // groups


def test_a_depthwise_separable_pair_costs_one_over_channels_plus_one_over_taps():
    shape = (1, 256, 14, 14)
    full = cost(conv2d(input_shape=shape, output_shape=shape)).macs
    depthwise = cost(conv2d(input_shape=shape, output_shape=shape, groups=256)).macs
    pointwise = cost(
        conv2d(
            input_shape=shape,
            output_shape=shape,
            kernel_size=(1, 1),
            padding=((0, 0), (0, 0)),
        )
    ).macs
    assert (depthwise + pointwise) * 256 * 9 == full * (9 + 256)


def test_a_linear_layer_by_hand():
    layer = Layer(kind="linear", input_shape=(8, 10, 32), output_shape=(8, 10, 5), bias=True)
    found = cost(layer)
    assert found.macs == 8 * 10 * 32 * 5
    assert found.elementwise_flops == 8 * 10 * 5
    assert found.bytes_moved == 4 * (8 * 10 * 32 + 32 * 5 + 5 + 8 * 10 * 5)
    assert backward_cost(layer).macs == 2 * found.macs


def test_a_batched_matrix_product_by_hand():
    layer = Layer(kind="matmul", input_shape=(6, 7, 8), output_shape=(6, 7, 9))
    assert cost(layer).macs == 6 * 7 * 8 * 9
    assert cost(layer).bytes_moved == 4 * (6 * 7 * 8 + 6 * 8 * 9 + 6 * 7 * 9)
    back = backward_cost(layer)
    assert back.macs == 2 * 6 * 7 * 8 * 9
    # dA = dC B^T reads dC and B and writes dA; dB = A^T dC reads A and dC and writes dB.
    a, b, c = 6 * 7 * 8, 6 * 8 * 9, 6 * 7 * 9
    assert back.bytes_moved == 4 * ((c + b + a) + (c + a + b))


def test_a_matrix_product_with_a_shared_second_operand_moves_it_once():
    layer = Layer(
        kind="matmul", input_shape=(6, 7, 8), output_shape=(6, 7, 9), other_shape=(8, 9), itemsize=2
    )
    assert cost(layer).bytes_read == 2 * (6 * 7 * 8 + 8 * 9)


def test_resnet_50s_first_convolution_has_its_published_118_million_macs():
    layer = conv2d(
        input_shape=(1, 3, 224, 224),
        output_shape=(1, 64, 112, 112),
        kernel_size=(7, 7),
        stride=(2, 2),
        padding=((3, 3), (3, 3)),
    )
    assert cost(layer).macs == 112 * 112 * 64 * 3 * 49 == 118_013_952
    assert prod(layer.kernel_size) * 3 * 64 == 9408


def test_a_kernel_larger_than_its_input_is_refused():
    with pytest.raises(ValueError, match=r"larger than the padded input .* use a larger input"):
        conv_output_size(3, 5, 1, (0, 1), 1)


def test_an_output_padding_that_no_stride_explains_is_refused():
    with pytest.raises(ValueError, match="output_padding must be from 0 to 1"):
        conv_transpose_output_size(4, 3, 2, output_padding=2)
