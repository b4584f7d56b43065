"""What follows from times on several ranks: shares, waiting, stragglers, extents."""

from dataclasses import replace
from math import exp, isclose, log
from statistics import median

from examples import layer
from hypothesis import given
from hypothesis import strategies as st

from magics.records import Measurement, Profile, Rank, Spread

SECONDS = st.floats(1e-6, 10.0)
ROUNDS = st.integers(2, 6).flatmap(
    lambda ranks: st.lists(
        st.tuples(*[st.tuples(SECONDS, SECONDS)] * ranks), min_size=3, max_size=12
    )
)
EMPTY = Profile(model="Net", inputs="", layers=(), other=layer("rest"), params=0)


def made(rounds):
    """Return the spread of rounds: in each, for every rank the step with and without."""
    columns = list(zip(*rounds, strict=True))
    ranks = [
        Rank(number=n, host="", device="", profile=EMPTY,
             step=Measurement(replicates_s=tuple(pair[0] for pair in column)),
             alone=Measurement(replicates_s=tuple(pair[1] for pair in column)))
        for n, column in enumerate(columns)
    ]  # fmt: skip
    return Spread(ranks=tuple(ranks), backend="")


@given(ROUNDS)
def test_shares_follow_from_the_longest_of_each_round(rounds):
    found = made(rounds).communication
    ratios = [max(p[0] for p in each) / max(p[1] for p in each) for each in rounds]
    logs_median = median(log(ratio) for ratio in ratios)
    expected = max(0.0, 1 - exp(-logs_median))
    assert isclose(found.share, expected, rel_tol=1e-6, abs_tol=1e-9)
    low, high = found.interval
    assert 0 <= low <= found.share + 1e-9
    assert found.share <= high + 1e-9 <= 1 + 1e-9
    for place, waits in enumerate(found.waiting_s):
        by_hand = median(max(p[1] for p in each) - each[place][1] for each in rounds)
        assert isclose(waits, by_hand, abs_tol=1e-12)
        assert waits >= 0


@given(ROUNDS, st.floats(0.01, 100.0))
def test_a_machine_so_many_times_as_slow_loses_the_same_share(rounds, factor):
    scaled = [tuple((a * factor, b * factor) for a, b in each) for each in rounds]
    one, other = made(rounds).communication, made(scaled).communication
    assert isclose(one.share, other.share, rel_tol=1e-6, abs_tol=1e-9)
    assert isclose(other.lost_s, factor * one.lost_s, rel_tol=1e-6, abs_tol=1e-12)


@given(ROUNDS)
def test_only_a_rank_that_is_last_nearly_always_is_a_straggler(rounds):
    slow = made(rounds).straggler
    if slow is None:
        return
    last = sum(each[slow.place][1] == max(p[1] for p in each) for each in rounds)
    assert last / len(rounds) >= 0.9
    assert slow.ratio.low > 1
    backwards = made([each[::-1] for each in rounds]).straggler
    assert backwards is not None
    assert backwards.place == len(rounds[0]) - 1 - slow.place


@given(st.lists(SECONDS, min_size=1, max_size=6))
def test_an_extent_spans_all_ranks(seconds):
    layers = [layer("a", forward=Measurement(replicates_s=(value,))) for value in seconds]
    ranks = tuple(
        Rank(number=n, host="", device="", profile=replace(EMPTY, layers=(one,)))
        for n, one in enumerate(layers)
    )
    found = Spread(ranks=ranks, backend="").rows[0].forward
    assert found.seconds[found.fastest] == min(seconds) <= found.median_s
    assert found.median_s <= found.seconds[found.slowest] == max(seconds)
    assert isclose(found.spread, max(seconds) / min(seconds) - 1)
    assert not found.is_sure  # one replicate each says nothing
