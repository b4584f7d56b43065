"""Models side by side: measured in turns, matched, told apart only where that is sure."""

import itertools
import signal
from fractions import Fraction

import pytest
import snapshot
import torch
from nets import CONV, SQUARE, Calls, frozen_norm
from torch import nn

import magics
from magics.records import Comparison
from magics.session import Interrupted

QUICK = {"budget": 0.05, "roofline": False, "memory": False}


def dense(channels=16):
    return nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False))


def separable(channels=16):
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
    )


class Logged(nn.Conv2d):
    """Writes its name down whenever it runs."""

    def __init__(self, name, log):
        super().__init__(3, 4, 3)
        self._name, self._note = name, log.append

    def forward(self, x):
        self._note(self._name)
        return super().forward(x)


def values(ratios):
    return [ratio and ratio.value for ratio in (ratios.params, ratios.macs, ratios.bytes_moved)]


@pytest.mark.parametrize("channels", [8, 16, 32])
def test_a_separable_block_has_as_many_fewer_macs_as_the_paper_says(channels):
    found = magics.compare(dense(channels), separable(channels), f"2x{channels}x9x9", measure=False)
    saved = 1 / (Fraction(1, channels) + Fraction(1, 9))  # MobileNets, arXiv:1704.04861, 3.1
    params, macs, _ = values(found.total[0])
    assert params == pytest.approx(float(saved))
    assert macs == pytest.approx(float(saved))
    assert found.total[0].forward is None


def test_a_network_with_three_times_the_work_takes_three_times_as_long(time):
    one, three = CONV(), nn.Sequential(CONV(), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3))
    (ratios,) = magics.compare(three, one, *SQUARE(), **QUICK).total
    assert ratios.forward.value == pytest.approx(3)
    assert ratios.forward.is_gain
    assert not ratios.forward.is_loss
    (ratios,) = magics.compare(one, three, *SQUARE(), **QUICK).total
    assert ratios.forward.value == pytest.approx(1 / 3)
    assert ratios.forward.is_loss


def test_the_backward_is_compared_too(time):
    one, two = CONV(), nn.Sequential(CONV(), nn.Conv2d(4, 4, 3))
    (ratios,) = magics.compare(two, one, *SQUARE(), backward=True, **QUICK).total
    assert ratios.backward.value == pytest.approx(2)
    assert ratios.backward.is_gain


def test_a_model_is_no_faster_than_itself(time):
    net = nn.Sequential(CONV(), nn.ReLU())
    found = magics.compare(net, net, *SQUARE(), **QUICK)
    assert found.total[0].forward.value == pytest.approx(1)
    assert found.claims == ()
    assert "neither faster nor slower beyond noise" in str(found)


def test_models_take_turns_round_by_round_and_who_goes_first_changes(time):
    log = []
    magics.compare(Logged("A", log), Logged("B", log), Logged("C", log), *SQUARE(), **QUICK)
    each = 2 * 3  # three models, each run plain and instrumented
    rounds = ["".join(log[-count : -count + each or None]) for count in range(each, 5 * each, each)]
    assert set(rounds) == {"AABBCC", "CCBBAA"}
    assert all(one != other for one, other in itertools.pairwise(rounds))


def test_every_model_has_as_many_replicates_of_the_same_rounds(time):
    longer = nn.Sequential(CONV(), nn.Conv2d(4, 4, 3))
    found = magics.compare(CONV(), longer, *SQUARE(), **QUICK)
    assert found.interleaved
    assert len({profile.plain.count for profile in found.profiles}) == 1


MODES = {
    "mode": (("eval", "train"), "mode", ("eval", "train")),
    "dtype": (("fp32", "bf16"), "dtype", ("float32", "bfloat16")),
    "layout": (("contiguous", "channels_last"), "layout", ("contiguous", "channels_last")),
    "threads": ((1, 2), "threads", ("1", "2")),
    "device": (("cpu", "meta"), "device", ("cpu", "meta")),
}


