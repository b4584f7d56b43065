"""Forward times on a clock that only operators move: every expectation is exact."""

import pytest
import torch
from nets import Calls
from ticking import COSTS, installed
from torch import nn
from torch.nn import functional
from torch.nn.functional import max_pool2d

import magics
from magics.measurement.timing.pace import Pace

COUNTS_AND_TIMES = {"memory": False, "roofline": False, "receptive_field": False}
CONV, NORM, RELU = COSTS["convolution"], COSTS["native_batch_norm"], COSTS["relu"]
POOL, ADD, CAT = COSTS["max_pool2d_with_indices"], COSTS["add"], COSTS["cat"]


def profile(model, *inputs, **options):
    inputs = inputs or (torch.ones(1, 2, 6, 6),)
    return magics.profile(model, *inputs, **{**COUNTS_AND_TIMES, **options})


def conv(**options):
    return nn.Conv2d(2, 2, 3, padding=1, **options)


def nanoseconds(rows):
    return {
        (row.name, row.call_index): round(row.forward.median_s * 1e9) if row.forward else None
        for row in rows
    }


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = conv()
        self.norm = nn.BatchNorm2d(2)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.norm(self.conv(x)) + x)


class Slow(nn.Module):
    """Takes as many additions as its `turns` say, one entry per call."""

    def __init__(self, turns):
        super().__init__()
        self.turns = turns

    def forward(self, x):
        for _ in range(next(self.turns)):
            x = x + 1
        return x


def test_each_row_takes_the_time_of_its_operators_and_the_glue_is_everything_else(time):
    result = profile(Block().eval())
    assert nanoseconds(result.layers) == {("conv", 0): CONV, ("norm", 0): NORM, ("relu", 0): RELU}
    assert round(result.other.forward.median_s * 1e9) == ADD
    assert round(result.plain.median_s * 1e9) == CONV + NORM + RELU + ADD


def test_rows_add_up_to_the_whole_and_what_is_free_changes_nothing(time):
    result = profile(nn.Sequential(Block(), nn.Sequential(Block(), Block())).eval())
    assert result.coverage == pytest.approx(1, abs=1e-12)
    assert result.overhead == pytest.approx(1, abs=1e-12)
    assert result.noise == 0


def test_a_layer_called_twice_has_a_time_for_each_call(time):
    model = Calls(lambda m, x: m.relu(m.conv(m.relu(m.conv(x)))), conv=conv(), relu=nn.ReLU())
    assert nanoseconds(profile(model).layers) == {
        ("conv", 0): CONV, ("relu", 0): RELU, ("conv", 1): CONV, ("relu", 1): RELU,
    }  # fmt: skip


def test_functional_calls_have_times_of_their_own_under_whatever_name_they_are_called(time):
    def run(m, x):
        x = functional.conv2d(x, m.conv.weight, padding=1)
        x = torch.conv2d(m.conv(x), m.conv.weight, padding=1)
        return torch.cat([max_pool2d(x, 2), functional.max_pool2d(x, 2)])

    result = profile(Calls(run, conv=conv()))
    assert nanoseconds(result.layers) == {
        ("conv2d()", 0): CONV, ("conv", 0): CONV, ("conv2d()", 1): CONV,
        ("max_pool2d()", 0): POOL, ("max_pool2d()", 1): POOL,
    }  # fmt: skip
    assert round(result.other.forward.median_s * 1e9) == CAT


def test_a_module_that_calls_itself_gives_each_inner_call_its_own_time(time):
    def run(m, x, depth=2):
        return m(m.conv(x), depth - 1) + 1 if depth else x

    result = profile(Calls(run, conv=conv()))
    found = nanoseconds(result.layers)
    assert (found["conv", 0], found["conv", 1]) == (CONV, CONV)
    assert sum(found.values()) == 2 * CONV
    assert round(result.other.forward.median_s * 1e9) == 2 * ADD


def test_a_function_around_modules_is_measured_like_a_model(time):
    inner = Block().eval()
    result = profile(lambda x: inner(x) + 1)
    assert sorted(nanoseconds(result.layers).values()) == sorted([CONV, NORM, RELU])
    assert round(result.other.forward.median_s * 1e9) == 2 * ADD


def test_a_call_that_raises_inside_a_model_that_goes_on_keeps_the_sums_right(time):
    def run(m, x):
        try:
            m.bad(x)
        except ValueError:
            return m.conv(x)

    def bad(m, x):
        m.conv(x)
        raise ValueError

    result = profile(Calls(run, conv=conv(), bad=Calls(bad, conv=conv())))
    assert result.coverage == pytest.approx(1, abs=1e-12)
    assert nanoseconds(result.layers)["conv", 0] == CONV


def test_every_replicate_is_kept_and_each_round_has_one_of_each(time):
    result = profile(Block().eval())
    counts = {row.forward.count for row in result.rows}
    assert counts == {result.plain.count} == {result.instrumented.count}
    assert result.environment["rounds"] == str(result.plain.count)


