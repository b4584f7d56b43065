"""The lines that advice shows: run on a model, they do what the advice says."""

import copy
import warnings
from math import inf

import pytest
import snapshot
import torch
from advised import NEEDY_INPUT, QUICK, executed, needy
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import CONV, SQUARE, Calls, Standardized, image, resnet18
from torch import nn
from torch.nn.utils import parametrizations

import magics
from magics.measurement.calling.followers import followers
from magics.studies.advising.changes.windows import _HYBRID
from magics.studies.advising.outcomes import Outcome, difference

pytestmark = pytest.mark.usefixtures("briefly")


@pytest.fixture(scope="module")
def advice():
    return magics.advise(needy(), NEEDY_INPUT, **QUICK)


def error_of(expected, found):
    return ((expected - found).abs().max() / expected.abs().max()).item()


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


def test_a_whole_network_is_folded():
    torch.manual_seed(0)
    net = resnet18().eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    found = magics.advise(net, "1x3x32x32", budget=600.0)["fold batch norm"]
    assert len(found.layers) == 20  # all of them
    assert found.error <= 1e-5
    assert len(found.code.splitlines()) < 10  # by a rule instead of twenty names
    executed(found, net)
    assert not [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]


def test_where_the_rule_would_find_other_pairs_all_are_listed():
    layers = [nn.Sequential(CONV(), nn.BatchNorm2d(4), nn.Conv2d(4, 3, 1)) for _ in range(4)]
    odd = pair(lambda m, x: m.norm(m.conv(x).relu()))
    net = nn.Sequential(*layers[:3], nn.Upsample(scale_factor=4), layers[3], nn.Upsample(8), odd)
    found = magics.advise(net.eval(), *image(1, 3, 20, 20)(), measure=False)["fold batch norm"]
    assert found.layers == ("0.1", "1.1", "2.1", "4.1")
    assert "('4.0', '4.1')" in found.code
    assert "6.norm" not in found.code


KINDS = {1: (nn.Conv1d, nn.ConvTranspose1d, nn.BatchNorm1d), 2: (nn.Conv2d, nn.ConvTranspose2d,
         nn.BatchNorm2d), 3: (nn.Conv3d, nn.ConvTranspose3d, nn.BatchNorm3d)}  # fmt: skip


@st.composite
def stacks(draw):
    """Return layers with a batch norm behind most, and an input for them."""
    axes, dtype = draw(st.sampled_from([1, 2, 3])), draw(st.sampled_from(["float32", "float64"]))
    conv, transposed, norm = KINDS[axes]
    torch.manual_seed(draw(st.integers(0, 10_000)))
    channels, layers, paired = 4, [], 0
    for _ in range(draw(st.integers(1, 4))):
        groups = draw(st.sampled_from([1, 2, 4]))
        kind = draw(st.sampled_from([conv, transposed]))
        out = draw(st.sampled_from([4, 8]))
        kernel = draw(st.sampled_from([1, 3]))
        layers.append(kind(channels, out, kernel, padding=kernel // 2, groups=groups,
                           stride=draw(st.integers(1, 2)), bias=draw(st.booleans())))  # fmt: skip
        channels = out
        if draw(st.booleans()):
            layers.append(nn.ReLU(inplace=draw(st.booleans())))
        elif draw(st.booleans()):
            paired += kind is conv or groups == 1
        else:
            continue
        if draw(st.booleans()) or not isinstance(layers[-1], nn.ReLU):
            layers.append(norm(channels, affine=draw(st.booleans())))
    net = nn.Sequential(*layers).to(getattr(torch, dtype)).eval()
    for module in net:
        if isinstance(module, norm):
            module.running_mean.normal_()
            module.running_var.uniform_(0.1, 3)
    return net, torch.randn(2, 4, *[5] * axes, dtype=getattr(torch, dtype))


