"""One run of a model, plain or instrumented: the forward and, where asked, the backward.

The backward starts from all outputs that can have a gradient, each element with the gradient
1: the loss is the sum of all outputs.
"""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch

from magics.errors import ForwardError
from magics.measurement.calling.interpose import replaced_functions
from magics.measurement.calling.operators import tensors_in
from magics.measurement.capturing.recorder import Recorder
from magics.measurement.machine.calibration import FREE, CallCost
from magics.measurement.machine.clock import NANOSECOND, Clock
from magics.measurement.models.modules import replaced_forwards
from magics.measurement.timing.backward import (
    Gradients,
    NodeHooks,
    WriteObserver,
    differentiable,
    node_cost,
    node_number,
    nodes_behind,
)
from magics.measurement.timing.events import Attribution, EventLog, call_cost, forest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn

    from magics.measurement.models.modules import Target
    from magics.measurement.rows import Key, Plan
    from magics.measurement.state import Watch


@dataclass(frozen=True, slots=True)
class Pass:
    """Times of one forward or backward.

    Attributes:
        whole: All of it, what instrumenting costs included [s].
        rows: Own time of each row [s].
        other: Time of everything else [s].
    """

    whole: float
    rows: Mapping[Key, float] = field(default_factory=dict)
    other: float = 0.0


Passes = tuple[Pass, Pass | None]
"""A forward, and the backward where there was one."""


class Runner:
    """Runs one target on one input.

    Attributes:
        backward: Whether a backward follows each forward; false, too, from the first run on
            where no output can have a gradient.
    """

    def __init__(  # noqa: PLR0913, what a run needs
        self,
        target: Target,
        plan: Plan,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        watch: Watch,
        *,
        backward: bool,
    ) -> None:
        self._target, self._plan, self._watch = target, plan, watch
        self._args, self._kwargs = args, kwargs
        self._gradients = Gradients()
        self._timed = _with_rows(target, plan)
        self.backward = backward

    def call(self) -> object:
        """Call the model, and nothing else."""
        return self._target.call(*self._args, **self._kwargs)

    def inputs(self) -> list[torch.Tensor]:
        """Return the tensors that the model is called with."""
        return tensors_in((self._args, self._kwargs))

    def calling(self, call: Callable[..., Any]) -> Runner:
        """Return a runner of another callable that stands for the same model."""
        return Runner(
            replace(self._target, call=call),
            self._plan,
            self._args,
            self._kwargs,
            self._watch,
            backward=self.backward,
        )

    def first(self, clock: Clock) -> Passes:
        """Run once plain, and find out whether there is a backward and what it writes to.

        Raises:
            ForwardError: If the backward fails.
        """
        recorder = Recorder(self._target, self._watch, lambda _: nullcontext())
        begin = clock.read()
        result = self.call()
        marks = [begin, clock.read()]
        outputs = differentiable(result)
        self.backward = self.backward and bool(outputs)
        if self.backward:
            self._gradients.clear_before(nodes_behind(outputs), outputs)
            marks.append(clock.read())
            try:
                with WriteObserver(recorder.before):
                    _backward(outputs, _ones(outputs))
            except Exception as error:
                raise ForwardError(
                    f"model: its backward raised {type(error).__name__}: {error}; "
                    f"profile it without backward",
                    layer="",
                ) from error
            marks.append(clock.read())
        del result
        self._clean()
        return _wholes(clock, marks)

    def plain(self, clock: Clock, *, calls: int = 1, restored: bool = True) -> Passes:
        """Run the model as it is.

        Args:
            clock: The clock to read.
            calls: Of how many forwards the time is the mean; 1 where a backward follows.
            restored: Put back what it wrote, as is to be done at last after every few runs.
        """
        call, args, kwargs = self._target.call, self._args, self._kwargs
        begin = clock.read()
        for _ in range(calls - 1):
            call(*args, **kwargs)
        result = call(*args, **kwargs)
        marks = [begin, clock.read()]
        if self.backward:
            outputs = differentiable(result)
            self._gradients.clear_before(nodes_behind(outputs), outputs)
            ones = _ones(outputs)
            marks.append(clock.read())
            _backward(outputs, ones)
            marks.append(clock.read())
        del result
        self._clean(restored=restored)
        forward, backward = _wholes(clock, marks)
        return (
            (replace(forward, whole=forward.whole / calls), backward)
            if calls > 1
            else (forward, backward)
        )

    def instrumented(self, meter: Meter) -> Passes:
        """Run the model with a clock at every call and every autograd node."""
        log, clock = meter.log, meter.clock
        log.events.clear()
        with ExitStack() as stack:
            stack.enter_context(replaced_forwards(self._timed, log.forward))
            stack.enter_context(replaced_functions(self._plan.functions, log.function))
            call = self._target.call
            if self._target.model is None:
                call = log.forward("", None, call)
            begin = clock.read()
            result = call(*self._args, **self._kwargs)
            marks = [begin, clock.read()]
            calls = len(log.events)
            if self.backward:
                outputs = differentiable(result)
                nodes = nodes_behind(outputs)
                self._gradients.clear_before(nodes, outputs)
                ones = _ones(outputs)
                hooks = NodeHooks(log)
                hooks.hook(nodes)
                del nodes
                with hooks.also_recreated():
                    marks.append(clock.read())
                    _backward(outputs, ones)
                    marks.append(clock.read())
        del result
        self._clean()
        return meter.passes(self._plan, calls, marks)

    def put_back(self) -> None:
        """Leave gradients as they were found."""
        self._gradients.put_back()

    def _clean(self, *, restored: bool = True) -> None:
        self._gradients.clear()
        if restored:
            self._watch.restore()


