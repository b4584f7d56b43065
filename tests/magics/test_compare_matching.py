"""Which layers of two models correspond."""

import pytest
from examples import layer, profile
from hypothesis import given
from hypothesis import strategies as st

from magics.studies.comparing import matching


def net(*rows):
    """Return a profile of layers such as 'conv2d' or ('stem', 'conv2d', output channels)."""
    made = []
    for place, row in enumerate(rows):
        name, kind, channels = row if isinstance(row, tuple) else (str(place), row, 4)
        made.append(layer(name, kind=kind, type=kind, output_shape=(1, channels, 8, 8)))
    return profile(made)


def matched(*profiles):
    return matching.matched(profiles)


def test_layers_of_one_name_and_kind_correspond_in_any_order():
    one = net(("stem", "conv2d", 4), ("head", "linear", 10))
    two = net(("head", "linear", 10), ("neck", "max_pool2d", 4), ("stem", "conv2d", 8))
    assert matched(one, two) == ((0, 2), (1, 0), (None, 1))


def test_a_name_with_another_kind_is_another_layer():
    one, two = net(("block", "conv2d", 4)), net(("block", "max_pool2d", 4))
    assert matched(one, two) == ((None, 0), (0, None))


def test_one_layer_more_in_front_does_not_shift_the_others():
    one = net("conv2d", "batch_norm", "conv2d", "batch_norm")
    two = net("max_pool2d", "conv2d", "batch_norm", "conv2d", "batch_norm")
    assert matched(one, two) == ((None, 0), (0, 1), (1, 2), (2, 3), (3, 4))


def test_among_layers_of_one_kind_the_shape_decides():
    one = net(("a", "conv2d", 4), ("b", "conv2d", 16))
    two = net(("x", "conv2d", 8), ("y", "conv2d", 4), ("z", "conv2d", 16))
    assert matched(one, two) == ((None, 0), (0, 1), (1, 2))


def test_calls_of_one_layer_correspond_call_by_call():
    calls = [layer("shared", call_index=number) for number in range(3)]
    assert matched(profile(calls), profile(calls[:2])) == ((0, 0), (1, 1), (2, None))


def test_a_third_model_is_matched_with_what_only_the_second_has():
    one, two = net("conv2d"), net("conv2d", "batch_norm")
    assert matched(one, two, two) == ((0, 0, 0), (None, 1, 1))


def test_a_model_without_layers_is_matched():
    assert matched(profile(), net("conv2d")) == ((None, 0),)
    assert matched(net("conv2d"), profile()) == ((0, None),)
    assert matched(profile(), profile()) == ()


@pytest.mark.parametrize("count", [1100])
def test_many_layers_without_common_names_are_matched_in_order(count):
    one = net(*((f"a{n}", "conv2d", 4) for n in range(count)))
    two = net(*((f"b{n}", "conv2d", 4) for n in range(count)))
    assert matched(one, two) == tuple((n, n) for n in range(count))


nets = st.lists(
    st.tuples(
        st.sampled_from(["0", "1", "2", "a", "b", "a.0"]),
        st.sampled_from(["conv2d", "batch_norm", "linear"]),
        st.sampled_from([4, 8]),
    ),
    max_size=8,
    unique_by=lambda row: row[0],
).map(lambda rows: net(*rows))


@given(nets, nets, nets)
def test_every_layer_of_every_model_is_in_one_row_and_kinds_agree(one, two, three):
    profiles = (one, two, three)
    rows = matched(*profiles)
    for number, found in enumerate(profiles):
        places = [row[number] for row in rows if row[number] is not None]
        assert sorted(places) == list(range(len(found.layers)))
    for row in rows:
        kinds = {
            found.layers[place].kind
            for place, found in zip(row, profiles, strict=True)
            if place is not None
        }
        assert len(kinds) == 1


@given(nets)
def test_a_model_is_matched_with_itself_layer_by_layer(found):
    assert matched(found, found) == tuple((n, n) for n in range(len(found.layers)))
