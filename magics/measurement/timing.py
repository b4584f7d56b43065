"""Time per row: plain and instrumented runs in turn, until stable or out of budget.

Every module's forward is replaced on its instance and reads the clock before and after; a
module's own time is its duration less that of the calls inside. A container's own time is
glue, so all rows add up to the whole run by construction; what the clock readings cost is
measured and subtracted.
"""

from __future__ import annotations

import gc
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from magics.measurement.clock import (
    CONTENDED,
    CPU,
    NANOSECOND,
    WALL,
    CallCost,
    Clock,
    Contention,
    calibrate,
)
from magics.measurement.interpose import replaced_functions
from magics.measurement.modules import replaced_forwards
from magics.records import RELEVANT_SHARE, Measurement

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn

    from magics.measurement.modules import Forward, Target
    from magics.measurement.rows import Key, Plan
    from magics.measurement.state import Watch

WARM_UPS = 2
"""Runs of a new shape before anything is measured: kernels are chosen in the first ones."""

STABLE = 0.05
"""Split-half difference under which a row counts as stable [1]."""

DEFAULT_BUDGET_S = 2.0
"""How long to measure, unless told otherwise [s]."""

_MIN_ROUNDS = 3
_MIN_STABLE_ROUNDS = 4
_PROBE_S = 0.05

Event = tuple[str, str, int, int]  # path, function ('' for a module), begin, end


@dataclass(slots=True)
class Timings:
    """What was measured.

    Attributes:
        rows: Replicates per row [s].
        other: Replicates of everything else [s].
        plain: Replicates of the plain run [s].
        instrumented: Replicates of the instrumented run, its own cost included [s].
        clock: The clock read.
        threads: Threads that torch ran with.
        contention: Wall over processor time; 1 on a quiet machine.
        stable: Whether every row that matters became stable.
        interrupted: Whether Ctrl-C ended it.
    """

    clock: Clock
    threads: int
    rows: dict[Key, list[float]] = field(default_factory=dict)
    other: list[float] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)
    instrumented: list[float] = field(default_factory=list)
    contention: float = 1.0
    stable: bool = False
    interrupted: bool = False

    def measurement(self, replicates: list[float]) -> Measurement | None:
        """Return replicates as a record, or `None` where there are none."""
        if not replicates:
            return None
        return Measurement(replicates_s=tuple(replicates), clock=self.clock.name)


