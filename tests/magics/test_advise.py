"""Advice: what a model built to need it is told, and what one built not to."""

import copy
import re

import pytest
import snapshot
import torch
from advised import (
    EVERY,
    NEEDY_INPUT,
    QUICK,
    clean,
    clean_input,
    executed,
    fake_clock,
    needy,
)
from nets import CONV, SQUARE, Calls
from torch import nn

import magics
from magics.progress import reported_to
from magics.records import Ratio
from magics.records.advice import VERDICTS
from magics.studies.advising.changes.settings import bf16_unit

pytestmark = pytest.mark.usefixtures("briefly")


@pytest.fixture(scope="module")
def advice():
    return magics.advise(needy(), NEEDY_INPUT, **QUICK)


@pytest.fixture(scope="module")
def training():
    return magics.advise(needy(), "8x3x16x16", backward=True, **QUICK)


def with_clock(monkeypatch, model, *inputs, **options):
    with fake_clock(monkeypatch) as time:
        return magics.advise(model, *inputs, **{"budget": 60.0, **options}), time


def test_everything_is_spoken_of_whatever_becomes_of_it(advice, training):
    for found in (advice, training):
        assert {one.name for one in found} == EVERY
        assert len(found) == len(EVERY)
        assert {one.verdict for one in found} <= set(VERDICTS)


def test_every_advice_links_to_a_page_of_documentation(advice):
    for one in advice:
        assert re.match(r"https://(docs\.pytorch\.org|distill\.pub|arxiv\.org)/\S+$", one.link)


def test_a_model_built_to_need_it_is_told_what_is_wrong_with_its_layers(advice):
    looks = {one.name: one.layers for one in advice if one.verdict == "look at"}
    assert looks["checkerboard"] == ("up",)
    assert looks["dilation wider than its map"] == ("wide",)
    assert "second" in looks["gridding"]
    assert looks["eval mode"] == ("norm", "few")
    assert advice["bias before batch norm"].layers == ("stem", "tail")
    assert advice["bias before batch norm"].verdict in {"look at", "helps"}
    assert advice["fold batch norm"].layers == ("norm", "few")
    assert advice["channels_last for pools"].layers == ("pool",)


def test_a_model_built_not_to_need_it_is_told_so():
    with torch.no_grad():
        found = magics.advise(clean(), clean_input(), **QUICK)
    assert not [one for one in found if one.verdict in {"look at", "changes the result"}]
    reasons = {one.name: one.why for one in found if one.verdict == "does not apply"}
    assert reasons["no_grad"] == "gradients are off already where this was asked"
    assert reasons["eval mode"] == "the model is in eval mode"
    assert reasons["channels_last"] == "weights and inputs are channels_last already"
    assert reasons["fold batch norm"] == "there is no batch norm"
    assert reasons["bias before batch norm"] == "no layer has a bias right before a batch norm"
    assert reasons["channels_last for pools"] == "no layer pools images"
    assert reasons["flush subnormal numbers"].startswith("there are no subnormal numbers")
    assert reasons["checkerboard"] == "there is no transposed convolution"
    assert reasons["gridding"] == "no convolution is dilated"
    assert reasons["batch norm with few samples"] == "there is no batch norm"


def test_exact_changes_are_exact_and_approximations_say_how_far_off_they_are(advice):
    assert advice["no_grad"].error == 0
    for name in ("channels_last", "fold batch norm", "bias before batch norm",
                 "channels_last for pools", "fold batch norm and channels_last"):  # fmt: skip
        one = advice[name]
        assert one.error <= one.tolerance == 1e-5, name
    assert advice["eval mode"].error > 1e-3
    halved = advice["bfloat16"]
    if halved.verdict != "does not apply":
        assert 1e-4 < halved.error < 0.1