@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("as_text", [False, True], ids=["tuple", "commas"])
def test_one_model_is_compared_in_two_modes_and_left_as_it_was(name, as_text):
    given, fact, expected = MODES[name]
    net = nn.Sequential(CONV(), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout())
    net(*SQUARE())
    net[0].weight.grad = torch.ones_like(net[0].weight)
    before, process = snapshot.of_model(net), snapshot.of_process()
    option = ",".join(map(str, given)) if as_text else given
    found = magics.compare(net, *SQUARE(), **{name: option}, **QUICK)
    assert tuple(profile.environment[fact] for profile in found.profiles) == expected
    assert found.names == tuple(f"Sequential, {name} {value}" for value in given)
    assert [match for match in found.matches if None in match] == []
    assert snapshot.of_model(net) == before
    assert snapshot.of_process() == process


def test_in_train_mode_batch_norm_works_with_the_batch_in_every_turn(time):
    seen = {True: set(), False: set()}

    def note(module, _args, out):
        seen[module.training].add(round(out.std().item(), 2))

    net = nn.Sequential(CONV(), nn.BatchNorm2d(4))
    net[1].register_forward_hook(note)
    magics.compare(net, *SQUARE(), mode="eval,train", **QUICK)
    assert seen[True] == {1.0}  # normalised
    assert seen[False].isdisjoint(seen[True])
    assert net[1].num_batches_tracked == 0


def test_two_models_that_share_layers_are_left_as_they_were():
    shared = CONV()
    one, two = nn.Sequential(shared, nn.ReLU()), nn.Sequential(shared, nn.BatchNorm2d(4))
    before = snapshot.of_model(one), snapshot.of_model(two)
    magics.compare(one, two, *SQUARE(), backward=True, layout="channels_last", **QUICK)
    assert (snapshot.of_model(one), snapshot.of_model(two)) == before


def test_lazy_layers_wait_for_their_first_run_as_before():
    net = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d())
    before = snapshot.of_model(net)
    found = magics.compare(net, *SQUARE(), mode="eval,train", **QUICK)
    assert values(found.total[0])[:2] == [1, 1]
    assert snapshot.of_model(net) == before


def test_mixed_modes_stay_mixed_after_an_error():
    def raises(module, x):
        raise RuntimeError("no second run")

    net, broken = frozen_norm(), Calls(raises)
    before = snapshot.of_model(net)
    with pytest.raises(magics.ConvProfileError, match=r"^B \(Calls\) can't be profiled like"):
        magics.compare(net, broken, *SQUARE(), mode="train", **QUICK)
    assert snapshot.of_model(net) == before


def test_ctrl_c_gives_what_was_measured_and_leaves_the_models_alone():
    calls = itertools.count()

    def stops(module, x):
        if next(calls) == 30:
            signal.raise_signal(signal.SIGINT)
        return module.conv(x)

    one, two = nn.Sequential(CONV()), Calls(stops, conv=CONV())
    before = snapshot.of_model(one), snapshot.of_process()
    with pytest.raises(Interrupted) as caught:
        magics.compare(one, two, *SQUARE(), budget=60.0, roofline=False)
    assert isinstance(caught.value.partial, Comparison)
    assert any("Interrupted" in text for text in caught.value.partial.warnings)
    assert (snapshot.of_model(one), snapshot.of_process()) == before


