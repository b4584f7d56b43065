"""Pools: sizes against torch, operations and bytes by hand."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from magics.theory import Layer, backward_cost, cost
from magics.theory.geometry import adaptive_taps, adaptive_window, pool_output_size, useful_taps

many = settings(max_examples=300, deadline=None)


@many
@given(st.tuples(*(st.integers(1, n) for n in (40, 6, 5, 3))), st.booleans(), st.data())
def test_the_size_of_a_pool_is_torchs(numbers, ceil_mode, data):
    size, kernel_size, stride, dilation = numbers
    padding = data.draw(st.integers(0, kernel_size // 2))
    assume(size + 2 * padding >= dilation * (kernel_size - 1) + 1)
    x = torch.zeros(1, 1, size)
    out = functional.max_pool1d(
        x, kernel_size, stride, padding, dilation=dilation, ceil_mode=ceil_mode
    )
    assert out.shape[-1] == pool_output_size(
        size, kernel_size, stride, padding, dilation=dilation, ceil_mode=ceil_mode
    )


def test_ceil_mode_drops_a_last_window_that_would_start_in_the_padding():
    # ceil((4 + 2 - 2) / 3) + 1 = 3 windows, the third at 6 >= 4 + 1: only padding.
    assert pool_output_size(4, 2, 3, 1, ceil_mode=True) == 2
    # ceil((6 - 3) / 2) + 1 = 3, the third at 4 < 6 keeps two real elements.
    assert pool_output_size(6, 3, 2, ceil_mode=True) == 3


@many
@given(st.integers(1, 30), st.integers(1, 12))
def test_adaptive_windows_are_where_torch_takes_its_means(size, output_size):
    x = torch.eye(size, dtype=torch.float64).view(size, 1, size)
    out = functional.adaptive_avg_pool1d(x, output_size)[:, 0]
    for unit in range(output_size):
        start, stop = adaptive_window(unit, size, output_size)
        assert out[:, unit].nonzero().flatten().tolist() == list(range(start, stop))
    assert adaptive_taps(size, output_size) == int((out > 0).sum())


@many
@given(st.tuples(*(st.integers(1, n) for n in (12, 12, 5, 4, 6, 4))))
def test_useful_taps_count_the_pairs_of_the_definition(numbers):
    outer, inner, kernel_size, stride, padding, dilation = numbers
    pairs = [(u, q) for u in range(outer) for q in range(kernel_size)]
    inside = [0 <= u * stride - padding + q * dilation < inner for u, q in pairs]
    found = useful_taps(
        outer, inner, kernel_size, stride=stride, padding=padding, dilation=dilation
    )
    assert found == sum(inside)


def pool(kind, **changes):
    values = {
        "kind": kind,
        "input_shape": (2, 3, 8, 8),
        "output_shape": (2, 3, 4, 4),
        "kernel_size": (3, 3),
    }
    return Layer(**{**values, **changes})


def test_a_max_pool_by_hand():
    found = cost(pool("max_pool2d"))
    assert found.macs == found.flops == 0
    assert found.elementwise_flops == 2 * 3 * 16 * 8  # nine elements, eight comparisons
    assert found.bytes_moved == 4 * (2 * 3 * 64 + 2 * 3 * 16)


def test_training_makes_a_max_pool_write_int64_indices_and_read_them_back():
    found = cost(pool("max_pool2d", return_indices=True))
    assert found.bytes_written == (4 + 8) * 2 * 3 * 16
    back = backward_cost(pool("max_pool2d"))
    assert back.elementwise_flops == 2 * 3 * 16  # one addition at each index
    assert back.bytes_read == (4 + 8) * 2 * 3 * 16
    assert back.bytes_written == 4 * 2 * 3 * 64


def test_an_average_pool_by_hand():
    found = cost(pool("avg_pool2d"))
    assert found.elementwise_flops == 2 * 3 * 16 * (8 + 1)  # eight additions, one product
    back = backward_cost(pool("avg_pool2d"))
    assert back.elementwise_flops == 2 * 3 * 16 * (1 + 9)
    assert back.bytes_moved == found.bytes_moved


def test_a_power_average_pool_by_hand():
    found = cost(pool("lp_pool2d"))
    # A power per input element; eight additions and a root per output element.
    assert found.elementwise_flops == 2 * 3 * 64 + 2 * 3 * 16 * (8 + 1)
    back = backward_cost(pool("lp_pool2d"))
    assert back.elementwise_flops == 2 * (2 * 3 * 64 + 2 * 3 * 16) + 2 * 3 * 16 * 9
    assert back.bytes_read == 4 * (2 * 3 * 64 + 2 * (2 * 3 * 16))


def test_adaptive_pools_by_hand():
    # 7 -> 3 along both axes: windows [0,3) [2,5) [4,7), nine positions, 81 taps for 9 outputs.
    shapes = {"input_shape": (1, 2, 7, 7), "output_shape": (1, 2, 3, 3), "kernel_size": ()}
    assert cost(pool("adaptive_avg_pool2d", **shapes)).elementwise_flops == 2 * 81
    assert cost(pool("adaptive_max_pool2d", **shapes)).elementwise_flops == 2 * (81 - 9)


@pytest.mark.parametrize("kind", ["max_pool1d", "avg_pool3d", "lp_pool1d", "fractional_max_pool2d"])
def test_a_pool_whose_input_needs_no_gradient_has_no_backward(kind):
    layer = pool(kind, needs_input_grad=False)
    assert backward_cost(layer).bytes_moved == 0