def test_batch_norm_with_few_samples_is_found_in_train_mode_only(advice, training):
    assert advice["batch norm with few samples"].layers == ("few",)
    assert "from 4 values" in advice["batch norm with few samples"].why
    assert training["batch norm with few samples"].layers == ("few",)
    found = magics.advise(needy().eval(), NEEDY_INPUT, measure=False)
    assert found["batch norm with few samples"].verdict == "does not apply"


def test_pieces_that_the_model_does_not_take_cost_nothing_else():
    found = magics.advise(needy(), NEEDY_INPUT, backward=True, **QUICK)
    assert "more than 1 value per channel" in found["gradient accumulation"].why
    assert found["gradient accumulation"].verdict == "not tried"
    assert found["channels_last"].error < 1e-4


def test_without_a_batch_norm_gradients_of_pieces_add_up_to_those_of_the_batch(training):
    net = nn.Sequential(CONV(), nn.ReLU(), nn.Conv2d(4, 4, 3))
    found = magics.advise(net, "8x3x32x32", backward=True, **QUICK)["gradient accumulation"]
    assert found.verdict == "helps"
    assert found.error < 1e-5
    assert found.bytes_after < found.bytes_before
    assert training["gradient accumulation"].verdict == "changes the result"
    assert training["gradient accumulation"].error > 1e-3
    assert "batch norm" in training["gradient accumulation"].why


def test_dropout_and_inputs_without_a_batch_are_no_obstacle_to_pieces():
    def forward(net, x, scale):
        return net.last(net.drop(net.conv(x))) * scale

    net = Calls(forward, conv=CONV(), drop=nn.Dropout(), last=nn.Conv2d(4, 4, 3))
    x, scale = torch.randn(8, 3, 16, 16), torch.tensor(2.0)
    found = magics.advise(net, x, scale, backward=True, **QUICK)["gradient accumulation"]
    assert found.verdict == "helps"
    assert found.error < 1e-5
    assert found.code.splitlines()[0] == "for x0 in x0.chunk(4):"


def test_in_training_nothing_is_said_that_holds_in_inference_only(training):
    for name in ("no_grad", "fold batch norm", "eval mode"):
        assert training[name].verdict == "does not apply"
    assert training["bias before batch norm"].error < 1e-4
    assert training["train mode"].verdict == "does not apply"
    assert "training step" in training.baseline


def test_training_in_eval_mode_is_worth_a_look():
    found = magics.advise(needy().eval(), NEEDY_INPUT, backward=True, measure=False)["train mode"]
    assert (found.verdict, found.layers) == ("look at", ("norm", "few"))


def test_folding_gains_what_the_batch_norm_took(monkeypatch):
    net = nn.Sequential(CONV(), nn.BatchNorm2d(4), nn.ReLU()).eval()
    found, _ = with_clock(monkeypatch, net, *SQUARE())
    one = found["fold batch norm"]
    # 1.0 + 0.3 + 0.05 ms before, 1.0 + 0.05 ms after; see `ticking`.
    assert one.gain.value == pytest.approx(1.35 / 1.05)
    assert one.verdict == "helps"
    assert found.helps[0].gain.value == pytest.approx(1.35 / 1.05)


def test_a_change_that_changes_no_time_is_no_gain(monkeypatch):
    found, _ = with_clock(monkeypatch, nn.Sequential(CONV(), nn.ReLU()).eval(), *SQUARE())
    for name in ("no_grad", "channels_last"):
        assert found[name].gain.value == pytest.approx(1)
        assert found[name].verdict == "no gain"
    assert {one.name for one in found.helps} <= {"batch size"}  # an operator takes its time once


def test_intervals_share_their_level_among_all_that_was_timed(monkeypatch):
    net = nn.Sequential(CONV(), nn.BatchNorm2d(4), nn.ReLU()).eval()
    found, _ = with_clock(monkeypatch, net, *SQUARE())
    timed = [one for one in found if one.before is not None]
    assert {one.claims for one in timed} == {len(timed)}


