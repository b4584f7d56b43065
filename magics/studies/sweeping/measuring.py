"""One point of a sweep: a model at one setting, measured wherever this is called."""

from __future__ import annotations

import gc
import platform
from contextlib import closing
from typing import TYPE_CHECKING, Any

import torch

from magics.errors import ConvProfileError, InputError
from magics.joining import time_warnings
from magics.measurement.machine.clock import CPU, NANOSECOND, PROCESS, WALL
from magics.measurement.machine.headroom import is_out_of_memory, refusal
from magics.measurement.machine.process import ProcessState
from magics.measurement.models import altering
from magics.measurement.models.modules import target
from magics.measurement.whole import WholeStopwatch
from magics.records import SweepPoint
from magics.records.sweep import COUNTED, FAILED, MEASURED, OUT_OF_MEMORY
from magics.session import ended, profiling
from magics.studies.sweeping import foresight, resizing
from magics.studies.sweeping.axes import OF_PROFILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magics.records import Profile
    from magics.studies.sweeping.tasks import Task

_SEED = 0
_LONGEST = 300  # characters of a foreign message that are kept


def measured(task: Task) -> SweepPoint:
    """Measure one point, and leave everything as it was found.

    What the model raises is told in the point. Ctrl-C is not caught.

    Args:
        task: What to measure.
    """
    stretch = _Stretch()
    state = ProcessState()
    try:
        return _point(task, stretch)
    except Exception as error:  # noqa: BLE001, a model may raise anything
        refused = is_out_of_memory(error)
        reason = refusal(error) if refused else _words(error)
        # The traceback holds what the run has made so far.
        error.__traceback__ = error.__cause__ = error.__context__ = None
    finally:
        state.restore()
    if refused:
        _free()
    return _not_measured(task, OUT_OF_MEMORY if refused else FAILED, reason, stretch)


def _not_measured(
    task: Task, status: str, reason: str, stretch: _Stretch, batch: int | None = None
) -> SweepPoint:
    return SweepPoint(
        values=task.values,
        status=status,
        reason=reason,
        batch=batch,
        predicted_bytes=task.predicted_bytes,
        seconds=stretch.wall_s(),
        busy_s=stretch.wall_s(),
        where=_host(),
    )


def _words(error: Exception) -> str:
    """Return in a line what was raised."""
    if isinstance(error, ConvProfileError):
        return str(error)
    return " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST]


class _Stretch:
    """A stretch of time, on every clock of the host."""

    def __init__(self) -> None:
        self.begun = WALL.read()
        self._thread, self._process = CPU.read(), PROCESS.read()

    def wall_s(self) -> float:
        return (WALL.read() - self.begun) * NANOSECOND

    def seconds(self, clock: str, threads: int) -> float:
        """Return its length on the clock of that name [s]."""
        if clock != "cpu":
            return self.wall_s()
        if threads == 1:
            return (CPU.read() - self._thread) * NANOSECOND
        return (PROCESS.read() - self._process) * NANOSECOND


def _point(task: Task, stretch: _Stretch) -> SweepPoint:
    """Measure one point.

    Raises:
        ConvProfileError: If there is no such model or input, or the model raises.
    """
    settings = task.settings
    inputs: resizing.Inputs = (task.inputs, dict(task.kwargs))
    # Weights made now are the same each time, and torch's generator is put back.
    torch.manual_seed(_SEED)
    others = {name: int(settings[name]) for name in altering.MODEL_AXES if name in settings}
    model = altering.altered(task.model, others, resizing.channels_of(inputs))
    inputs = _inputs(task, model, inputs)
    options: dict[str, Any] = {
        **task.options,
        **{name: settings[name] for name in OF_PROFILE if name in settings},
        "budget": task.budget_s,
    }
    aim = target(model)
    args, kwargs = inputs
    batch = resizing.batch_of(inputs)
    given = {**options, **_QUICK, "kwargs": kwargs}
    task, too_large = foresight.judged(task, aim, inputs, given)
    if too_large:
        return _not_measured(task, OUT_OF_MEMORY, too_large, stretch, batch)
    if not task.options.get("measure", True):
        with closing(profiling(aim, model, args, {**given, "measure": False})) as steps:
            next(steps)
            found = ended(steps)
        return _counted(task, stretch, found, batch)
    with closing(profiling(aim, model, args, given, whole=True)) as steps:
        watch = next(steps)
        if not isinstance(watch, WholeStopwatch):
            raise InputError("device: there is no clock for it; choose cpu or cuda")
        watch.begun = stretch.begun
        watch.keeps_clock = "threads" in task.values
        if task.undisturbed and watch.device is None and not watch.keeps_clock:
            watch.undisturbed(1.0)
            watch.keeps_clock = True  # there is no better one to begin anew with
        watch.measure()
        found = ended(steps)
    return _joined(task, stretch, watch, found, batch)


