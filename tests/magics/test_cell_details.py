"""What a cell's one run tells beyond its layers' times: work, memory, bounds, what is unseen."""

import json
import sys
import warnings

import pytest
import torch
from nets import resnet18
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import magics
from magics.cell import profile_cell
from magics.measurement import device
from magics.measurement.cells import live_times
from magics.records import Ceilings

CEILINGS = Ceilings(
    flops_per_s=1e12, bandwidth=((1 << 20, 1e11), (1 << 28, 1e10)), call_overhead_s=1e-6
)


@pytest.fixture(autouse=True)
def ceilings(monkeypatch):
    """Give ceilings that are known, and say what they were asked for."""
    asked = []

    def known(*setting, **more):
        asked.append((setting, more))
        return CEILINGS

    monkeypatch.setattr(device, "measure_ceilings", known)
    return asked


class Mixed(nn.Module):
    """Layers, functions and operators of all sorts."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.act = nn.GELU()
        self.norm = nn.GroupNorm(2, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.recurrent = nn.LSTM(8, 8, batch_first=True)

    def forward(self, x):
        x = functional.silu(self.norm(self.act(self.conv(x)))) + 1
        x = torch.fft.fft(x).real.flatten(2).transpose(1, 2)
        x = self.attention(x, x, x)[0]
        return self.recurrent(x)[0]


def profiled(net, *inputs, steps=1, **options):
    """Return the profiles of a training step by itself and in a cell."""

    def cell():
        for _ in range(steps):
            net(*inputs).sum().backward()

    alone = magics.profile(net, *inputs, backward=True, budget=0.1)
    return alone, profile_cell(cell, {"net": net}, **options).profile


@pytest.mark.parametrize("steps", [1, 3])
def test_all_work_of_a_model_is_counted_as_by_itself(steps):
    alone, found = profiled(Mixed(), torch.rand(2, 3, 8, 8), steps=steps)
    rows = {row.name.removeprefix("net."): row for row in found.layers}
    assert list(rows) == ["conv", "attention", "recurrent"]
    for row in alone.layers:
        if row.name in rows:
            assert rows[row.name].macs == steps * row.macs
            assert rows[row.name].params == row.params
            assert rows[row.name].calls == steps
    assert found.total.macs == steps * alone.total.macs
    assert found.total.params == alone.total.params
    assert found.total.elementwise_flops == steps * alone.total.elementwise_flops


def test_operators_without_a_formula_are_listed_with_their_place():
    alone, found = profiled(Mixed(), torch.rand(2, 3, 8, 8), steps=3)
    (operator,) = {item.op for item in alone.uncounted if "backward" not in item.op}
    (listed,) = found.uncounted
    assert (listed.op, listed.layer, listed.calls) == (operator, "net", 3)


@pytest.mark.parametrize("size", [32, 64])
def test_what_is_kept_for_the_backward_is_that_of_the_model_by_itself(size):
    net = resnet18().train()
    alone, found = profiled(net, torch.rand(2, 3, size, size), steps=2)
    assert found.memory["saved"] == alone.memory["saved"]
    assert found.memory["parameters"] == alone.memory["parameters"]
    own = {row.name: row.saved_bytes for row in alone.layers}
    assert {row.name.removeprefix("net."): row.saved_bytes for row in found.layers} == {
        row.name: own[row.name] for row in alone.layers if row.kind != "other"
    }


def test_nothing_is_kept_where_no_gradient_is_recorded():
    net = nn.Conv2d(1, 1, 1)
    with torch.no_grad():
        found = profile_cell(lambda: net(torch.rand(1, 1, 4, 4)), {"net": net}).profile
    assert found.layers[0].saved_bytes is None
    assert "saved" not in found.memory


def test_a_checkpoint_is_not_made_to_compute_what_it_gave_up():
    net, counted = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Sigmoid()), []
    net.register_forward_pre_hook(lambda *_: counted.append(1))

    def cell():
        out = checkpoint(net, torch.rand(1, 1, 4, 4), use_reentrant=False)
        counted.append("end of the forward")
        out.sum().backward()

    found = profile_cell(cell, {"net": net})
    assert found.error is None
    assert counted == [1, "end of the forward", 1]
    assert found.profile.layers[0].saved_bytes is None


def test_hooks_that_the_cell_sets_see_what_they_would_see_alone():
    net, x = nn.Conv2d(1, 1, 1), torch.rand(1, 1, 4, 4)

    def cell(seen):
        with torch.autograd.graph.saved_tensors_hooks(
            lambda tensor: seen.append("pack") or tensor,
            lambda tensor: seen.append("unpack") or tensor,
        ):
            net(x).sigmoid().sum().backward()

    alone, looked_at = [], []
    cell(alone)
    profile_cell(lambda: cell(looked_at), {"net": net})
    assert looked_at == alone


def test_what_bounds_a_layer_is_judged_by_one_call_of_it(ceilings):
    net = nn.Conv2d(64, 64, 3, bias=False).to(memory_format=torch.channels_last)
    x = torch.rand(2, 64, 16, 16).to(memory_format=torch.channels_last)

    def cell():
        for _ in range(4):
            net(x)

    found = profile_cell(cell, {"net": net}, threads=1).profile
    (row,) = found.layers
    assert ceilings == [(("cpu", torch.float32, 1, "channels_last"), {"fresh": False})]
    flops = 2 * 2 * 64 * 14 * 14 * 64 * 9
    moved = 4 * (x.numel() + net.weight.numel() + 2 * 64 * 14 * 14)
    roof_s = found.ceilings.roof_time_s(flops, moved)
    assert row.roof_s == pytest.approx(4 * roof_s)
    assert row.bound in {"compute", "memory", "kernel", "overhead"}
    assert row.efficiency == pytest.approx(4 * roof_s / row.forward.median_s)
    assert row.arithmetic_intensity == pytest.approx(flops / moved)
    text = " ".join(str(found).split())
    assert "measured on this device" in text
    assert "bound by" in text


def traced(net, x):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.trace(net, x)


def test_a_layer_with_uncounted_work_is_not_judged():
    class Strange(nn.Module):
        def forward(self, x):
            return torch.fft.fft2(x).real

    x = torch.rand(1, 2, 4, 4)
    net, fast = nn.Conv2d(2, 2, 1), traced(Strange(), x)
    found = profile_cell(lambda: fast(net(x)), {"net": net, "fast": fast}).profile
    assert [(item.op, item.layer) for item in found.uncounted] == [("aten::_fft_c2c", "fast")]
    assert {row.name: row.bound is None for row in found.layers} == {"net": False, "fast": True}


@pytest.mark.parametrize("options", [{"roofline": False}, {"measure": False}])
def test_without_a_roofline_no_ceilings_are_measured(ceilings, options):
    net = nn.Conv2d(1, 1, 1)
    found = profile_cell(lambda: net(torch.rand(1, 1, 4, 4)), {"net": net}, **options).profile
    assert found.layers[0].bound is None
    assert ceilings == []


def test_ceilings_are_measured_when_the_cell_has_ended(ceilings):
    net, order = nn.Conv2d(1, 1, 1), []

    def cell():
        net(torch.rand(1, 1, 4, 4))
        order.extend(ceilings)

    profile_cell(cell, {"net": net}, fresh_ceilings=True)
    assert order == []
    assert [more for _, more in ceilings] == [{"fresh": True}]


def test_ctrl_c_while_ceilings_are_measured_leaves_the_times(monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(device, "measure_ceilings", interrupted)
    net = nn.Conv2d(1, 1, 1)
    found = profile_cell(lambda: net(torch.rand(1, 1, 4, 4)), {"net": net})
    assert isinstance(found.error, KeyboardInterrupt)
    assert found.profile.layers[0].forward.median_s > 0


def test_layers_of_a_scripted_model_are_counted_in_its_row():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3)).eval()
    x = torch.rand(1, 3, 8, 8)
    scripted = traced(net, x)
    alone = magics.profile(net, x, measure=False)
    found = profile_cell(lambda: [scripted(x) for _ in range(2)], {"fast": scripted}).profile
    (row,) = found.layers
    assert row.macs == 2 * alone.total.macs
    assert "scripted" in row.note
    assert found.uncounted == ()


def test_a_norm_without_a_formula_of_its_own_is_counted_by_what_it_runs():
    net, x = nn.Sequential(nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4)), torch.rand(2, 3, 8, 8)
    alone, found = profiled(net, x, steps=2)
    assert [row.elementwise_flops for row in found.layers] == [
        2 * row.elementwise_flops for row in alone.layers
    ]
    assert found.uncounted == ()


def test_a_compiled_model_is_named_as_not_seen():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    fast = torch.compile(net, backend="eager")
    found = profile_cell(lambda: fast(torch.rand(1, 3, 8, 8)), {"fast": fast}).profile
    assert any(
        text.startswith("Not seen: layers of what is compiled (fast") for text in found.warnings
    )
    assert "torch._dynamo" in sys.modules


def test_layers_that_change_are_told_apart():
    net = nn.Conv2d(2, 2, 1)
    x = torch.rand(1, 2, 8, 8)

    def cell():
        net(x)
        net(x)
        net.stride = (2, 2)
        net(x)
        net.weight = nn.Parameter(torch.rand(6, 2, 1, 1))
        net.bias = None
        net(x)

    found = profile_cell(cell, {"net": net}).profile
    assert [(row.calls, row.output_shape) for row in found.layers] == [
        (2, (1, 2, 8, 8)),
        (1, (1, 2, 4, 4)),
        (1, (1, 6, 4, 4)),
    ]
    assert found.total.macs == 2 * 64 * 4 + 16 * 4 + 16 * 12


def test_frozen_weights_are_noticed_between_two_calls():
    net, x = nn.Conv2d(2, 2, 1), torch.rand(1, 2, 8, 8)

    def cell():
        net(x).sum().backward()
        net.requires_grad_(requires_grad=False)
        net(x.requires_grad_()).sum().backward()
        net(x).sum().backward()

    found = profile_cell(cell, {"net": net}).profile
    assert found.layers[0].backward_macs == 3 * 64 * 4


def test_a_record_with_all_of_that_comes_back_from_json():
    _, found = profiled(Mixed(), torch.rand(2, 3, 8, 8))
    assert magics.Profile.from_json(found.to_json()) == found
    assert json.loads(found.to_json())


@pytest.mark.parametrize(("times", "is_said"), [(1, False), (9, True)])
def test_a_busy_machine_is_told(monkeypatch, times, is_said):
    clock = iter(range(0, 10**9, 1000))
    monkeypatch.setattr(live_times, "read", lambda: next(clock) * times)
    monkeypatch.setattr(live_times.time, "thread_time_ns", lambda: next(clock))
    net = nn.Conv2d(1, 1, 1)
    found = profile_cell(lambda: net(torch.rand(1, 1, 4, 4)), {"net": net}).profile
    assert any("kept this machine busy" in text for text in found.warnings) == is_said