def test_where_others_work_too_it_is_one_thread_and_the_clock_of_the_processor(monkeypatch):
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with fake_clock(monkeypatch, busy=2.0):
            found = magics.advise(nn.Sequential(CONV()).eval(), *SQUARE(), budget=60.0)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert found.environment["threads"] == "1"
    assert found["channels_last"].before.clock == "cpu"
    assert found["one thread"].before.clock == "wall"  # times of several threads add up otherwise
    disturbed = {one.name: one.verdict for one in found if one.disturbed}
    assert disturbed.keys() == {"one thread", "a thread for each processor"}
    assert set(disturbed.values()) <= {"look at", "no gain"}
    assert any("Others work on this machine" in text for text in found.warnings)


def test_what_takes_too_long_is_not_tried_and_says_which_budget_does(monkeypatch):
    net = nn.Sequential(CONV(), nn.BatchNorm2d(4), nn.ReLU()).eval()
    found, _ = with_clock(monkeypatch, net, *SQUARE(), budget=0.003)
    late = [one for one in found if one.verdict == "not tried" and "budget" in one.why]
    assert "fold batch norm" in {one.name for one in late}
    for one in late:
        enough = float(re.search(r"budget=(\d+)", one.why)[1])
        assert enough >= 1


def test_progress_goes_on_from_beginning_to_end_and_says_what_is_tried():
    told = []

    class Receiver:
        def report(self, done, text):
            told.append((done, text))

        def close(self):
            told.append((1.0, "closed"))

    with reported_to(Receiver()):
        magics.advise(needy(), NEEDY_INPUT, **QUICK)
    shares = [done for done, _ in told]
    assert shares == sorted(shares)
    assert {f"trying {name}" for name in ("no_grad", "fold batch norm", "compile")} <= {
        text for _, text in told
    }


@pytest.mark.parametrize(("capability", "has"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_a_gpu_has_bfloat16_units_from_compute_capability_8_on(monkeypatch, capability, has):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: capability)
    said = bf16_unit(torch.device("cuda"))
    assert said.startswith("has") == has
    assert f"{capability[0]}.{capability[1]}" in said


def test_subnormal_numbers_are_found_and_the_flag_is_put_back():
    net = clean()
    with torch.no_grad():
        net[0].weight.fill_(1e-40)
    found = magics.advise(net, clean_input(), **QUICK)["flush subnormal numbers"]
    assert "in the weights of 0 (100 %)" in found.why
    assert found.code == "torch.set_flush_denormal(True)"
    assert not snapshot.subnormals_vanish()
    assert found.before is not None


def test_bfloat16_is_tried_only_where_the_processor_has_a_unit_for_it(monkeypatch):
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False)
    monkeypatch.setattr("magics.studies.advising.changes.settings._flags", set)
    found = magics.advise(CONV().eval(), *SQUARE(), **QUICK)["bfloat16"]
    assert found.verdict == "does not apply"
    assert found.why.startswith("this processor has no bfloat16 unit")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    found = magics.advise(CONV().eval(), *SQUARE(), **QUICK)["bfloat16"]
    assert "AVX512_BF16" in found.why
    assert found.error > 1e-4


def test_a_knee_beyond_the_batch_that_is_given_is_advised(monkeypatch):
    """Operators take as long whatever the batch: a sample takes least in the largest batch."""
    found, _ = with_clock(monkeypatch, nn.Sequential(CONV()).eval(), "2x3x8x8", budget=600.0)
    one = found["batch size"]
    size = int(re.search(r"batch_size=(\d+)", one.code)[1])
    assert size > 2
    assert one.gain.value == pytest.approx(size / 2)
    assert one.verdict == "helps"


def test_copies_are_independent_of_what_the_code_does_to_them(advice):
    model = needy()
    other = copy.deepcopy(model)
    executed(advice["bias before batch norm"], other)
    assert model.stem.bias is not None
    assert other.stem.bias is None


def test_a_gain_needs_an_interval_above_one(advice):
    for one in advice.helps:
        assert one.saves_memory or (isinstance(one.gain, Ratio) and one.gain.low > 1)
