"""Axes as they are written, and the values that come of it."""

import itertools
import string

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from magics.errors import InputError
from magics.options import DTYPES, LAYOUTS
from magics.studies.sweeping.axes import AXES, read

NUMBERS = st.lists(st.integers(1, 10**6), min_size=1, max_size=6, unique=True)


def only(**given_axis):
    (axis,), fixed, rest = read(given_axis, lambda _name: False)
    assert not fixed
    assert not rest
    return axis


@given(NUMBERS)
def test_a_list_a_tuple_and_text_are_the_same_axis(numbers):
    asked = only(batch=numbers)
    assert asked.values == tuple(numbers)
    assert asked.step is None
    assert only(batch=tuple(numbers)) == asked
    assert only(batch=list(map(str, numbers))) == asked
    if len(numbers) > 1:
        assert only(batch=",".join(map(str, numbers))) == asked
        assert only(batch=" , ".join(map(str, numbers))) == asked


@given(st.integers(1, 100), st.integers(1, 50), st.integers(1, 9))
def test_a_range_is_an_axis(start, count, step):
    asked = range(start, start + count * step, step)
    assert only(channels=asked).values == tuple(asked)


@given(NUMBERS)
def test_integers_of_numpy_and_of_torch_are_an_axis_alone_and_in_arrays(numbers):
    asked = only(batch=numbers)
    array = np.array(numbers)
    for given_axis in (array, torch.from_numpy(array), list(array), tuple(torch.tensor(numbers))):
        axis = only(batch=given_axis)
        assert axis == asked
        assert {type(value) for value in axis.values} == {int}
    assert only(batch=[*array[:1], ...]).step is not None
    assert read({"batch": array[0], "size": [1, 2]}, lambda _name: False)[1] == {
        "batch": numbers[0]
    }


@given(st.integers(1, 1000), st.integers(1, 4), st.integers(1, 8))
def test_values_that_double_go_on_doubling(start, count, further):
    numbers = [start * 2**place for place in range(count)]
    axis = only(batch=[*numbers, ...])
    assert axis.values == tuple(numbers)
    for _ in range(further):
        numbers.append(axis.step(numbers[-1]))
    assert numbers == [start * 2**place for place in range(count + further)]


@given(st.integers(1, 1000), st.integers(1, 1000), st.integers(2, 5), st.integers(1, 5))
def test_other_values_go_on_by_their_last_step(start, distance, count, further):
    numbers = [start + place * distance for place in range(count)]
    if all(other == 2 * one for one, other in itertools.pairwise(numbers)):
        numbers.append(numbers[-1] + distance)  # two that double are no progression by steps
    axis = only(size=[*numbers, ...])
    for _ in range(further):
        numbers.append(axis.step(numbers[-1]))
    assert {other - one for one, other in itertools.pairwise(numbers)} == {distance}


@given(st.integers(1, 50), st.integers(1, 9), st.integers(1, 500))
def test_a_last_value_ends_them_and_is_among_them(start, distance, more):
    last = start + distance + more
    axis = only(batch=[start, start + distance, ..., last])
    assert axis.step is None
    doubling = distance == start
    expected, value = [start, start + distance], start + distance
    while (value := 2 * value if doubling else value + distance) < last:
        expected.append(value)
    assert axis.values == (*expected, last)
    assert only(batch=f"{start},{start + distance},...,{last}") == axis


def test_dots_are_dots_however_they_are_written():
    for written in (
        "1,2,4,...",
        "1, 2, 4, ...",
        "1,2,4,\u2026",
        [1, 2, 4, ...],
        ["1", 2, 4, "..."],
    ):
        axis = only(batch=written)
        assert axis.values == (1, 2, 4)
        assert axis.step(4) == 8


def test_words_are_as_a_profile_takes_them():
    assert only(dtype="fp32,bf16,float64").values == ("float32", "bfloat16", "float64")
    assert only(layout=["nchw", "nhwc"]).values == ("contiguous", "channels_last")
    assert only(device=["cpu", "cuda:1"]).values == ("cpu", "cuda:1")
    assert only(size=["64x96", (8, 9), 7, "5"]).values == ("64x96", "8x9", 7, 5)