def test_ctrl_c_while_a_model_is_read_leaves_nothing_to_compare(time):
    def stops(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        magics.compare(nn.Conv2d(3, 3, 1), stops, *SQUARE(), **QUICK)
    assert not isinstance(caught.value, Interrupted)


def test_three_models_are_compared_with_the_first(time):
    nets = [nn.Sequential(*(nn.Conv2d(3, 3, 1) for _ in range(count))) for count in (6, 3, 2)]
    found = magics.compare(*nets, *SQUARE(), **QUICK)
    assert [ratios.forward.value for ratios in found.total] == pytest.approx([2, 3])
    assert [ratios.macs.value for ratios in found.total] == [2, 3]
    assert "C has 3.00x fewer parameters" in str(found)


def test_saved_profiles_are_compared_without_running_anything(time, tmp_path):
    one = magics.profile(CONV(), *SQUARE(), **QUICK)
    two = magics.profile(nn.Sequential(CONV(), nn.Conv2d(4, 4, 3)), *SQUARE(), **QUICK)
    two.to_json(tmp_path / "two.json")
    runs = dict(time.runs)
    found = magics.compare(two, one)
    again = magics.compare(tmp_path / "two.json", one)
    assert dict(time.runs) == runs
    assert found.total[0].forward.value == pytest.approx(2)
    assert found.total == again.total
    assert not found.interleaved
    assert any("different times" in text for text in found.warnings)
    assert again.names[0] == "Sequential, two.json"


def test_a_saved_profile_is_compared_with_a_model(time):
    saved = magics.profile(CONV(), *SQUARE(), **QUICK)
    found = magics.compare(saved, nn.Sequential(CONV()), *SQUARE(), **QUICK)
    assert found.total[0].forward.value == pytest.approx(1)
    assert not found.interleaved


def test_different_circumstances_are_told(time):
    one = magics.profile(CONV(), "1x3x8x8", **QUICK)
    two = magics.profile(CONV(), "2x3x8x8", mode="eval", **QUICK)
    told = " ".join(magics.compare(one, two).warnings)
    assert "The inputs differ: 1x3x8x8 float32 and 2x3x8x8 float32." in told
    assert "Measured in different circumstances: mode train and eval." in told


WRONG = {
    "nothing": ((), {}, "compare: two models at least (got 0)"),
    "many": ((*[CONV()] * 27, "1x3x8x8"), {}, "compare: 26 at most (got 27); give fewer"),
    "one": ((CONV(), "1x3x8x8"), {}, "compare: two models at least (got 1); give another model"),
    "no input": ((CONV(), CONV()), {}, "A (Conv2d): INPUT: missing (got none)"),
    "other input": (
        (CONV(), nn.Conv2d(5, 4, 3), "1x3x8x8"), {},
        "B (Conv2d) can't be profiled like the one before it: model: expects 5 channels",
    ),
    "values": (
        (CONV(), CONV(), "1x3x8x8"), {"threads": (1, 2, 3)},
        "compare: as many values as models, or one model (got 2 and 3 of threads)",
    ),
    "value": ((CONV(), "1x3x8x8"), {"mode": "eval,trian"}, "mode: unknown (got 'trian')"),
    "option": ((CONV(), CONV(), "1x3x8x8"), {"bugdet": 1}, "bugdet: no such option"),
    "class": ((CONV(), nn.Conv2d, "1x3x8x8"), {}, "MODEL: "),
    "file": (("nowhere.json", CONV(), "1x3x8x8"), {}, "nowhere.json: can't be read (No such file"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_argument_is_one_line_and_nothing_changes(case):
    given, options, message = WRONG[case]
    nets = [value for value in given if isinstance(value, nn.Module)]
    before = [snapshot.of_model(net) for net in nets], snapshot.of_process()
    with pytest.raises(magics.ConvProfileError) as caught:
        magics.compare(*given, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert ([snapshot.of_model(net) for net in nets], snapshot.of_process()) == before


def test_saved_profiles_take_neither_input_nor_modes(tmp_path):
    saved = magics.profile(CONV(), *SQUARE(), measure=False)
    with pytest.raises(magics.ConvProfileError, match=r"^compare: saved profiles are not run"):
        magics.compare(saved, saved, "1x3x8x8")
    with pytest.raises(magics.ConvProfileError, match=r"^mode: a saved profile has no other modes"):
        magics.compare(saved, mode="eval,train")
    (tmp_path / "wrong.json").write_text("[]")
    with pytest.raises(magics.ConvProfileError, match=r"wrong\.json: from_json: no saved profile"):
        magics.compare(saved, tmp_path / "wrong.json")


@pytest.mark.slow
def test_a_model_compared_with_itself_twenty_times_is_hardly_ever_called_faster():
    torch.manual_seed(0)
    net = nn.Sequential(*(nn.Sequential(nn.Conv2d(32, 32, 3, padding=1), nn.ReLU()) for _ in "123"))
    claims = [magics.compare(net, net, "1x32x40x40").claims for _ in range(20)]
    # With a rate of 5 %, more than four of twenty happen once in four hundred times.
    assert sum(map(bool, claims)) <= 4, claims
