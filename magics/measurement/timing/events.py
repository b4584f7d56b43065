"""What happens while an instrumented model runs: calls, and executions of autograd nodes.

Each leaves an event with the clock before and after it. Events are kept in the order of their
ends, and each knows how many had ended when it began: what ended since then happened inside
it. So they form a tree whatever the clock's resolution.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from magics.measurement.machine.calibration import FREE, CallCost, calibrate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch import nn

    from magics.measurement.machine.clock import Clock
    from magics.measurement.models.modules import Forward
    from magics.measurement.rows import Key, Plan


class Event(NamedTuple):
    """One call, or one execution of a node.

    Attributes:
        path: Path of the module; '' for a function and for a node.
        name: Name of the function; '' for a module.
        begin: The clock's mark before it.
        end: The one after it.
        first: Number of events that had ended when it began.
        begin_number: Number of the next autograd node when it began; a node's own number.
        end_number: Number of the next one when it ended.
        node: 0 for a call, `CREATED` or `RECREATED` for a node.
    """

    path: str
    name: str
    begin: int
    end: int
    first: int
    begin_number: int = 0
    end_number: int = 0
    node: int = 0


CREATED = 1
"""A node that the forward created."""

RECREATED = 2
"""A node that a part of the forward created while it was run again during the backward."""


def _no_number() -> int:
    return 0


class EventLog:
    """Collects events and hands out the wrappers that make them."""

    def __init__(self, clock: Clock, number: Callable[[], int] = _no_number) -> None:
        """Prepare a log.

        Args:
            clock: The clock to read.
            number: Gives the number of autograd nodes created so far.
        """
        self.clock = clock
        self.events: list[tuple[Any, ...]] = []  # of Event's fields: creating one costs more
        self.on_return: Callable[[int, object], None] | None = None
        self._number = number
        self._in_function = False

    def forward(self, path: str, _module: nn.Module | None, forward: Forward) -> Forward:
        """Return a forward that leaves an event, also when it raises."""
        return self._timed(path, "", forward)

    def function(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a layer function that leaves an event, but not within another one."""
        timed = self._timed("", name, function)

        def once(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401, whatever it takes
            if self._in_function:
                return function(*args, **kwargs)
            self._in_function = True
            try:
                return timed(*args, **kwargs)
            finally:
                self._in_function = False

        return once

    def _timed(self, path: str, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        read, number, events = self.clock.read, self._number, self.events

        def timed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401, whatever it takes
            result = None
            first, before = len(events), number()
            begin = read()
            try:
                result = call(*args, **kwargs)
                return result
            finally:
                events.append((path, name, begin, read(), first, before, number()))
                if self.on_return is not None:
                    self.on_return(before, result)

        return timed

    def taken(self, marks: Sequence[int] = ()) -> tuple[list[Event], Sequence[int]]:
        """Return the events so far with their times, and forget them.

        Args:
            marks: Further marks of the clock.

        Returns:
            The events with times in nanoseconds instead of marks, and the times of `marks`.
        """
        events = list(self.events)
        self.events.clear()
        of_events = [mark for event in events for mark in event[2:4]]
        times = self.clock.settled([*of_events, *marks])
        settled = [
            Event(*event[:2], *times[2 * place : 2 * place + 2], *event[4:])
            for place, event in enumerate(events)
        ]
        return settled, times[len(of_events) :]

    def mean_ns(self) -> float:
        """Return the mean length of the events so far [ns], and forget them."""
        events, _ = self.taken()
        return sum(event.end - event.begin for event in events) / max(1, len(events))


def call_cost(clock: Clock, number: Callable[[], int] = _no_number) -> CallCost:
    """Measure what one call's event costs with this clock."""
    log = EventLog(clock, number)

    def nothing(*_: object, **__: object) -> None:
        return None

    timed = log.forward("", None, nothing)

    def repeated(function: Callable[..., Any], count: int) -> None:
        for _ in range(count):
            function(None)

    return calibrate(
        clock, partial(partial, repeated, nothing), partial(partial, repeated, timed), log.mean_ns
    )


@dataclass(slots=True)
class Node:
    """An event and what happened inside it.

    Attributes:
        event: The event.
        inside: Events directly inside, in order.
    """

    event: Event
    inside: list[Node] = field(default_factory=list)


def forest(events: Iterable[Event], offset: int = 0) -> list[Node]:
    """Build the trees of events.

    Args:
        events: In the order of their ends.
        offset: Number of earlier events, which are left out.
    """
    roots: list[Node] = []
    sizes: list[int] = []  # of each root's tree
    for ended, event in enumerate(events, start=offset):
        node = Node(event)
        size = 1
        while roots and size - 1 < ended - event.first:
            size += sizes.pop()
            node.inside.append(roots.pop())
        node.inside.reverse()
        roots.append(node)
        sizes.append(size)
    return roots


def _calls_modules(node: Node) -> bool:
    return any(not inner.event.name and not inner.event.node for inner in node.inside)


class Attribution:
    """Gives each event to a row, or to everything else.

    Attributes:
        times: Own time of each row [ns]: without that of the calls inside, and without what
            the events cost.
        other: Own time of what has no row [ns].
        creators: By a node's number, the row by whose name it was created.
    """

    def __init__(
        self,
        plan: Plan,
        call: CallCost,
        node: CallCost = FREE,
        forward: Attribution | None = None,
    ) -> None:
        """Prepare an attribution.

        Args:
            plan: The rows.
            call: Cost of a call's event.
            node: Cost of a node's event.
            forward: The forward's attribution, when this is about the backward. Calls are then
                repeated ones, so that their counting starts anew.
        """
        self._rows = {row.key for row in plan.rows if row.timed}
        self._calls = Counter(row.name for row in plan.rows)
        self._wholes = plan.modules
        self._leaves = {row.name for row in plan.rows if row.call.module and not row.call.modules}
        self._cost, self._node_cost = call, node
        self._forward = forward
        self._counts: Counter[str] = Counter()
        self.times: dict[Key, float] = {}
        self.other = 0.0
        self.creators: dict[int, Key] = {}

    def add(self, nodes: Iterable[Node]) -> float:
        """Attribute trees, and return what they took of the time around them [ns]."""
        return sum(self._add(node, "") for node in nodes)

    def _add(self, node: Node, path: str) -> float:
        event = node.event
        module = not event.name and not event.node
        whole = module and event.path in self._wholes
        cost = self._node_cost if event.node else self._cost
        own = event.end - event.begin - cost.inside_ns
        for inner in node.inside:
            if whole and inner.event.name:  # a part of the row; only its event is none
                own -= self._cost.inside_ns + self._cost.outside_ns
                own -= sum(self._add(deeper, event.path) for deeper in inner.inside)
            else:
                own -= self._add(inner, event.path if module else path)
        if event.node:
            key = self._creator(event)
        elif module and event.path in self._leaves and _calls_modules(node):
            key = _NOBODY  # a row only where it is called for itself
        else:
            key = self._next_key(event, path)
        if key in self._rows:
            self.times[key] = self.times.get(key, 0.0) + own
        else:
            self.other += own
        return event.end - event.begin + cost.outside_ns

    def _creator(self, event: Event) -> Key:
        known = self.creators
        if event.node == CREATED and self._forward is not None:
            known = self._forward.creators
        return known.get(event.begin_number, _NOBODY)

    def _next_key(self, event: Event, path: str) -> Key:
        label = event.path
        if event.name:
            label = f"{path}.{event.name}()" if path else f"{event.name}()"
        index = self._counts[label]
        self._counts[label] += 1
        if self._forward is not None:
            index %= max(1, self._calls[label])
        key = (label, index)
        for number in range(event.begin_number, event.end_number):
            self.creators.setdefault(number, key)  # calls inside came first
        return key


_NOBODY: Key = ("", -1)