class EventLog:
    """Collects events and hands out the wrappers that make them."""

    def __init__(self, clock: Clock) -> None:
        self.events: list[Event] = []
        self._read = clock.read
        self._in_function = False

    def forward(self, path: str, _module: nn.Module | None, forward: Forward) -> Forward:
        """Return a forward that leaves an event."""
        read, record = self._read, self.events.append

        def timed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401, whatever a model takes
            begin = read()
            result = forward(*args, **kwargs)
            record((path, "", begin, read()))
            return result

        return timed

    def function(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a layer function that leaves an event, but not within another one."""
        read, record = self._read, self.events.append

        def timed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401, whatever it takes
            if self._in_function:
                return function(*args, **kwargs)
            self._in_function = True
            try:
                begin = read()
                result = function(*args, **kwargs)
                record(("", name, begin, read()))
            finally:
                self._in_function = False
            return result

        return timed


def call_cost(clock: Clock) -> CallCost:
    """Measure what one event costs with this clock."""
    log = EventLog(clock)

    def recorded() -> float:
        durations = [end - begin for _, _, begin, end in log.events]
        log.events.clear()
        return sum(durations) / max(1, len(durations))

    return calibrate(clock, lambda nothing: (log.forward("", None, nothing), recorded))


@dataclass(slots=True)
class _Node:
    path: str
    name: str
    begin: int
    end: int
    inside: list[_Node]


def attribute(events: list[Event], plan: Plan, cost: CallCost) -> tuple[dict[Key, float], float]:
    """Turn events, in the order of their ends, into the own time of each row.

    Returns:
        Time per row and of everything else [s], the cost of the events subtracted.
    """
    forest: list[_Node] = []
    for path, name, begin, end in events:
        inside: list[_Node] = []
        while forest and forest[-1].begin >= begin:
            inside.append(forest.pop())
        forest.append(_Node(path, name, begin, end, inside[::-1]))
    rows = {row.key for row in plan.rows if row.timed}
    counts: dict[str, int] = {}
    times: dict[Key, float] = {}
    other = 0.0

    def own(node: _Node) -> None:
        nonlocal other
        spent = node.end - node.begin - cost.inside_ns
        whole = not node.name and node.path in plan.modules
        for inner in node.inside:
            spent -= cost.outside_ns
            if inner.name:
                if whole:
                    spent -= cost.inside_ns
                    continue
                inner.path = node.path
            spent -= inner.end - inner.begin
            own(inner)
        label = node.path
        if node.name:
            label = f"{node.path}.{node.name}()" if node.path else f"{node.name}()"
        index = counts.get(label, 0)
        counts[label] = index + 1
        if (label, index) in rows:
            times[label, index] = spent * NANOSECOND
        else:
            other += spent * NANOSECOND

    for node in forest:
        own(node)
    return times, other


class Stopwatch:
    """Measures one target on one input."""

    def __init__(  # noqa: PLR0913, what a measurement needs
        self,
        target: Target,
        plan: Plan,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        watch: Watch,
        *,
        threads: int | None,
    ) -> None:
        self._target, self._plan, self._watch = target, plan, watch
        self._args, self._kwargs = args, kwargs
        self._fixed_threads = threads

    def measure(self, budget_s: float) -> Timings:
        """Measure until stable or until the budget ends, with the clock that fits.

        On a contended machine that is the processor clock with one thread.
        """
        begin = WALL.read()
        threads = self._fixed_threads or torch.get_num_threads()
        torch.set_num_threads(threads)
        contention = Contention(threads)
        contention.start()
        self._warm_up()
        quiet = contention.ratio() < CONTENDED
        timings = Timings(WALL, threads)
        deadline = begin + budget_s / NANOSECOND
        if quiet:
            self._rounds(timings, deadline, contention)
            if timings.contention < CONTENDED or timings.interrupted:
                return timings
            deadline = WALL.read() + (deadline - begin) / 2
        ratio = max(contention.ratio(), timings.contention)
        torch.set_num_threads(1)
        for _ in range(WARM_UPS if threads != 1 else 0):
            self._plain(CPU)
        timings = Timings(CPU, 1, contention=ratio)
        self._rounds(timings, deadline, None)
        return timings

    def _warm_up(self) -> None:
        enough = WALL.read() + _PROBE_S / NANOSECOND
        for _ in range(WARM_UPS):
            self._plain(WALL)
        while WALL.read() < enough:
            self._plain(WALL)

    def _rounds(self, timings: Timings, deadline: float, contention: Contention | None) -> None:
        log = EventLog(timings.clock)
        cost = call_cost(timings.clock)
        gc.collect()
        gc.disable()
        try:
            while not (timings.stable and len(timings.plain) >= _MIN_STABLE_ROUNDS):
                enough = len(timings.plain) >= _MIN_ROUNDS
                if enough and WALL.read() >= deadline:
                    return
                self._round(timings, log, cost)
                timings.stable = _is_stable(timings)
                if contention is not None:
                    timings.contention = contention.ratio()
                    if len(timings.plain) >= _MIN_ROUNDS and timings.contention >= CONTENDED:
                        return
        except KeyboardInterrupt:
            timings.interrupted = True
        finally:
            gc.enable()

    def _round(self, timings: Timings, log: EventLog, cost: CallCost) -> None:
        """Run once plain and once instrumented, in alternating order."""
        clock = timings.clock
        first = len(timings.plain) % 2 == 0
        plain = self._plain(clock) if first else 0.0
        log.events.clear()
        whole = self._instrumented(log, clock)
        times, other = attribute(log.events, self._plan, cost)
        if not first:
            plain = self._plain(clock)
        # Only whole rounds are kept, so that replicates pair up after an interruption too.
        timings.plain.append(plain)
        timings.instrumented.append(whole)
        timings.other.append(other)
        for key, spent in times.items():
            timings.rows.setdefault(key, []).append(spent)

    def _plain(self, clock: Clock) -> float:
        call, args, kwargs = self._target.call, self._args, self._kwargs
        begin = clock.read()
        result = call(*args, **kwargs)
        end = clock.read()
        del result
        self._watch.restore()
        return (end - begin) * NANOSECOND

    def _instrumented(self, log: EventLog, clock: Clock) -> float:
        with ExitStack() as stack:
            stack.enter_context(replaced_forwards(self._target.modules, log.forward))
            stack.enter_context(replaced_functions(self._plan.functions, log.function))
            call = self._target.call
            if self._target.model is None:
                call = log.forward("", None, call)
            begin = clock.read()
            result = call(*self._args, **self._kwargs)
            end = clock.read()
        del result
        self._watch.restore()
        return (end - begin) * NANOSECOND


def _is_stable(timings: Timings) -> bool:
    whole = timings.measurement(timings.plain)
    if whole is None or whole.count < _MIN_STABLE_ROUNDS:
        return False
    for replicates in (*timings.rows.values(), timings.other):
        row = timings.measurement(replicates)
        if row is None or row.median_s < RELEVANT_SHARE * whole.median_s:
            continue
        half = row.split_half
        if half is not None and half >= STABLE:
            return False
    return True
