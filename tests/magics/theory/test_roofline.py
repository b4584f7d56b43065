"""Ceilings, roof times and verdicts, with the arithmetic beside them."""

import pytest

from magics.theory.roofline import Bound, Ceilings, bound, explain

# 100 GFLOP/s; 80 GB/s in a cache of 1 MB, 20 GB/s from 16 MB on; ridge 5 FLOP/byte out of it.
CEILINGS = Ceilings(
    flops_per_s=100e9,
    bandwidth=((16_000_000, 20e9), (1_000_000, 80e9)),
    call_overhead_s=10e-6,
)
LARGE = 64_000_000


@pytest.mark.parametrize(
    ("working_set", "rate"),
    [
        (1, 80e9),  # below the smallest point: that point
        (1_000_000, 80e9),
        (4_000_000, 40e9),  # half way between 1 and 16 MB in logarithms: sqrt(80 * 20)
        (16_000_000, 20e9),
        (LARGE, 20e9),  # above the largest point: that point
    ],
)
def test_bandwidth_depends_on_the_working_set(working_set, rate):
    assert CEILINGS.bytes_per_s(working_set) == pytest.approx(rate)


def test_the_ridge_point_is_where_both_ceilings_meet():
    ridge = CEILINGS.ridge_point(LARGE)
    assert ridge == pytest.approx(5)  # 100 GFLOP/s / 20 GB/s
    assert CEILINGS.attainable_flops_per_s(ridge, LARGE) == pytest.approx(100e9)
    assert CEILINGS.attainable_flops_per_s(ridge / 2, LARGE) == pytest.approx(50e9)
    assert CEILINGS.attainable_flops_per_s(ridge * 9, LARGE) == pytest.approx(100e9)


def test_the_roof_time_is_the_longer_of_the_two():
    assert CEILINGS.roof_time_s(100e9, 0) == pytest.approx(1)
    assert CEILINGS.roof_time_s(1, 20e9) == pytest.approx(1)


def test_what_is_read_again_comes_from_the_cache_that_holds_it():
    # A map of 1 MB fits into the fast cache (80 GB/s), one of 32 MB does not (20 GB/s).
    once = 64e6 / 20e9
    assert CEILINGS.roof_time_s(1, 64e6, 1e6) == pytest.approx(once + 1e6 / 80e9)
    assert CEILINGS.roof_time_s(1, 64e6, 32e6) == pytest.approx(once + 32e6 / 20e9)


def judged(flops, time_s, bytes_moved=LARGE):
    return bound(flops, bytes_moved, time_s, CEILINGS)


def test_a_layer_of_high_intensity_near_its_roof_is_compute_bound():
    found = judged(64e9, 0.7)  # 1000 FLOP/byte, 0.64 s at the roof
    assert (found.verdict, found.roof, found.word) == ("compute", "compute", "compute-bound")
    assert found.efficiency == pytest.approx(0.64 / 0.7)
    assert found.distance == pytest.approx(0.7 / 0.64)
    assert found.intensity == 1000


def test_a_layer_of_low_intensity_near_its_roof_is_memory_bound():
    found = judged(64e6, 4e-3)  # 1 FLOP/byte, 64 MB at 20 GB/s are 3.2 ms
    assert (found.verdict, found.roof) == ("memory", "memory")
    assert found.roof_time_s == pytest.approx(3.2e-3)


def test_a_layer_far_under_both_roofs_is_kernel_bound():
    found = judged(64e6, 32e-3)
    assert (found.verdict, found.roof) == ("kernel", "memory")
    assert found.efficiency == pytest.approx(0.1)


def test_a_layer_smaller_than_a_call_is_overhead_bound():
    found = judged(1000, 15e-6, bytes_moved=4000)  # 4 kB at 80 GB/s are 0.05 us
    assert found.verdict == "overhead"


def test_a_small_layer_at_its_roof_is_bound_by_the_roof_all_the_same():
    assert judged(1_500_000, 16e-6, bytes_moved=4000).verdict == "compute"


def test_a_layer_that_moves_nothing_has_no_intensity():
    assert judged(0, 1.0, bytes_moved=0).intensity == 0
    assert judged(0, 1.0, bytes_moved=0).distance == float("inf")


def test_a_time_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match=r"time_s must be positive \(got 0.0\); measure again"):
        judged(1, 0.0)


@pytest.mark.parametrize(
    ("rate", "points"),
    [(0.0, ((1, 1.0),)), (1.0, ()), (1.0, ((1, -1.0),)), (1.0, ((0, 1.0),))],
)
def test_ceilings_that_are_not_positive_are_refused(rate, points):
    with pytest.raises(ValueError, match="rates and working sets must be positive"):
        Ceilings(rate, points)


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        ("compute", "so the arithmetic units set the pace, and it reaches 20 % of its memory"),
        ("memory", "so it waits for memory whatever its MACs"),
        ("overhead", "needs 50 us at the roof, about what calling a kernel costs"),
        ("kernel", "neither arithmetic nor memory but the kernel holds it up"),
    ],
)
def test_every_verdict_explains_itself_in_one_sentence(verdict, reason):
    found = Bound(verdict, "memory", 0.2, 50e-6, 2.2, 11.0)
    sentence = explain(found)
    assert sentence.startswith(f"{verdict}-bound: ")
    assert reason in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
