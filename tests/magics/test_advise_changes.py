"""The lines that advice shows: run on a model, they do what the advice says."""

import copy
from math import inf

import pytest
import torch
from advised import NEEDY_INPUT, QUICK, error_of, executed, needy
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import image
from torch import nn

import magics
from magics.studies.advising.changes.windows import _HYBRID
from magics.studies.advising.outcomes import Outcome, difference

pytestmark = pytest.mark.usefixtures("briefly")


@pytest.fixture(scope="module")
def advice():
    return magics.advise(needy(), NEEDY_INPUT, **QUICK)


def apart(model, name, advice, x):
    """Return how far the outputs are after the lines of a suggestion, x as they leave it."""
    with torch.no_grad():
        expected = model(x)
        left = executed(advice[name], copy.deepcopy(model), x=x.clone())
        return error_of(expected, left.get("y", left["model"](left["x"]))), left


@pytest.mark.parametrize(
    "name",
    ["no_grad", "channels_last", "fold batch norm", "fold batch norm and channels_last",
     "bias before batch norm", "channels_last for pools"],
)  # fmt: skip
def test_the_lines_give_the_result_that_was_promised(advice, name):
    x = torch.randn(4, 3, 16, 16)
    error, _ = apart(needy().eval(), name, advice, x)
    assert error <= advice[name].tolerance


def test_the_lines_of_channels_last_leave_model_and_input_in_it(advice):
    x = torch.randn(4, 3, 16, 16)
    _, left = apart(needy().eval(), "channels_last", advice, x)
    for tensor in (left["x"], left["model"].tail.weight):
        assert tensor.is_contiguous(memory_format=torch.channels_last)
        assert not tensor.is_contiguous()


def test_the_lines_for_pools_give_them_channels_last(advice):
    seen = []
    model = needy().eval()
    model.pool.register_forward_hook(lambda _m, args, _out: seen.append(args[0]))
    apart(model, "channels_last for pools", advice, torch.randn(4, 3, 16, 16))
    assert [x.is_contiguous(memory_format=torch.channels_last) for x in seen] == [False, True]


def test_after_the_lines_no_batch_norm_is_left(advice):
    _, left = apart(needy().eval(), "fold batch norm", advice, torch.randn(4, 3, 16, 16))
    assert not [m for m in left["model"].modules() if isinstance(m, nn.BatchNorm2d)]


def test_without_its_bias_a_model_learns_the_same(advice):
    x = torch.randn(4, 3, 16, 16)
    one, other = needy().train(), needy().train()
    executed(advice["bias before batch norm"], other)
    weights = torch.randn(4, 8, 1, 1)
    (one(x) * weights).sum().backward()
    (other(x) * weights).sum().backward()
    largest = max(p.grad.abs().max() for p in one.parameters())
    assert one.stem.bias.grad.abs().max() < 1e-5 * largest
    for name, parameter in other.named_parameters():
        expected = one.get_parameter(name).grad
        assert (parameter.grad - expected).abs().max() < 1e-4 * largest
    one.eval(), other.eval()
    assert error_of(one(x), other(x)) < 1e-5


def test_the_even_kernel_has_an_output_of_the_same_size_and_no_checkerboard(advice):
    model = needy().eval()
    before = model.up(torch.ones(1, 8, 8, 8)).shape
    up = executed(advice["checkerboard"], model)["model"].up
    assert up(torch.ones(1, 8, 8, 8)).shape == before
    nn.init.ones_(up.weight)
    nn.init.zeros_(up.bias)
    with torch.no_grad():
        inside = up(torch.ones(1, 8, 8, 8))[..., 4:-4, 4:-4]
    assert inside.min() == inside.max()  # as many taps everywhere


@settings(deadline=None, max_examples=40)
@given(
    kernel=st.integers(1, 7), stride=st.integers(2, 4), padding=st.integers(0, 3),
    output_padding=st.integers(0, 3), groups=st.sampled_from([1, 2]),
)  # fmt: skip
def test_every_uneven_kernel_gets_an_even_one_of_the_same_output(
    kernel, stride, padding, output_padding, groups
):
    net = nn.Sequential(
        nn.Conv1d(2, 4, 1),
        nn.ConvTranspose1d(
            4, 2, kernel, stride, min(padding, kernel // 2), min(output_padding, stride - 1), groups
        ),
    )
    x = torch.randn(1, 2, 9)
    expected = net(x).shape
    found = magics.advise(net, x, measure=False)["checkerboard"]
    if kernel % stride == 0:
        assert found.verdict == "does not apply"
        return
    assert found.layers == ("1",)
    new = executed(found, net)["model"]
    assert new(x).shape == expected
    assert new[1].kernel_size[0] % stride == 0


def test_the_dilations_that_are_shown_keep_shapes_and_leave_no_gaps(advice):
    model = executed(advice["gridding"], needy().eval())["model"]
    dilated = [model.get_submodule(name) for name in advice["gridding"].layers]
    assert [conv.dilation[0] for conv in dilated] == list(_HYBRID[: len(dilated)])
    found = magics.profile(model, NEEDY_INPUT, measure=False)
    fields = {layer.name: layer.receptive_field for layer in found.layers}
    assert fields[advice["gridding"].layers[-1]].coverage == 1
    before = magics.profile(needy().eval(), NEEDY_INPUT, measure=False)
    assert {layer.name: layer.output_shape for layer in found.layers} == {
        layer.name: layer.output_shape for layer in before.layers
    }


def test_the_narrower_dilation_has_half_its_taps_on_the_map_and_no_wider_one_has(advice):
    model = executed(advice["dilation wider than its map"], needy().eval())["model"]

    def useful(model):
        layers = magics.profile(model, NEEDY_INPUT, measure=False).layers
        return next(layer.useful_taps for layer in layers if layer.name == "wide")

    assert useful(model) >= 0.5
    dilation = model.wide.dilation[0] + 1
    model.wide.dilation = model.wide.padding = (dilation, dilation)
    assert useful(model) < 0.5


def test_instead_of_batch_norm_there_is_one_that_does_not_look_at_the_batch(advice):
    model = executed(advice["batch norm with few samples"], needy().train())["model"]
    x = torch.randn(4, 8, 1, 1)
    assert isinstance(model.few, nn.GroupNorm)
    assert torch.allclose(model.few(x)[:1], model.few(x[:1]))


@pytest.mark.parametrize(
    ("expected", "found", "error"),
    [
        ([1.0, -4.0], [1.0, -4.0], 0.0),
        ([1.0, -4.0], [1.5, -4.0], 0.125),
        ([0.0, 0.0], [0.0, 0.0], 0.0),
        ([0.0, 0.0], [0.0, 1e-9], inf),
        ([float("nan"), 2.0], [float("nan"), 2.0], 0.0),
        ([float("nan"), 2.0], [1.0, 2.0], inf),
        ([float("inf"), 2.0], [float("inf"), 1.0], 0.5),
        ([1.0], [1.0, 2.0], inf),
    ],
)
def test_the_error_is_the_largest_difference_over_the_largest_output(expected, found, error):
    one, other = (Outcome([torch.tensor(values)], {}) for values in (expected, found))
    assert difference(one, other) == error


def test_an_output_without_tensors_is_not_compared():
    assert difference(Outcome([], {}), Outcome([], {})) is None


def test_volumes_are_moved_too():
    net = nn.Sequential(nn.Conv3d(2, 3, 3), nn.BatchNorm3d(3)).eval()
    found = magics.advise(net, *image(2, 2, 5, 5, 5)(), **QUICK)["channels_last"]
    assert "torch.channels_last_3d" in found.code
    assert found.error <= 1e-5
