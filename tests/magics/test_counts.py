"""Every small case: its multiply-adds, its rows, and what they add up to."""

import warnings

import pytest
import torch
from cases import CASES
from nets import CONV, SQUARE, Calls, image
from torch import nn
from torch.nn import functional

import magics


def counted(model, *inputs, **options):
    with warnings.catch_warnings():
        # torch's word on even kernels; compiled and scripted models are on their way out.
        warnings.simplefilter("ignore")
        return magics.profile(model, *inputs, measure=False, receptive_field=False, **options)


def build(case):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return case.build()


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def test_multiply_adds_are_those_worked_out_by_hand(case):
    profile = counted(build(case), *case.inputs(), **case.kwargs())
    assert profile.total.macs == case.macs
    assert profile.total.flops == 2 * case.macs
    assert tuple(row.kind for row in profile.layers if row.kind != "other") == case.kinds


def test_nothing_is_left_uncounted_and_rows_add_up(case):
    model = build(case)
    profile = counted(model, *case.inputs(), **case.kwargs())
    assert profile.uncounted == ()
    assert sum(row.params for row in profile.rows) == profile.total.params
    keys = [(row.name, row.call_index) for row in profile.layers]
    assert len(set(keys)) == len(keys)
    for row in profile.rows:
        assert row.useful_macs <= row.macs
        assert row.bytes_moved >= 0


def test_unregistered_layers_are_counted_and_named_in_a_warning():
    case = CASES["plain list"]
    profile = counted(build(case), *case.inputs())
    assert profile.total.params == 4 * 27 + 4 + 4 * 36 + 4
    assert "layers[0], layers[1]: held in a plain list or dict" in profile.warnings[0]
    assert "260 parameters are unknown to model.parameters()" in profile.warnings[0]


def test_parameters_of_a_shared_layer_count_once_and_each_call_has_a_row():
    case = CASES["in a loop"]
    model = build(case)
    rows = counted(model, *case.inputs()).layers
    assert [(row.name, row.call_index) for row in rows] == [("conv", 0), ("conv", 1), ("conv", 2)]
    assert [row.params for row in rows] == [84, 0, 0]


def test_tied_weights_count_once():
    embedding, head = nn.Embedding(10, 4), nn.Linear(4, 10, bias=False)
    head.weight = embedding.weight
    profile = counted(nn.Sequential(embedding, head), torch.tensor([[1, 2]]))
    assert profile.total.params == 40
    assert [row.params for row in profile.layers] == [40, 0]


def test_parameters_of_a_branch_that_never_ran_belong_to_everything_else():
    case = CASES["branch never run"]
    profile = counted(build(case), *case.inputs())
    assert profile.other.params == 112
    assert profile.total.params == 224


