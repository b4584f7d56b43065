"""What bounds a layer, from end to end: ceilings, roofs and verdicts in a profile."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import magics
from magics.measurement import device
from magics.records import Ceilings, Profile

QUICK = {"budget": 0.05, "memory": False, "receptive_field": False}
VERDICTS = {"compute", "memory", "kernel", "overhead"}

# Ceilings that no processor reaches, so that a profile's layers don't raise them.
FAR = Ceilings(
    flops_per_s=1e18, bandwidth=((1 << 18, 1e15), (1 << 28, 1e14)), call_overhead_s=1e-15
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.setattr(device, "_this_process", {})


@pytest.fixture
def asked(monkeypatch):
    """Let ceilings be given, and tell what they were asked for."""
    calls = []

    def given(where, dtype, threads, layout, *, fresh):
        calls.append(
            {"device": where, "dtype": dtype, "threads": threads, "layout": layout, "fresh": fresh}
        )
        return FAR

    monkeypatch.setattr(device, "measure_ceilings", given)
    return calls


def net():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
    ).eval()


def test_a_profile_says_what_the_device_can_do_and_what_bounds_each_layer():
    found = magics.profile(net(), "1x3x34x34", threads=1, **QUICK)
    assert found.ceilings is not None
    for layer in found.layers[:4]:
        assert layer.bound in VERDICTS
        assert layer.roof_s > 0
    assert Profile.from_json(found.to_json()) == found


def test_the_roof_is_the_longer_of_arithmetic_and_traffic(asked):
    found = magics.profile(net(), "1x3x34x34", **QUICK)
    conv = found.layers[0]
    # 8 maps of 32x32, 3 channels, 3x3 taps, two operations, and a bias for each output.
    flops = 8 * 32 * 32 * (3 * 9 * 2 + 1)
    traffic = 4 * (3 * 34 * 34 + 8 * 32 * 32 + 8 * 3 * 9 + 8)
    assert conv.roof_s == pytest.approx(max(flops / 1e18, traffic / 1e15))
    assert conv.bound == "kernel"  # so far under such ceilings


def test_batch_norm_in_training_reads_its_input_twice(asked):
    model = nn.Sequential(nn.BatchNorm2d(4))
    traffic = 4 * 4 * 64 * 64  # one map, in and out alike
    small = 4 * 4 * 8  # parameters and statistics, at most
    inference = magics.profile(model.eval(), "1x4x64x64", **QUICK).layers[0]
    training = magics.profile(model.train(), "1x4x64x64", **QUICK).layers[0]
    assert inference.roof_s * 1e15 == pytest.approx(2 * traffic, abs=small)
    assert training.roof_s * 1e15 == pytest.approx(3 * traffic, abs=small)


def test_ceilings_are_those_of_the_profile_s_own_setting(asked):
    x = torch.rand(1, 3, 34, 34).to(memory_format=torch.channels_last)
    found = magics.profile(net(), x, dtype="float64", threads=1, **QUICK)
    (call,) = asked
    assert call == {
        "device": "cpu",
        "dtype": torch.float64,
        "threads": 1,
        "layout": "channels_last",
        "fresh": False,
    }
    assert found.ceilings == FAR


def test_autocast_is_measured_against_the_element_type_that_it_computes_in(asked):
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = net()

        def forward(self, x):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return self.inner(x)

    magics.profile(Mixed().eval(), "1x3x34x34", **QUICK)
    assert asked[0]["dtype"] is torch.bfloat16


def test_ceilings_are_measured_again_on_request(asked):
    magics.profile(net(), "1x3x34x34", fresh_ceilings=True, **QUICK)
    assert asked[0]["fresh"]


@pytest.mark.parametrize("options", [{"roofline": False}, {"measure": False}])
def test_without_times_or_on_request_there_are_no_ceilings(asked, options):
    found = magics.profile(net(), "1x3x34x34", **{**QUICK, **options})
    assert asked == []
    assert found.ceilings is None
    assert {layer.bound for layer in found.layers} == {None}
    assert {layer.roof_s for layer in found.layers} == {None}


def test_what_is_not_counted_in_full_gets_no_verdict(asked):
    class Sorts(nn.Module):
        def forward(self, x):
            return x.topk(3).values

    found = magics.profile(nn.Sequential(nn.Conv2d(3, 8, 3), Sorts()), "1x3x34x34", **QUICK)
    assert [item.op for item in found.uncounted] == ["aten::topk"]
    assert [layer.bound for layer in found.layers] == ["kernel", None]


def test_an_element_type_without_arithmetic_leaves_a_profile_without_ceilings(monkeypatch):
    def refused(*_, **__):
        raise RuntimeError("not implemented for 'Odd'")

    monkeypatch.setattr(device, "measure_ceilings", refused)
    found = magics.profile(net(), "1x3x34x34", **QUICK)
    assert found.ceilings is None
    assert found.layers[0].forward is not None


def test_ceilings_that_others_disturbed_come_with_a_warning(monkeypatch):
    disturbed = replace(FAR, disturbed=True)
    monkeypatch.setattr(device, "measure_ceilings", lambda *_, **__: disturbed)
    found = magics.profile(net(), "1x3x34x34", **QUICK)
    assert any("while its ceilings were measured" in text for text in found.warnings)


def test_no_layer_that_matters_is_faster_than_its_roof():
    model = nn.Sequential(
        nn.Conv2d(8, 64, 3, padding=1, bias=False), nn.ReLU(inplace=True), nn.Conv2d(64, 64, 3)
    )
    found = magics.profile(model.eval(), "4x8x56x56", threads=1, **QUICK)
    for layer in found.layers:
        assert layer.efficiency < 1 + 1e-9