class Meter:
    """A clock, what it has recorded, and what recording costs."""

    def __init__(self, clock: Clock, *, backward: bool) -> None:
        self.clock = clock
        number = {"number": node_number} if backward else {}
        self.log = EventLog(clock, **number)
        self._call = call_cost(clock, **number)
        self._node: CallCost = node_cost(clock) if backward else FREE

    def passes(self, plan: Plan, calls: int, marks: list[int]) -> Passes:
        """Attribute what was recorded to rows.

        Args:
            plan: The rows.
            calls: Number of events of the forward, the first ones.
            marks: The clock before and after the forward and, maybe, the backward.
        """
        events, times = self.log.taken(marks)
        forward = Attribution(plan, self._call)
        first = _pass(forward, forest(events[:calls]), times[1] - times[0])
        if len(times) == 2:  # noqa: PLR2004, begin and end of the forward
            return first, None
        backward = Attribution(plan, self._call, self._node, forward)
        return first, _pass(backward, forest(events[calls:], calls), times[3] - times[2])


def _with_rows(target: Target, plan: Plan) -> dict[str, nn.Module]:
    """Return the modules that are rows, or call functions that are.

    The time of all others is everything else, which is what the rows leave of the whole: there
    is no need to read a clock for them.
    """
    wanted = {row.call.path for row in plan.rows if row.call.module is None} | plan.modules
    return {path: module for path, module in target.modules.items() if path in wanted}


def _wholes(clock: Clock, marks: list[int]) -> Passes:
    """Return the passes between marks: begin and end of the forward and, maybe, the backward."""
    forward, *later = clock.seconds(*marks)
    return Pass(forward), Pass(later[-1]) if later else None


def _pass(attribution: Attribution, trees: Any, whole: int) -> Pass:  # noqa: ANN401, list of Node
    taken = attribution.add(trees)
    return Pass(
        whole * NANOSECOND,
        {key: spent * NANOSECOND for key, spent in attribution.times.items()},
        (whole - taken + attribution.other) * NANOSECOND,
    )


def _ones(outputs: list[torch.Tensor]) -> list[torch.Tensor]:
    return [torch.ones_like(item) for item in outputs]


def _backward(outputs: list[torch.Tensor], ones: list[torch.Tensor]) -> None:
    torch.autograd.backward(outputs, ones)
