"""Running operations, permutations and long walks: what could cost the square of a size."""

from hypothesis import given
from hypothesis import strategies as st

from magics.theory import graph as walks
from magics.theory.axis_maps import AxisMap, running, window
from magics.theory.graph import Edge, Node, graph_of, touched
from magics.theory.index_sets import mask_of, positions
from magics.theory.receptive_field import ReceptiveFields

SETS = st.integers(1, 40).flatmap(
    lambda size: st.tuples(st.just(size), st.sets(st.integers(0, size - 1)))
)


@given(SETS)
def test_a_running_operation_meets_all_up_to_the_last_or_all_from_the_first(given_set):
    size, units = given_set
    before = {at for unit in units for at in range(unit + 1)}
    after = {at for unit in units for at in range(unit, size)}
    mask = mask_of(sorted(units))
    assert set(positions(running().image(mask, size))) == before
    assert set(positions(running(reverse=True).image(mask, size))) == after


@given(st.permutations(range(12)), st.sets(st.integers(0, 11)))
def test_a_permutation_meets_what_it_takes_for_few_units_and_for_all(order, units):
    taken = AxisMap(tuple((at,) for at in order), 0, regular=False)
    mask = mask_of(sorted(units))
    assert set(positions(taken.image(mask, 12))) == {order[unit] for unit in units}


def chain(size, count):
    """Return a running sum, and convolutions that each follow the one before."""
    nodes = [Node(0, (size,)), Node(1, (size,), (Edge(0, (running(),)),))]
    slide = (window(3, padding=1),)
    nodes += [Node(at, (size,), (Edge(at - 1, slide),)) for at in range(2, count)]
    return graph_of(nodes)


def test_a_long_running_sum_costs_no_more_than_a_short_one():
    (box,) = touched(chain(1_000_000, 4), 3, (500_000,), 0)
    assert box == ((1 << 500_003) - 1,)  # two convolutions see two positions further


def test_walks_that_take_too_long_are_given_up_and_said_to_be(monkeypatch):
    fields = ReceptiveFields(chain(32, 40), 0)
    monkeypatch.setattr(walks, "MAX_STEPS", 100)
    answers = [fields[node] for node in range(1, 40)]
    # A walk from node n takes n steps: 1 to 13 are 91, with the 14th they would be too many.
    assert [answer is not None for answer in answers] == [True] * 13 + [False] * 26
    assert [answer.size for answer in answers[:3]] == [(17,), (18,), (19,)]
    assert fields.obstacle(14) == "to follow it back takes more than 100 steps"
    assert fields.obstacle(13) == ""
