"""From what a user writes to what a model takes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nets import CONV, CONV_MACS, SQUARE, Calls
from torch import nn

import magics
from magics.measurement.models.inputs import parse_shape


def counted(model, *inputs, **options):
    return magics.profile(model, *inputs, measure=False, receptive_field=False, **options)


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=6), st.sampled_from("xX"))
def test_a_shape_is_read_as_it_is_written(sizes, sign):
    assert parse_shape(sign.join(map(str, sizes))) == tuple(sizes)
    assert parse_shape(f" {sign.join(map(str, sizes))} ") == tuple(sizes)


@given(st.text(max_size=12))
def test_any_text_is_a_shape_or_nothing_or_an_error_in_one_line(text):
    shape, message = None, ""
    try:
        shape = parse_shape(text)
    except magics.ConvProfileError as error:
        message = str(error)
    assert "\n" not in message
    assert shape is None or all(size > 0 for size in shape)


@pytest.mark.parametrize("shape", ["1x3x8x8", "1X3X8X8", (1, 3, 8, 8), [1, 3, 8, 8]])
def test_a_shape_stands_for_random_numbers(shape):
    profile = counted(CONV(), shape)
    assert profile.total.macs == CONV_MACS
    assert profile.inputs == "1x3x8x8 float32"


def test_numbers_made_for_a_shape_are_ordinary_and_always_the_same():
    seen = []
    model = Calls(lambda m, x: seen.append(x.clone()) or m.conv(x), conv=CONV())
    for _ in range(2):
        counted(model, "1x3x8x8")
    assert torch.equal(seen[0], seen[-1])
    assert 0.5 < seen[0].std() < 1.5
    assert (seen[0].abs() > 1e-6).all()


@pytest.mark.parametrize(
    ("model", "dtype"),
    [
        (CONV(dtype=torch.float64), "float64"),
        (CONV(dtype=torch.bfloat16), "bfloat16"),
        (CONV(dtype=torch.complex64), "complex64"),
        (nn.ReLU(), "float32"),
    ],
)
def test_numbers_made_for_a_shape_have_the_type_of_the_weights(model, dtype):
    assert counted(model, "1x3x8x8").inputs == f"1x3x8x8 {dtype}"


def test_an_embedding_gets_indices():
    model = nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 2))
    assert counted(model, "2x7").inputs == "2x7 int64"


def test_one_shape_serves_every_input_that_forward_requires():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = CONV()

        def forward(self, left, right, scale=1.0):
            return (self.conv(left) - self.conv(right)) * scale

    assert counted(Two(), "1x3x8x8").total.macs == 2 * CONV_MACS
    assert counted(Two(), "1x3x8x8", "1x3x8x8").total.macs == 2 * CONV_MACS
    assert counted(Two(), *SQUARE(), right="1x3x8x8", scale=2.0).total.macs == 2 * CONV_MACS


def test_a_model_without_inputs_is_called_without_any():
    model = Calls(lambda m: m.conv(torch.ones(1, 3, 8, 8)), conv=CONV())
    assert counted(model).total.macs == CONV_MACS


def test_keyword_arguments_reach_the_model_also_under_an_option_s_name():
    def forward(model, x, *, mode, threads=None):
        assert (mode, threads) == ("fast", [7, 7])
        return model.conv(x)

    model = Calls(forward, conv=CONV())
    profile = counted(model, *SQUARE(), kwargs={"mode": "fast", "threads": [7, 7]})
    assert profile.total.macs == CONV_MACS


def test_nested_inputs_are_converted_with_the_model():
    def forward(model, batch, *, extra):
        return model.conv(batch["pair"][0]) + model.conv(batch["pair"][1]) + extra

    model = Calls(forward, conv=CONV())
    x = SQUARE()[0]
    batch = {"pair": (x, x), "name": "first"}
    profile = counted(model, batch, extra=torch.ones(()), dtype="float64")
    assert profile.layers[0].dtype == "float64"
    assert batch["pair"][0] is x
    assert x.dtype == torch.float32


def test_a_layout_is_given_to_weights_and_inputs():
    seen = []
    conv = CONV()
    model = Calls(
        lambda m, x: seen.append((x.stride(), m.conv.weight.stride())) or m.conv(x), conv=conv
    )
    counted(model, "2x3x8x8", layout="nhwc")
    assert seen[-1] == ((192, 1, 24, 3), (27, 1, 9, 3))
    assert conv.weight.is_contiguous()


@pytest.mark.parametrize("dtype", ["float64", "fp64", torch.float64])
def test_element_types_are_given_by_name_or_as_torch_s(dtype):
    assert counted(CONV(), "1x3x8x8", dtype=dtype).layers[0].dtype == "float64"
