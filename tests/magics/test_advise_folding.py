"""Batch norms that a layer takes over, and those that none can."""

import copy
import warnings

import pytest
import snapshot
import torch
from advised import QUICK, error_of, executed
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import CONV, SQUARE, Calls, Standardized, image, resnet18
from torch import nn
from torch.nn.utils import parametrizations

import magics
from magics.measurement.calling.followers import followers

pytestmark = pytest.mark.usefixtures("briefly")


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
