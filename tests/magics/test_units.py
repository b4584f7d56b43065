"""Numbers become text without lying by more than half of their last digit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magics import units

FACTORS = {
    "": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "B": 1, "KiB": 2**10, "MiB": 2**20,
    "GiB": 2**30, "s": 1, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9,
}  # fmt: skip


def value_of(text):
    number, _, unit = text.partition(" ")
    return float(number.replace(",", "")) * FACTORS[unit]


@given(st.floats(1, 1e15))
def test_a_count_keeps_three_digits(value):
    assert value_of(units.count(value)) == pytest.approx(value, rel=0.005)


@given(st.integers(1, 2**44))
def test_a_size_keeps_three_digits(value):
    assert value_of(units.size(value)) == pytest.approx(value, rel=0.005)


@given(st.floats(1e-9, 1e4))
def test_a_time_keeps_three_digits(value):
    assert value_of(units.seconds(value)) == pytest.approx(value, rel=0.005)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (units.count(1_814_073_344), "1.81 G"),
        (units.count(999_999), "1.00 M"),
        (units.count(64), "64"),
        (units.count(0), "0"),
        (units.count(167e9, "FLOP/s"), "167 GFLOP/s"),
        (units.size(512), "512 B"),
        (units.size(1024), "1.00 KiB"),
        (units.size(46_800_000), "44.6 MiB"),
        (units.seconds(0.00125), "1.25 ms"),
        (units.seconds(0.99996e-3), "1.00 ms"),
        (units.whole(11_689_512), "11,689,512"),
        (units.percent(0.987), "98.7 %"),
        (units.percent(0.5, 0), "50 %"),
        (units.ratio(1.015), "1.015x"),
        (units.intensity(None), units.MISSING),
        (units.intensity(0), "0"),
        (units.intensity(24.12), "24.1"),
        (units.intensity(1234.5), "1,234"),
        (units.shape((8, 3, 224, 224)), "8x3x224x224"),
        (units.shape(()), "scalar"),
        (units.count(None), "–"),  # noqa: RUF001, the dash is what stands there
        (units.percent(None), units.MISSING),
    ],
)
def test_a_number_in_a_sentence_brings_its_unit(text, expected):
    assert text == expected


@given(st.lists(st.floats(1e-7, 1e2), min_size=1, max_size=20))
def test_a_column_of_times_has_one_unit_and_shows_every_number(values):
    scale = units.time_scale(values)
    for value in values:
        text = scale.text(value)
        if text.startswith("<"):
            assert value / scale.factor < float(text[1:])
        else:
            assert float(text.replace(",", "")) == pytest.approx(
                value / scale.factor, abs=0.5001 * 10**-scale.decimals
            )


@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=20))
def test_half_of_a_column_keeps_a_digit(values):
    scale = units.count_scale(values)
    assert sum(scale.text(value) not in {"0", "0.0"} for value in values) >= len(values) / 2


def test_whole_numbers_below_a_thousand_have_no_decimals():
    assert [units.count_scale([3, 64, 999]).text(value) for value in (3, 64)] == ["3", "64"]


def test_what_is_missing_is_a_dash_and_nothing_is_zero():
    scale = units.time_scale([0.002, None])
    assert scale.text(None) == units.MISSING
    assert scale.text(0) == "0"
    assert scale.text(1e-9) == "<0.001"


@pytest.mark.parametrize(
    ("value", "text"), [(2.34e-7, "2.3e-07"), (0.5, "5.0e-01"), (0, "0.0e+00")]
)
def test_what_may_be_very_small_is_written_with_its_power(value, text):
    assert units.power(value) == text
