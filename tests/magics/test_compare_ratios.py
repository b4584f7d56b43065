"""How sure a ratio is: it is called a gain only where its interval says so."""

import math
import random

import pytest
from examples import layer, profile
from hypothesis import given
from hypothesis import strategies as st

from magics.records import Comparison, Measurement, Ratio
from magics.records.ratio import LEVEL, of_counts, of_times, student

TABLE = {  # quantiles of Student's t, two-sided: any handbook
    (1, 0.05): 12.706, (2, 0.05): 4.303, (3, 0.05): 3.182, (4, 0.01): 4.604, (5, 0.05): 2.571,
    (10, 0.01): 3.169, (20, 0.02): 2.528, (30, 0.001): 3.646, (120, 0.05): 1.980,
}  # fmt: skip

times = st.lists(st.floats(1e-6, 10.0), min_size=1, max_size=40).map(tuple)


def measured(*seconds):
    return Measurement(replicates_s=seconds)


@pytest.mark.parametrize("case", TABLE)
def test_the_quantiles_are_those_of_the_handbook(case):
    assert student(*case) == pytest.approx(TABLE[case], abs=6e-4)


@given(times, times, st.booleans(), st.integers(1, 300))
def test_a_gain_or_a_loss_never_has_1_in_its_interval(first, other, paired, claims):
    ratio = of_times(measured(*first), measured(*other), paired=paired, claims=claims)
    assert 0 <= ratio.low <= ratio.value <= ratio.high
    assert ratio.is_gain == (ratio.low > 1)
    assert ratio.is_loss == (ratio.high < 1)
    assert not (ratio.is_gain and ratio.is_loss)


@given(times, times, st.booleans())
def test_the_other_way_round_a_gain_is_a_loss(first, other, paired):
    there = of_times(measured(*first), measured(*other), paired=paired)
    back = of_times(measured(*other), measured(*first), paired=paired)
    assert there.value * back.value == pytest.approx(1)
    assert (there.is_gain, there.is_loss) == (back.is_loss, back.is_gain)


@given(times, st.booleans())
def test_times_compared_with_themselves_are_no_gain(seconds, paired):
    ratio = of_times(measured(*seconds), measured(*seconds), paired=paired)
    assert ratio.value == pytest.approx(1)
    assert not ratio.is_gain
    assert not ratio.is_loss


def test_one_round_is_never_enough():
    ratio = of_times(measured(9.0), measured(1.0), paired=True)
    assert ratio.value == pytest.approx(9)
    assert (ratio.low, ratio.high) == (0.0, math.inf)


def test_more_claims_make_every_interval_wider():
    first, other = measured(2.0, 2.2, 1.9, 2.1, 2.0), measured(1.0, 1.1, 1.0, 0.9, 1.0)
    narrow = of_times(first, other, paired=True)
    wide = of_times(first, other, paired=True, claims=60)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_pairing_takes_out_what_the_machine_did_to_both():
    load = [random.Random(number).uniform(1, 20) for number in range(12)]
    first, other = measured(*(1.2 * x for x in load)), measured(*load)
    assert of_times(first, other, paired=True).is_gain
    assert not of_times(first, other, paired=False).is_gain


def test_a_time_that_is_lost_in_noise_is_no_gain():
    ratio = of_times(measured(2.0, 2.0, 2.0), measured(1.0, -0.1, 1.0), paired=True)
    assert (ratio.low, ratio.high) == (0.0, math.inf)
    assert of_times(measured(2.0), measured(0.0), paired=True) is None


def test_what_is_missing_has_no_ratio():
    assert of_times(None, measured(1.0), paired=True) is None
    assert of_counts(0, 5) is None
    assert of_counts(5, None) is None
    assert of_counts(5, 2) == Ratio(2.5, 2.5, 2.5)


@pytest.mark.parametrize("rounds", [4, 5, 8, 25, 100])
@pytest.mark.parametrize("paired", [True, False])
def test_equal_models_are_told_apart_no_more_often_than_the_level_says(rounds, paired):
    # Times as a busy machine has them: long tails to one side, and whole rounds that take longer.
    noise, wrong, trials = random.Random(rounds), 0, 2000
    for _ in range(trials):
        load = [1 + noise.paretovariate(3) * 0.2 for _ in range(2 * rounds)]
        if paired:
            load = load[:rounds] * 2
        found = [x * (1.2 + noise.expovariate(20)) for x in load]
        ratio = of_times(measured(*found[:rounds]), measured(*found[rounds:]), paired=paired)
        wrong += ratio.is_gain or ratio.is_loss
    slack = 3 * math.sqrt(LEVEL * (1 - LEVEL) / trials)
    assert wrong / trials <= LEVEL + slack


@pytest.mark.parametrize("layers", [1, 20])
def test_all_claims_of_a_comparison_share_the_level(layers):
    noise, wrong, trials = random.Random(layers), 0, 300

    def noisy():
        rows = [measured(*(noise.lognormvariate(0, 0.1) for _ in range(8))) for _ in range(layers)]
        whole = measured(*map(sum, zip(*(row.replicates_s for row in rows), strict=True)))
        return profile([layer(str(n), forward=row) for n, row in enumerate(rows)], plain=whole,
                       plain_backward=None)  # fmt: skip

    for _ in range(trials):
        match = tuple((place, place) for place in range(layers))
        found = Comparison(
            names=("A", "B"), profiles=(noisy(), noisy()), matches=match, interleaved=True
        )
        wrong += any(claim.what == "forward" for claim in found.claims)
    assert wrong / trials <= LEVEL + 3 * math.sqrt(LEVEL * (1 - LEVEL) / trials)
