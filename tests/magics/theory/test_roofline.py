"""Ceilings, roof times and verdicts, with the arithmetic beside them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magics.records import LayerProfile, Measurement, Profile
from magics.theory.roofline import Bound, Ceilings, bound, explain, falling, judged

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


def bounded(flops, time_s, bytes_moved=LARGE):
    return bound(flops, bytes_moved, time_s, CEILINGS)


def test_a_layer_of_high_intensity_near_its_roof_is_compute_bound():
    found = bounded(64e9, 0.7)  # 1000 FLOP/byte, 0.64 s at the roof
    assert (found.verdict, found.roof, found.word) == ("compute", "compute", "compute-bound")
    assert found.efficiency == pytest.approx(0.64 / 0.7)
    assert found.distance == pytest.approx(0.7 / 0.64)
    assert found.intensity == 1000


def test_a_layer_of_low_intensity_near_its_roof_is_memory_bound():
    found = bounded(64e6, 4e-3)  # 1 FLOP/byte, 64 MB at 20 GB/s are 3.2 ms
    assert (found.verdict, found.roof) == ("memory", "memory")
    assert found.roof_time_s == pytest.approx(3.2e-3)


def test_a_layer_far_under_both_roofs_is_kernel_bound():
    found = bounded(64e6, 32e-3)
    assert (found.verdict, found.roof) == ("kernel", "memory")
    assert found.efficiency == pytest.approx(0.1)


def test_a_layer_smaller_than_a_call_is_overhead_bound():
    found = bounded(1000, 15e-6, bytes_moved=4000)  # 4 kB at 80 GB/s are 0.05 us
    assert found.verdict == "overhead"


def test_a_small_layer_at_its_roof_is_bound_by_the_roof_all_the_same():
    assert bounded(1_500_000, 16e-6, bytes_moved=4000).verdict == "compute"


def test_a_layer_that_moves_nothing_has_no_intensity():
    assert bounded(0, 1.0, bytes_moved=0).intensity == 0
    assert bounded(0, 1.0, bytes_moved=0).distance == float("inf")


def test_a_time_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match=r"time_s must be positive \(got 0.0\); measure again"):
        bounded(1, 0.0)


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
        ("overhead", "needs 50 µs at the roof, about what calling a kernel costs"),
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


def layer(name, time_s, flops=0, bytes_moved=LARGE, **more):
    return LayerProfile(
        name=name,
        kind="conv2d",
        macs=flops // 2,
        useful_macs=flops // 2,
        bytes_moved=bytes_moved,
        forward=Measurement(replicates_s=(time_s,)),
        **more,
    )


def profile(*layers, plain_s=1.0):
    return Profile(
        model="Net",
        inputs="",
        layers=layers,
        other=LayerProfile(name="everything else", kind="other"),
        params=0,
        plain=Measurement(replicates_s=(plain_s,)),
    )


def keys(*layers):
    return {(each.name, each.call_index) for each in layers}


def test_every_timed_layer_gets_its_roof_and_what_bounds_it():
    dense = layer("dense", 0.7, 64_000_000_000)
    pool = layer("pool", 32e-3, 64_000_000)
    untimed = LayerProfile(name="untimed", kind="conv2d", bytes_moved=1)
    before = profile(dense, pool, untimed)
    found = judged(before, CEILINGS, {}, keys(dense, pool, untimed))
    assert [each.bound for each in found.layers] == ["compute", "kernel", None]
    assert [each.roof_s for each in found.layers] == [
        pytest.approx(0.64),  # 64 GFLOP at 100 GFLOP/s
        pytest.approx(3.2e-3),  # 64 MB at 20 GB/s
        None,
    ]
    assert found.layers[0].efficiency == pytest.approx(0.64 / 0.7)
    assert found.ceilings == CEILINGS
    assert Profile.from_json(found.to_json()) == found


def test_a_layer_whose_work_is_not_counted_in_full_gets_no_verdict():
    odd = layer("odd", 0.001, 64_000_000_000)
    found = judged(profile(odd), CEILINGS, {}, set())
    assert found.layers[0].bound is None
    assert found.layers[0].roof_s is None
    assert found.ceilings == CEILINGS  # and what it seems to reach is not believed


def test_a_layer_faster_than_the_probes_raises_the_arithmetic_ceiling_for_all():
    fast, slow = layer("fast", 0.5, 100_000_000_000), layer("slow", 1.0, 100_000_000_000)
    found = judged(profile(fast, slow), CEILINGS, {}, keys(fast, slow))
    assert found.ceilings.flops_per_s == pytest.approx(200e9)
    assert found.ceilings.peak_by == "fast"
    assert [each.efficiency for each in found.layers] == [pytest.approx(1), pytest.approx(0.5)]


def test_a_layer_that_moves_faster_than_the_probes_raises_the_bandwidth_up_to_its_size():
    fast = layer("fast", 1.6e-3)  # 64 MB at 40 GB/s, twice the 20 of the probe
    found = judged(profile(fast), CEILINGS, {}, keys(fast)).ceilings
    assert found.bytes_per_s(LARGE) == pytest.approx(40e9)
    assert found.bytes_per_s(16_000_000) == pytest.approx(40e9)  # what fits is not slower
    assert found.bytes_per_s(1_000_000) == pytest.approx(80e9)  # a faster cache stays


def test_a_layer_hardly_longer_than_a_call_raises_nothing():
    tiny = layer("tiny", 15e-6, 3_000_000_000, 10_000_000)
    assert judged(profile(tiny), CEILINGS, {}, keys(tiny)).ceilings == CEILINGS


def test_macs_on_padding_are_no_reason_to_raise_a_ceiling():
    # All the work of a 3x3 window on a single pixel is on padding, but for one tap in nine.
    padded = LayerProfile(
        name="padded",
        kind="conv2d",
        macs=450_000_000_000,
        useful_macs=50_000_000_000,
        bytes_moved=LARGE,
        forward=Measurement(replicates_s=(1.0,)),
    )
    found = judged(profile(padded), CEILINGS, {}, keys(padded))
    assert found.ceilings == CEILINGS
    assert found.layers[0].efficiency == pytest.approx(1)


def test_what_is_read_twice_counts_twice_in_the_roof():
    norm = layer("norm", 1.0)
    found = judged(profile(norm), CEILINGS, {("norm", 0): LARGE // 2}, keys(norm))
    assert found.layers[0].roof_s == pytest.approx(3.2e-3 * 1.5)


@given(st.lists(st.tuples(st.integers(1, 1 << 40), st.floats(1, 1e15)), min_size=1, max_size=9))
def test_a_smaller_working_set_is_never_the_slower_one(points):
    found = falling(points)
    assert [rate for _, rate in found] == sorted((rate for _, rate in found), reverse=True)
    assert {size for size, _ in found} == {size for size, _ in points}
    for size, rate in points:
        assert dict(found)[size] >= rate