_QUICK = {"measure": True, "memory": False, "receptive_field": False, "roofline": False,
          "kernels": False}  # fmt: skip
"""How a point is profiled: memory is followed by other means than for rows."""


def _inputs(task: Task, model: object, inputs: resizing.Inputs) -> resizing.Inputs:
    """Return the inputs at the task's setting."""
    settings = task.settings
    if "size" in settings:
        inputs = resizing.with_size(inputs, settings["size"])
    if "channels" in settings:
        channels = int(settings["channels"])
        # Of what a function makes it is not known what its channels are: only if its first
        # layer takes as many are they those of the input.
        factory = altering.is_factory(task.model, "channels")
        if not factory or altering.expected_channels(model) == channels:
            inputs = resizing.with_channels(inputs, channels)
    if "batch" in settings:
        inputs = resizing.with_batch(inputs, int(settings["batch"]))
    return inputs


def _counted(task: Task, stretch: _Stretch, found: Profile, batch: int | None) -> SweepPoint:
    return SweepPoint(
        values=task.values,
        status=COUNTED,
        batch=batch,
        params=found.params,
        macs=found.total.macs,
        bytes_moved=found.total.bytes_moved,
        predicted_bytes=task.predicted_bytes,
        runs=1,
        busy_s=stretch.wall_s(),
        seconds=stretch.wall_s(),
        where=f"{_host()}, {found.environment['device']}",
        environment=found.environment,
    )


def _joined(
    task: Task, stretch: _Stretch, watch: WholeStopwatch, found: Profile, batch: int | None
) -> SweepPoint:
    footprint, timings = watch.footprint, watch.timings
    known = not footprint.problem
    facts = found.environment
    return SweepPoint(
        values=task.values,
        status=MEASURED,
        batch=batch,
        forward=found.plain,
        backward=found.plain_backward,
        params=found.params,
        macs=found.total.macs,
        bytes_moved=found.total.bytes_moved,
        peak_bytes=footprint.peak if known else None,
        predicted_bytes=task.predicted_bytes,
        allocator_bytes=footprint.allocator,
        input_bytes=watch.input_bytes,
        peaks=tuple(footprint.places),
        runs=watch.runs,
        busy_s=stretch.seconds(timings.clock.name, timings.threads),
        seconds=stretch.wall_s(),
        where=f"{_host()}, {facts['device']}",
        environment=facts,
        warnings=tuple(_warnings(watch, found)),
    )


def _warnings(watch: WholeStopwatch, found: Profile) -> Iterator[str]:
    """Yield what a reader must know of a point; of its times, the sweep tells as a whole."""
    of_times = time_warnings(watch.timings)
    yield from (warning for warning in found.warnings if warning not in of_times)
    if watch.timings.no_backward:
        yield "No output of the model can have a gradient: there is no backward to measure."
    if watch.footprint.problem:
        yield f"Memory is not known: the model, observed, raised {watch.footprint.problem}"


def _host() -> str:
    return platform.node() or "this host"


def _free() -> None:
    """Give memory back that nobody uses."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
