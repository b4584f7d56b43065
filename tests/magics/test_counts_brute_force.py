"""Random convolutions and pools, counted and run: with ones everywhere, outputs are counts."""

import random

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from nets import Functional
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

import magics

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
MODES = {
    "zeros": "constant",
    "reflect": "reflect",
    "replicate": "replicate",
    "circular": "circular",
}
MANY = settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


@st.composite
def convolutions(draw, *, transposed=False):
    """Draw a convolution without bias and an input that it takes."""
    axes, groups = draw(st.sampled_from([1, 2, 2, 3])), draw(st.integers(1, 3))
    numbers = lambda low, high: tuple(draw(st.integers(low, high)) for _ in range(axes))  # noqa: E731, local shorthand
    channels = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    arguments = {
        "kernel_size": numbers(1, 3),
        "stride": numbers(1, 3),
        "dilation": numbers(1, 2),
        "padding": numbers(0, 2),
        "groups": groups,
        "bias": False,
    }
    if transposed:
        pairs = zip(arguments["stride"], arguments["dilation"], strict=True)
        arguments["output_padding"] = tuple(draw(st.integers(0, max(pair) - 1)) for pair in pairs)
        layer = TRANSPOSED[axes](*channels, **arguments)
    else:
        arguments["padding_mode"] = draw(st.sampled_from([*MODES, "zeros"]))
        if draw(st.booleans()) and draw(st.booleans()):
            arguments |= {"padding": "same", "stride": 1}
            # Even kernels are padded on one side more, about which torch warns.
            arguments["kernel_size"] = tuple(k | 1 for k in arguments["kernel_size"])
        layer = CONV[axes](*channels, **arguments)
    batch = draw(st.integers(1, 2))
    return layer, torch.ones(batch, channels[0], *numbers(3, 7 if axes < 3 else 5))


def run(layer, x):
    """Return the output with all weights one, or skip the example that torch refuses."""
    nn.init.ones_(layer.weight)
    try:
        with torch.no_grad():
            return layer(x)
    except (RuntimeError, ValueError):
        return None


def row_of(layer, x):
    (row,) = magics.profile(layer, x, measure=False, receptive_field=False).layers
    return row


@given(convolutions())
@MANY
def test_a_convolution_sums_as_many_products_as_counted(drawn):
    layer, x = drawn
    output = run(layer, x)
    assume(output is not None)
    row = row_of(layer, x)
    # On ones, an output is the number of its taps that fall on real elements.
    assert row.useful_macs == output.sum().item()
    # Padded with ones, every tap counts: the dense number, which kernels execute.
    sides = layer._reversed_padding_repeated_twice
    everything = nn.functional.pad(x, sides, value=1.0)
    arguments = layer.stride, 0, layer.dilation, layer.groups
    convolve = getattr(functional, f"conv{x.dim() - 2}d")
    assert row.macs == convolve(everything, layer.weight, None, *arguments).sum().item()
    assert row.output_shape == tuple(output.shape)
    assert row.params == layer.weight.numel()


@given(convolutions(transposed=True))
@MANY
def test_a_transposed_convolution_sums_as_many_products_as_counted(drawn):
    layer, x = drawn
    output = run(layer, x)
    assume(output is not None)
    row = row_of(layer, x)
    assert row.useful_macs == output.sum().item()
    # Without padding nothing is cut off: every product is in the output.
    convolve = getattr(functional, f"conv_transpose{x.dim() - 2}d")
    whole = convolve(x, layer.weight, None, layer.stride, 0, 0, layer.groups, layer.dilation)
    assert row.macs == whole.sum().item()
    assert row.output_shape == tuple(output.shape)
    assert row.params == layer.weight.numel()


@given(convolutions())
@settings(parent=MANY, max_examples=40)
def test_a_functional_call_counts_like_the_layer(drawn):
    layer, x = drawn
    layer.padding_mode = "zeros"
    assume(run(layer, x) is not None)
    convolve = getattr(functional, f"conv{x.dim() - 2}d")
    arguments = layer.stride, layer.padding, layer.dilation, layer.groups
    plain = Functional(lambda x, w, _: convolve(x, w, None, *arguments), *layer.weight.shape)
    module, call = row_of(layer, x), row_of(plain, x)
    for name in ("kind", "macs", "useful_macs", "bytes_moved", "backward_macs", "padding"):
        assert getattr(call, name) == getattr(module, name), name


POOLS = st.fixed_dictionaries(
    {
        "kernel_size": st.integers(1, 4),
        "stride": st.integers(1, 4),
        "padding": st.integers(0, 2),
        "dilation": st.integers(1, 2),
        "ceil_mode": st.booleans(),
    },
)


@given(POOLS, st.integers(4, 11))
@settings(parent=MANY, max_examples=100)
def test_a_max_pool_compares_all_elements_of_each_window(arguments, size):
    pool, x = nn.MaxPool2d(**arguments), torch.randn(1, 2, size, size)
    try:
        output = pool(x)
    except RuntimeError:
        assume(False)  # noqa: FBT003, how hypothesis is told to draw again
    row = row_of(pool, x)
    assert row.output_shape == tuple(output.shape)
    assert row.elementwise_flops == output.numel() * (arguments["kernel_size"] ** 2 - 1)


def network(draw):
    """Return a random stack of layers of many kinds, and an input that it takes."""
    channels, layers = 3, []
    for _ in range(draw.randint(2, 6)):
        groups = draw.choice([1, channels])
        wider = groups * draw.randint(1, 3)
        layers += draw.choice([
            [nn.Conv2d(channels, wider, draw.randint(1, 3), draw.randint(1, 2), 1, groups=groups)],
            [nn.ConvTranspose2d(channels, wider, 3, draw.randint(1, 2), groups=groups)],
            [nn.Conv2d(channels, wider, 3, padding="same", dilation=2, groups=groups), nn.ReLU()],
        ])  # fmt: skip
        channels = wider
        layers += draw.choice([[], [nn.BatchNorm2d(channels)], [nn.AvgPool2d(2, 1)]])
    layers += [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * channels, 5)]
    return nn.Sequential(*layers).eval(), torch.randn(2, 3, 20, 20)


@pytest.mark.parametrize("seed", range(30))
def test_random_networks_count_like_torch_in_forward(seed):
    torch.manual_seed(seed)
    model, x = network(random.Random(seed))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(x)
    total = magics.profile(model, x, measure=False, receptive_field=False).total
    assert total.flops == counter.get_total_flops()
