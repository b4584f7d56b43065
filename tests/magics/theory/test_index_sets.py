"""Sets as bitmasks and unions of boxes against Python's own sets."""

import random
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magics.theory.axis_maps import AxisMap, adaptive, window
from magics.theory.index_sets import (
    MAX_LOOSE_BOXES,
    add_box,
    count,
    disjoint,
    extent,
    mask_of,
    positions,
    projection,
    sample,
    spread,
)
from magics.theory.periodic import MAX_PERIOD, Family, Positions, Table, add_family, origin_family

some = settings(max_examples=200, deadline=None)
sets = st.frozensets(st.integers(0, 60))


@some
@given(sets, st.integers(1, 5))
def test_spreading_multiplies_and_sampling_divides(members, step):
    mask = mask_of(list(members))
    assert positions(mask) == sorted(members)
    assert positions(spread(mask, step)) == sorted(step * n for n in members)
    first = step - 1
    kept = sorted((n - first) // step for n in members if n >= first and (n - first) % step == 0)
    assert positions(sample(mask, step, first)) == kept
    assert extent(mask) == ((min(members), max(members) + 1) if members else (0, 0))


@some
@given(st.randoms(), st.integers(1, 3), st.integers(0, 3 * MAX_LOOSE_BOXES))
def test_unions_of_boxes_hold_the_points_that_were_put_in(draw: random.Random, axes, number):
    boxes, points = [], set()
    for _ in range(number):
        box = tuple(draw.getrandbits(7) & draw.getrandbits(7) for _ in range(axes))
        add_box(boxes, box)
        points.update(product(*map(positions, box)))
    assert count(boxes) == len(points)
    apart = [set(product(*map(positions, box))) for box in disjoint(boxes)]
    assert set().union(*apart) == points
    assert sum(map(len, apart)) == len(points)
    for axis in range(axes):
        assert positions(projection(boxes, axis)) == sorted({point[axis] for point in points})


@pytest.mark.parametrize("edge", ["drop", "clamp", "reflect", "wrap"])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_positions_outside_the_input_follow_the_padding_mode(edge, size):
    axis = AxisMap((tuple(range(-4, 5)),), edge=edge)
    there_and_back = [*range(size), *range(size - 2, 0, -1)] if size > 1 else [0]
    mirrored = there_and_back * 9
    for unit in range(size):
        folded = {
            "drop": lambda n: n if 0 <= n < size else None,
            "clamp": lambda n: min(max(n, 0), size - 1),
            "reflect": lambda n: mirrored[abs(n)],
            "wrap": lambda n: n % size,
        }[edge]
        expected = {folded(unit + tap) for tap in range(-4, 5)} - {None}
        assert set(positions(axis.image(1 << unit, size))) == expected


def test_a_set_without_units_reaches_nothing():
    assert window(3).image(0, 8) == 0
    assert AxisMap(((),)).image(1, 8) == 0


def test_positions_of_any_sign_join():
    low, high, empty = Positions(-5, 0b101), Positions(2, 1), Positions(0, 0)
    assert Positions.union([high, empty, low]) == Positions(-5, 0b10000101)
    assert Positions.union([low, high]) == Positions(-5, 0b10000101)
    assert (low.length, low.moved(3).start, empty.length) == (3, -2, 0)
    assert empty.is_within(low)
    assert not low.is_within(high)


def test_a_pattern_too_long_to_follow_is_given_up():
    table = Table(1, tuple(Positions(n, 1) for n in range(MAX_PERIOD)))
    assert table.image(adaptive(9, 7)) is None
    assert Family((table,)).image((adaptive(9, 7),)) is None


def test_tables_of_different_periods_join_to_their_common_multiple():
    second = Table(2, (Positions(0, 1), Positions(0, 1)))
    third = Table(3, (Positions(0, 1), Positions(0, 1), Positions(2, 1)))
    joined = Table.union([second, third])
    assert (joined.period, joined.shift) == (6, 6)
    assert joined.at(5) == Positions(4, 0b11)
    assert not second.is_within(third)


def test_a_wider_family_takes_the_place_of_a_narrower_one():
    narrow = origin_family(2)
    wide = narrow.image((window(3, 1, 1), window(3, 1, 1)))
    flat = narrow.image((window(5, 1, 2), window(1)))
    families = []
    for family in (narrow, flat, wide, narrow):
        assert add_family(families, family)
    assert families == [flat, wide]
    assert not add_family(families, narrow.image((window(1, 2), window(1, 2))))