def test_single_values_are_no_axes():
    axes, fixed, rest = read(
        {"batch": [1, 2], "size": 64, "channels": "8", "groups": 3}
        | {"threads": 2, "dtype": "bf16", "mode": "eval"},
        lambda name: name == "groups",
    )  # fmt: skip
    assert [axis.name for axis in axes] == ["batch"]
    assert fixed == {"size": 64, "channels": 8}
    assert rest == {"threads": 2, "dtype": "bf16", "mode": "eval", "groups": 3}


def test_axes_keep_their_order():
    axes, _, _ = read({"layout": ["nchw", "nhwc"], "batch": [1, 2]}, lambda _name: False)
    assert [axis.name for axis in axes] == ["layout", "batch"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "sweep: one axis or two (got none); give values such as batch=[1, 2, 4], of batch, "),
        ({"chanels": [1, 2]}, "chanels: no such axis (got [1, 2]); did you mean channels?"),
        ({"batch": [1], "size": [2], "groups": [1]}, "sweep: one axis or two (got batch, size, gr"),
        ({"batch": []}, "batch: no values (got []); give such as batch=[1, 2, 4]"),
        ({"batch": [1, 2, 1]}, "batch: a value twice (got 1); give each value once"),
        ({"batch": [0]}, "batch: must be a whole number from 1 (got 0)"),
        ({"batch": [True]}, "batch: must be a whole number from 1 (got True)"),
        ({"batch": [1.5]}, "batch: must be a whole number from 1 (got 1.5)"),
        ({"batch": "1,two"}, "batch: must be a whole number from 1 (got 'two')"),
        ({"batch": "1,"}, "batch: must be a whole number from 1 (got '')"),
        ({"threads": [-1, 2]}, "threads: must be a whole number from 1 (got -1)"),
        ({"size": ["8x0"]}, "size: must be a whole number from 1, or two such as 64x96 (got"),
        ({"dtype": ["fp32", "fp8"]}, "dtype: unknown (got 'fp8'); "),
        ({"layout": ["nchw", "nwhc"]}, "layout: unknown (got 'nwhc'); did you mean nhwc?"),
        ({"batch": "4,2,..."}, "batch: '...' goes on upwards only (got 4, 2, ...)"),
        ({"batch": "1,2,...,2"}, "batch: '...' goes on upwards only (got 1, 2, ..., 2)"),
        ({"batch": "...,8"}, "batch: '...' goes on from numbers, to a last one or without"),
        ({"batch": "1,...,4,..."}, "batch: '...' goes on from numbers, to a last one or without"),
        ({"size": ["8x8", ...]}, "size: '...' goes on from numbers, to a last one or without"),
        ({"groups": "1,2,..."}, "groups: '...' needs a last value here (got 1, 2, ...)"),
    ],
)  # fmt: skip
def test_a_bad_axis_is_told_in_one_line(asked, message):
    with pytest.raises(InputError) as caught:
        read(asked, lambda _name: False)
    assert str(caught.value).startswith(message)


@given(
    st.sampled_from(AXES),
    st.lists(
        st.one_of(
            st.integers(-3, 9),
            st.floats(),
            st.booleans(),
            st.none(),
            st.just(...),
            st.sampled_from([*DTYPES, *LAYOUTS, "cpu"]),
            st.text(string.printable, max_size=5),
        ),
        max_size=5,
    ),
)
def test_any_list_is_an_axis_or_one_clear_line(name, values):
    axis = message = None
    try:
        axis = only(**{name: values})
    except InputError as error:
        message = str(error)
    if axis is None:
        assert message.startswith((f"{name}: ", "sweep: "))
        assert "\n" not in message
    else:
        assert len(axis.values) == len(set(axis.values)) >= 1
        assert all(isinstance(value, str) or value >= 1 for value in axis.values)
