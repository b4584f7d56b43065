"""Events given to rows: nothing is lost, whatever the order and the cost of reading a clock."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magics.measurement.machine.calibration import FREE, CallCost
from magics.measurement.machine.clock import Clock
from magics.measurement.timing.events import CREATED, Attribution, Event, EventLog, forest


class Counting:
    """A clock that every reading moves on by one."""

    now = 0

    def read(self):
        self.now += 1
        return self.now


def row(name, index, *, leaf=False):
    """Return what matters of a row: a module with others in it, unless it is a leaf."""
    call = SimpleNamespace(module=object(), modules=[] if leaf else [object()])
    return SimpleNamespace(key=(name, index), name=name, timed=True, call=call)


@dataclass
class Call:
    """A call to be: its own time before, between and after those inside [ns]."""

    path: str
    pieces: list[int]
    inside: list = field(default_factory=list)


calls = st.recursive(
    st.builds(Call, st.sampled_from("abc"), st.lists(st.integers(0, 9), min_size=1, max_size=1)),
    lambda inner: st.lists(inner, max_size=4).flatmap(
        lambda inside: st.builds(
            Call,
            st.sampled_from("abcd"),
            st.lists(
                st.integers(0, 9), min_size=len(inside) + 1, max_size=len(inside) + 1
            ),
            st.just(inside),
        )
    ),
    max_leaves=12,
)  # fmt: skip


def played(call, events, now, inside_ns, outside_ns):
    """Let a call happen from `now` on, and return when it is over, its cost included."""
    first, begin = len(events), now
    now += inside_ns + call.pieces[0]
    for inner, piece in zip(call.inside, call.pieces[1:], strict=True):
        now = played(inner, events, now, inside_ns, outside_ns) + piece
    events.append(Event(call.path, "", begin, now, first))
    return now + outside_ns


def truth(call, counts, times):
    for inner in call.inside:
        truth(inner, counts, times)
    key = (call.path, counts.get(call.path, 0))
    counts[call.path] = key[1] + 1
    times[key] = sum(call.pieces)


@given(st.lists(calls, min_size=1, max_size=3), st.integers(0, 3), st.integers(0, 3), st.sets(
    st.sampled_from("abcd")))  # fmt: skip
def test_every_call_gets_back_its_own_time_and_nothing_is_lost(trees, inside, outside, with_rows):
    events, now = [], 0
    times = {}
    counts = {}
    for tree in trees:
        now = played(tree, events, now, inside, outside)
        truth(tree, counts, times)
    rows = [row(*key) for key in times if key[0] in with_rows]
    plan = SimpleNamespace(rows=rows, modules=set())
    found = Attribution(plan, CallCost(inside, outside))
    taken = found.add(forest(events))
    assert taken == now
    assert found.times == {key: spent for key, spent in times.items() if key[0] in with_rows}
    assert sum(found.times.values()) + found.other == sum(times.values())


def test_events_form_a_tree_also_on_a_clock_that_stands_still():
    log = EventLog(Clock("wall", lambda: 0))
    leaf = log.forward("leaf", None, lambda: None)

    def twice():
        leaf()
        leaf()

    log.forward("root", None, twice)()
    leaf()
    roots = forest(log.taken()[0])
    assert [(root.event.path, len(root.inside)) for root in roots] == [("root", 2), ("leaf", 0)]


def test_a_call_that_raises_leaves_its_event():
    log = EventLog(Clock("wall", lambda: 0))

    def fail():
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011, the one above
        log.forward("a", None, fail)()
    assert [event.path for event in log.taken()[0]] == ["a"]


def test_functions_within_a_function_or_within_a_row_are_part_of_it():
    log = EventLog(Clock("wall", Counting().read))
    inner = log.function("conv2d", lambda: None)
    outer = log.function("conv2d", inner)
    log.forward("row", None, outer)()
    log.forward("net", None, outer)()
    rows = [row(name, 0)
            for name in ("row", "net.conv2d()")]  # fmt: skip
    found = Attribution(SimpleNamespace(rows=rows, modules={"row"}), FREE)
    found.add(forest(log.taken()[0]))
    assert found.times == {("row", 0): 3, ("net.conv2d()", 0): 1}
    assert found.other == 2


def test_a_node_belongs_to_the_call_that_created_it_and_to_the_innermost_one():
    rows = [row(name, 0) for name in ("a", "b")]
    plan = SimpleNamespace(rows=rows, modules={"a", "b"})
    forward = Attribution(plan, FREE)
    forward.add(forest([
        Event("a", "", 0, 1, 0, 10, 12),
        Event("b", "", 2, 3, 1, 13, 14),
        Event("", "", 0, 4, 0, 10, 15),
    ]))  # fmt: skip
    backward = Attribution(plan, FREE, FREE, forward)
    numbers = [14, 13, 12, 11, 10, 99]  # glue, b, glue, a, a, unknown
    taken = backward.add(forest([
        Event("", "", 10 * at, 10 * at + 1 + at, at, number, number, CREATED)
        for at, number in enumerate(numbers)
    ]))  # fmt: skip
    assert backward.times == {("b", 0): 2, ("a", 0): 4 + 5}
    assert backward.other == 1 + 3 + 6
    assert taken == 21


def test_of_a_module_that_calls_others_in_some_calls_only_the_other_calls_are_rows():
    log = EventLog(Clock("wall", Counting().read))
    child = log.forward("child", None, lambda: None)
    block = log.forward("block", None, lambda with_child: child() if with_child else None)
    for with_child in (True, False, True):
        block(with_child)
    rows = [row("child", 0, leaf=True), row("block", 0, leaf=True), row("child", 1, leaf=True)]
    found = Attribution(SimpleNamespace(rows=rows, modules={"child", "block"}), FREE)
    found.add(forest(log.taken()[0]))
    assert found.times == {("child", 0): 1, ("block", 0): 1, ("child", 1): 1}
    assert found.other == 4