def test_rounds_go_on_until_every_relevant_layer_is_stable(time):
    steady = profile(Calls(lambda m, x: m.slow(m.conv(x)), conv=conv(),
                           slow=Slow(iter(lambda: 3, None))))  # fmt: skip
    assert not steady.warnings

    def turns():
        while True:  # per round, one plain and one instrumented call
            yield from (2, 2, 4, 4)

    restless = profile(Calls(lambda m, x: m.slow(m.conv(x)), conv=conv(), slow=Slow(turns())))
    assert restless.plain.count > steady.plain.count
    (warning,) = restless.warnings
    assert "before every layer was stable" in warning
    assert str(restless.plain.count) in warning


def test_a_restless_layer_below_half_a_percent_does_not_prolong_the_measurement(time):
    def turns():
        while True:
            yield from (0, 0, 1, 1)

    time.factor = 1
    layers = {f"conv{i}": conv() for i in range(20)}

    def run(m, x):
        for name in layers:
            x = getattr(m, name)(x)
        return m.slow(x)

    assert not profile(Calls(run, slow=Slow(turns()), **layers)).warnings


def test_the_budget_ends_the_measurement_also_of_an_unstable_model(time):
    time.factor = 100  # a forward takes 0.1 s

    def turns():
        while True:
            yield from (1, 1, 9, 9)

    model = Calls(lambda m, x: m.slow(m.conv(x)), conv=conv(), slow=Slow(turns()))
    begin = time.now
    result = profile(model, budget=2.0)
    capture = 0.2e9
    assert time.now - begin <= 2e9 + 2 * capture
    assert result.plain.count >= 4


def test_a_forward_longer_than_the_budget_runs_three_times_in_all(time):
    time.factor = 30_000  # a forward takes 30 s
    result = profile(conv(), budget=2.0)
    assert time.runs["convolution"] == 3  # to find the layers, plain, instrumented
    assert result.plain.median_s == result.layers[0].forward.median_s == pytest.approx(30)
    assert "after 1 round, before" in result.warnings[0]


def test_on_a_busy_machine_a_forward_longer_than_the_budget_runs_four_times_in_all(monkeypatch):
    with installed(monkeypatch, busy=3.0) as time:
        time.factor = 1_000_000  # a ReLU takes 50 s
        result = profile(nn.ReLU())
    assert time.runs["relu"] == 4
    assert result.plain.clock == "cpu"
    assert result.plain.median_s == pytest.approx(50)


def test_on_a_busy_machine_a_budget_is_exceeded_by_half_at_most(monkeypatch):
    with installed(monkeypatch, busy=3.0) as time:
        time.factor = 1000  # a ReLU takes 50 ms
        turns = iter(int(n * 0.7) % 5 for n in range(10_000))
        begin = time.now
        result = profile(Calls(lambda m, x: m.slow(m.relu(x)), relu=nn.ReLU(),
                               slow=Slow(turns)), budget=3.0)  # fmt: skip
    assert time.now - begin <= 1.5 * 3e9 + 0.5e9  # and the capture
    assert result.plain.count > 4


def test_a_forward_longer_than_the_usual_budget_runs_three_times_in_all(time):
    time.factor = 30_000
    profile(conv())
    assert time.runs["convolution"] == 3


def test_by_default_a_profile_of_a_restless_model_takes_no_more_than_fifteen_forwards(time):
    time.factor = 100

    def turns():
        while True:
            yield from (1, 1, 3, 3)

    model = Calls(lambda m, x: m.slow(m.conv(x)), conv=conv(), slow=Slow(turns()))
    result = profile(model)
    assert time.runs["convolution"] <= 15
    assert result.plain.count >= 4


def test_runs_that_are_slow_because_a_shape_is_new_are_not_measured(time):
    def turns():
        yield 50
        yield 30
        while True:
            yield 2

    result = profile(Calls(lambda m, x: m.slow(m.conv(x)), conv=conv(), slow=Slow(turns())))
    slow = next(row for row in result.layers if row.name == "slow")
    assert {round(one * 1e9) for one in slow.forward.replicates_s} == {2 * ADD}


def test_a_quiet_machine_is_measured_by_the_wall_clock_and_with_the_threads_that_are_set(time):
    result = profile(conv())
    assert result.plain.clock == result.environment["clock"] == "wall"
    assert result.environment["threads"] == str(torch.get_num_threads())
    assert not result.warnings


def test_a_busy_machine_is_measured_by_processor_time_with_one_thread_and_says_so(monkeypatch):
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        with installed(monkeypatch, busy=2.5):
            result = profile(nn.ReLU())
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)
    assert result.plain.clock == result.environment["clock"] == "cpu"
    assert result.environment["threads"] == "1"
    assert result.environment["contention"] == "2.50x"
    (warning,) = result.warnings
    assert warning.startswith("Other programs kept this machine busy")
    assert "one thread" in warning


def test_a_number_of_threads_that_was_asked_for_is_kept_on_a_busy_machine(monkeypatch):
    seen = []
    with installed(monkeypatch, busy=2.5):
        result = profile(
            Calls(lambda m, x: seen.append(torch.get_num_threads()) or m.relu(x), relu=nn.ReLU()),
            threads=2,
        )
    assert set(seen[1:]) == {2}
    assert result.environment["threads"] == "2"
    assert "all 2 threads together" in result.warnings[0]


def test_a_budget_can_be_had_that_is_far_too_short(time):
    assert profile(conv(), budget=1e-9).plain.count == 1


def test_the_default_budget_has_a_least_and_a_most(time):
    least, most = Pace().limits_s
    assert 0 < least < most <= 10