def test_elementwise_work_stands_apart_from_multiply_adds():
    model = nn.Sequential(CONV(bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)).eval()
    conv, norm, relu, pool = counted(model, *SQUARE()).layers
    outputs = 4 * 36
    assert (conv.macs, conv.elementwise_flops) == (outputs * 27, 0)
    assert (norm.macs, norm.elementwise_flops) == (0, 2 * outputs)
    assert (relu.macs, relu.elementwise_flops) == (0, outputs)
    assert (pool.macs, pool.elementwise_flops) == (0, 3 * outputs // 4)


def test_a_bias_is_an_addition_per_output():
    (conv,) = counted(CONV(), *SQUARE()).layers
    assert conv.elementwise_flops == 4 * 36


def test_batch_norm_costs_more_with_the_batch_s_own_statistics():
    norm = nn.BatchNorm2d(3)
    elements = 2 * 3 * 64
    batch = image(2, 3, 8, 8)()
    assert counted(norm.train(), *batch).layers[0].elementwise_flops == 6 * elements
    assert counted(norm.eval(), *batch).layers[0].elementwise_flops == 2 * elements


def test_instance_norm_is_no_batch_norm():
    (row,) = counted(nn.InstanceNorm2d(3), *SQUARE()).layers
    assert row.kind == "other"
    assert row.elementwise_flops == 6 * 3 * 64


@pytest.mark.parametrize(
    ("model", "shape", "moved"),
    [
        # input + weights + output, each once, 4 bytes each
        (CONV(bias=False), (1, 3, 8, 8), 192 + 108 + 144),
        (CONV(), (1, 3, 8, 8), 192 + 112 + 144),
        (CONV(padding=1, padding_mode="circular", bias=False), (1, 3, 8, 8), 192 + 108 + 256),
        (CONV(padding="same", padding_mode="reflect", bias=False), (1, 3, 8, 8), 192 + 108 + 256),
        (nn.ConvTranspose2d(4, 6, 4, 2, 1, groups=2), (1, 4, 5, 5), 100 + 192 + 6 + 600),
        (nn.Linear(5, 7), (3, 5), 15 + 42 + 21),
        (nn.MaxPool2d(2), (1, 3, 8, 8), 192 + 48),
        (nn.ReLU(), (1, 3, 8, 8), 192 + 192),
        (nn.BatchNorm2d(3).eval(), (1, 3, 8, 8), 192 + 12 + 192),
        (nn.Flatten(), (1, 3, 8, 8), 0),
    ],
)
def test_bytes_moved_are_input_weights_and_output_once(model, shape, moved):
    (row,) = counted(model, torch.ones(shape)).layers
    assert row.bytes_moved == 4 * moved


@pytest.mark.parametrize(("dtype", "size"), [("float64", 8), ("bfloat16", 2), ("float16", 2)])
def test_bytes_follow_the_element_type(dtype, size):
    model = CONV(bias=False)
    (row,) = counted(model, "1x3x8x8", dtype=dtype).layers
    assert row.bytes_moved == size * (192 + 108 + 144)
    assert row.dtype == dtype
    assert model.weight.dtype == torch.float32


def test_real_padding_makes_every_tap_useful():
    zeros = counted(CONV(padding=2), *SQUARE()).layers[0]
    mirrored = counted(CONV(padding=2, padding_mode="reflect"), *SQUARE()).layers[0]
    assert zeros.macs == mirrored.macs == mirrored.useful_macs > zeros.useful_macs
    assert mirrored.padding == ((2, 2), (2, 2))
    assert mirrored.input_shape == (1, 3, 8, 8)


def test_adaptive_pools_count_the_elements_of_their_windows():
    # 5 -> 3: windows of 2, 3 and 2 elements along each axis
    (row,) = counted(nn.AdaptiveAvgPool2d(3), torch.ones(1, 1, 5, 5)).layers
    assert row.elementwise_flops == 49


def test_layers_say_their_arguments():
    conv = nn.Conv2d(4, 8, (3, 5), stride=(2, 1), padding=(1, 2), dilation=(1, 3), groups=4)
    (row,) = counted(conv, torch.ones(2, 4, 9, 20)).layers
    assert (row.kind, row.type, row.name) == ("conv2d", "Conv2d", "")
    assert (row.kernel_size, row.stride, row.dilation) == ((3, 5), (2, 1), (1, 3))
    assert (row.padding, row.groups) == (((1, 1), (2, 2)), 4)
    assert (row.input_shape, row.output_shape) == ((2, 4, 9, 20), (2, 8, 5, 12))


def test_work_of_glue_is_in_everything_else():
    model = Calls(lambda m, x: functional.relu(m.conv(x)) + 1, conv=CONV())
    profile = counted(model, *SQUARE())
    assert profile.other.elementwise_flops == 2 * 144
    assert profile.total.elementwise_flops == profile.layers[0].elementwise_flops + 2 * 144


def test_uninitialised_layers_are_counted_and_stay_uninitialised():
    case = CASES["lazy"]
    model = build(case)
    profile = counted(model, *case.inputs())
    assert profile.total.params == 108 + 4 + 8
    assert "the model itself still waits" in profile.warnings[0]
    assert type(model[0]) is nn.LazyConv2d
    assert model[0].has_uninitialized_params()
    assert counted(model, "1x5x8x8").total.macs == 4 * 36 * 45  # other channels as well
    model(*case.inputs())
    assert type(model[0]) is nn.Conv2d
