"""How long stopwatches keep one another company."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from magics.measurement.timing.company import _MOST, Company


def watch(stable_after):
    made = SimpleNamespace(rounds=0, stable_after=stable_after)
    made.timings = SimpleNamespace(stable=False)
    return type("Watch", (), {"__slots__": (), "made": made, "timings": made.timings})()


times = st.tuples(st.integers(1, 50), st.integers(1, 1000))


@given(st.lists(times, min_size=1, max_size=4))
def test_together_they_take_little_longer_than_each_would_alone(kinds):
    watches = [watch(rounds) for rounds, _ in kinds]
    company = Company(watches)
    alone = dict.fromkeys(watches, 0)
    rounds = together = 0
    while company.waiting and not company.is_dear:
        rounds += 1
        for one, (stable_after, length) in zip(watches, kinds, strict=True):
            company.spend(one, length)
            together += length
            if rounds <= stable_after:
                alone[one] += length
            one.timings.stable = rounds == stable_after  # later it would seem unstable again
        company.settle()
    last_round = sum(length for _, length in kinds)
    assert together <= _MOST * sum(alone.values()) + last_round
    if len(watches) == 1 or len({rounds for rounds, _ in kinds}) == 1:
        assert not company.waiting
    for one in set(watches) - set(company.waiting):
        assert one.timings.stable