@settings(deadline=None, max_examples=40)
@given(stacks())
def test_whatever_is_folded_gives_the_same_result(drawn):
    net, x = drawn
    found = magics.advise(net, x, measure=False)["fold batch norm"]
    if found.verdict == "does not apply":
        return
    expected = net(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        left = executed(found, copy.deepcopy(net))
    bound = 1e-9 if x.dtype == torch.float64 else 1e-5
    # Relative to what goes in as well: a batch norm may bring outputs near zero.
    assert (left["model"](x) - expected).abs().max() <= bound * max(1, expected.abs().max())
    norms = [n for n, m in net.named_modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert set(found.layers) <= set(norms)
    for place in map(int, norms):
        before = net[place - 1] if place else None
        foldable = isinstance(before, nn.modules.conv._ConvNd) and not (
            isinstance(before, nn.modules.conv._ConvTransposeNd) and before.groups > 1
        )
        assert (str(place) in found.layers) == foldable


def pair(forward, **children):
    return Calls(forward, **{"conv": nn.Conv2d(3, 4, 3), "norm": nn.BatchNorm2d(4), **children})


NOT_ALONE = {
    "used twice": pair(lambda m, x: m.norm(y := m.conv(x)) + y),
    "returned as well": pair(lambda m, x: (y := m.conv(x), m.norm(y))),
    "changed in between": pair(lambda m, x: m.norm(m.conv(x).relu_())),
    "another view in between": pair(lambda m, x: m.norm(m.conv(x).flip(2))),
    "normed twice": pair(lambda m, x: m.norm(y := m.conv(x)) + m.norm(y)),
    "called twice": pair(lambda m, x: m.norm(m.conv(x)) + m.conv(x).sum()),
    "a subclass": pair(lambda m, x: m.norm(m.conv(x)), conv=Standardized(3, 4, 3)),
    "parametrized": pair(
        lambda m, x: m.norm(m.conv(x)), conv=parametrizations.weight_norm(nn.Conv2d(3, 4, 3))
    ),
    "linear on images": Calls(
        lambda m, x: m.norm(m.linear(x)), linear=nn.Linear(8, 8), norm=nn.BatchNorm2d(3)
    ),
}


@pytest.mark.parametrize("name", NOT_ALONE)
def test_what_others_see_of_a_layer_is_not_folded(name):
    net = NOT_ALONE[name].eval()
    before = snapshot.of_model(net)
    found = magics.advise(net, *SQUARE(), measure=False)["fold batch norm"]
    assert found.verdict == "does not apply"
    assert found.why
    assert snapshot.of_model(net) == before


def test_a_linear_layer_takes_its_batch_norm_over():
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 6), nn.BatchNorm1d(6)).eval()
    net[2].running_mean.normal_()
    found = magics.advise(net, *SQUARE(), **QUICK)["fold batch norm"]
    assert "fuse_linear_bn_eval" in found.code
    assert found.error <= 1e-5


def test_modules_with_two_names_are_in_no_pair():
    net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
    both = nn.ModuleDict({"one": net, "two": net})
    model = Calls(lambda m, x: m.both["one"](x), both=both).eval()
    assert followers(model, lambda: model(*SQUARE())) == ()


def test_a_batch_norm_without_statistics_is_not_folded_and_its_bias_can_go():
    net = nn.Sequential(CONV(), nn.BatchNorm2d(4, track_running_stats=False)).eval()
    found = magics.advise(net, *SQUARE(), **QUICK)
    assert found["fold batch norm"].why == "'1' keeps no running statistics"
    x = SQUARE()[0]
    expected = net(x)
    executed(found["bias before batch norm"], net)
    assert net[0].bias is None
    assert error_of(expected, net(x)) < 1e-5


def test_names_of_layers_are_quoted_in_the_code():
    hostile = "a'); import os  # \"\n"
    net = nn.Sequential()
    net.add_module(hostile.replace(".", ""), CONV())
    net.add_module("norm", nn.BatchNorm2d(4))
    found = magics.advise(net.eval(), *SQUARE(), **QUICK)["fold batch norm"]
    assert found.error <= 1e-5
    executed(found, net)
    assert isinstance(net.norm, nn.Identity)


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
