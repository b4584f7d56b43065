"""Advice on compiling: what it takes, when it pays back, and that nothing of it stays."""

import warnings
from functools import partial

import pytest
import snapshot
import torch
from advised import QUICK, fake_clock, shortly
from nets import CONV, SQUARE
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

import magics
from magics.studies.advising.changes.compiling import Compile

_VARIATION = Compile.variation


@pytest.fixture(autouse=True)
def _shortly(monkeypatch):
    shortly(monkeypatch)
    monkeypatch.setattr(Compile, "variation", _VARIATION)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, about itself
        yield
        torch._dynamo.reset()


def net():
    return nn.Sequential(CONV(), nn.ReLU()).eval()


def test_a_compiler_that_does_not_work_is_told_in_a_line(monkeypatch):
    def broken(_graph, _inputs):
        raise RuntimeError("no working C++ compiler\nand much more")

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=broken))
    model = net()
    before = snapshot.of_model(model), snapshot.of_process()
    found = magics.advise(model, *SQUARE(), **QUICK)
    one = found["compile"]
    assert one.verdict == "not tried"
    assert "no working C++ compiler" in one.why
    assert "\n" not in one.why
    assert one.code == "model = torch.compile(model)"
    assert found["channels_last"].verdict != "not tried"
    assert (snapshot.of_model(model), snapshot.of_process()) == before


def test_compiling_is_counted_with_the_first_call(monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    model = net()
    before = snapshot.of_model(model), snapshot.of_process()
    one = magics.advise(model, *SQUARE(), **QUICK)["compile"]
    assert one.error == 0
    assert one.once_s > one.after.median_s
    assert (snapshot.of_model(model), snapshot.of_process()) == before


def test_what_the_user_compiled_still_runs_and_its_versions_are_not_used_up(monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    model, x = net(), SQUARE()[0]
    compiled = torch.compile(model)
    expected = compiled(x)
    for _ in range(3):
        magics.advise(model, x, **QUICK)
    assert torch.equal(compiled(x), expected)
    assert torch._dynamo.utils.counters["unimplemented"] == {}


def test_training_steps_are_compiled_too(monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    model = nn.Sequential(CONV(), nn.BatchNorm2d(4), nn.ReLU())
    one = magics.advise(model, *SQUARE(), backward=True, **QUICK)["compile"]
    assert one.error <= 1e-4


def test_where_dropout_draws_other_numbers_nothing_is_compared(monkeypatch):
    def other(graph, _inputs):
        def run(*args):
            torch.rand(1)
            return graph(*args)

        return run

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=other))
    model = nn.Sequential(CONV(), nn.Dropout(), nn.Conv2d(4, 4, 3))
    one = magics.advise(model, *SQUARE(), backward=True, **QUICK)["compile"]
    assert one.error is None
    assert one.verdict in {"helps", "no gain", "hurts"}


def test_what_gains_is_compiled_as_well_where_compiling_gains(monkeypatch):
    def compiled(model):
        """Fold, as a compiler might."""
        if isinstance(model[1], nn.BatchNorm2d):
            return nn.Sequential(fuse_conv_bn_eval(model[0], model[1]), model[2])
        return model

    monkeypatch.setattr(torch, "compile", compiled)
    model = nn.Sequential(CONV(), nn.BatchNorm2d(4), nn.ReLU()).eval()
    with fake_clock(monkeypatch):
        found = magics.advise(model, *SQUARE(), **QUICK)
    both = found["fold batch norm and compile"]
    assert both.gain.value == pytest.approx(1.35 / 1.05)  # see `ticking`
    assert both.code.splitlines()[-1] == "model = torch.compile(model)"
    assert "fuse_conv_bn_eval" in both.code
    monkeypatch.setattr(torch, "compile", lambda model: model)
    with fake_clock(monkeypatch):
        found = magics.advise(model, *SQUARE(), **QUICK)
    assert found["compile"].verdict == "no gain"
    assert "fold batch norm and compile" not in {one.name for one in found}


@pytest.mark.slow
def test_the_real_compiler_is_measured():
    one = magics.advise(net(), *SQUARE(), **QUICK)["compile"]
    assert one.error <= 1e-4
    assert one.once_s > 0.1
    assert one.verdict in {"helps", "no gain", "hurts"}
    if one.verdict == "helps":
        saved = one.before.median_s - one.after.median_s
        assert (one.break_even - 1) * saved < one.once_s <= one.break_even * saved
