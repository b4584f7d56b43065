"""Subnormal numbers are noticed where they are, and only there."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import magics
from magics.measurement.calling.denormals import share_of

SUBNORMAL = 1e-39


def warned(model, *inputs, **options):
    found = magics.profile(
        model, *inputs, measure=False, memory=True, receptive_field=False, **options
    )
    return [text for text in found.warnings if "Subnormal" in text]


@given(st.lists(st.floats(width=32), min_size=1))
def test_the_share_is_that_of_numbers_below_the_smallest_normal_one(values):
    smallest = 2.0**-126
    subnormal = [0 < abs(value) < smallest for value in values]
    expected = sum(subnormal) / len(values)
    assert share_of(torch.tensor(values), len(values)) == pytest.approx(expected)


@given(st.lists(st.floats(), min_size=1))
def test_double_precision_has_its_own_smallest_number(values):
    subnormal = [0 < abs(value) < 2.0**-1022 for value in values]
    tensor = torch.tensor(values, dtype=torch.float64)
    assert share_of(tensor, len(values)) == pytest.approx(sum(subnormal) / len(values))


@pytest.mark.parametrize(
    "arrange",
    [
        lambda tensor: tensor,
        lambda tensor: tensor.to(memory_format=torch.channels_last),
        lambda tensor: tensor.transpose(0, 3),
        lambda tensor: tensor[:, ::2],
        lambda tensor: tensor[:1].expand(64, -1, -1, -1),
    ],
)
def test_a_sample_sees_a_channel_of_subnormal_numbers_in_any_layout(arrange):
    tensor = torch.rand(64, 64, 16, 16) + 1
    tensor[:, 6] = SUBNORMAL
    arranged = arrange(tensor)
    true = float((arranged == SUBNORMAL).float().mean())
    assert share_of(arranged, 1 << 16) == pytest.approx(true, rel=0.5)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(0),
        torch.full((9,), 5, dtype=torch.int64),
        torch.full((9,), 1e-7, dtype=torch.float16),  # computed in float32, where it is normal
        torch.full((9,), SUBNORMAL, device="meta"),
        torch.full((9,), SUBNORMAL).to_sparse(),
        torch.tensor([0.0, -0.0, 1.0, math.inf, math.nan, 2.0**-126]),
    ],
)
def test_what_has_no_subnormal_numbers_or_no_slow_path_is_left_alone(tensor):
    assert share_of(tensor, 100) == 0


def test_a_model_of_usual_numbers_gets_no_warning():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    assert warned(model.eval(), torch.rand(1, 3, 8, 8)) == []


def test_subnormal_weights_are_named_with_the_cure():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3))
    with torch.no_grad():
        model[1].weight[0].fill_(SUBNORMAL)
    (warning,) = warned(model.eval(), torch.rand(1, 3, 8, 8))
    assert "in the weights of 1 (25 %)" in warning
    assert "in the input" not in warning
    assert "torch.set_flush_denormal(True)" in warning


@pytest.mark.parametrize("backward", [False, True])
def test_subnormal_activations_are_named_where_they_go_in(backward):
    model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), nn.AvgPool2d(2))
    with torch.no_grad():
        model[0].weight.fill_(SUBNORMAL)
    (warning,) = warned(model.eval(), torch.ones(1, 1, 8, 8), backward=backward)
    assert "in the weights of 0 (1e+02 %)" not in warning
    assert "in the weights of 0 (100 %) and in the input of 1 (100 %), 2 (100 %)" in warning


def test_many_places_are_not_all_named():
    model = nn.Sequential(*[nn.Conv2d(1, 1, 1, bias=False) for _ in range(6)])
    with torch.no_grad():
        for layer in model:
            layer.weight.fill_(SUBNORMAL)
    (warning,) = warned(model.eval(), torch.ones(1, 1, 8, 8))
    assert "in the weights of 0 (100 %), 1 (100 %), 2 (100 %) and 3 more" in warning


def test_where_the_processor_makes_them_zero_there_is_nothing_to_warn_of():
    model = nn.Sequential(nn.Conv2d(1, 1, 1))
    with torch.no_grad():
        model[0].weight.fill_(SUBNORMAL)
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor can't")
    try:
        assert warned(model.eval(), torch.ones(1, 1, 8, 8)) == []
    finally:
        torch.set_flush_denormal(False)
