"""One profile from start to end: capture, count, measure, join into a record."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, closing, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from magics.completing import completed
from magics.errors import ForwardError, InputError
from magics.joining import joined
from magics.measurement import guises
from magics.measurement.calling.dispatch import compiler_is_loaded
from magics.measurement.calling.operators import tensors_in
from magics.measurement.capturing.capture import CutShortError, capture, dry_run
from magics.measurement.environment import device_of, environment
from magics.measurement.fields.attaching import attached
from magics.measurement.fields.tape import Tape
from magics.measurement.machine import cuda
from magics.measurement.machine.clock import TIMED
from magics.measurement.models import conversion, lazy
from magics.measurement.models import inputs as example_inputs
from magics.measurement.models.modules import Target, target
from magics.measurement.rows import plan
from magics.measurement.state import preserved
from magics.measurement.timing.frames import Workload
from magics.measurement.timing.runs import Runner
from magics.measurement.timing.stopwatch import Stopwatch
from magics.measurement.whole import WholeStopwatch
from magics.options import Options
from magics.progress import counted, part, report

if TYPE_CHECKING:
    from magics.measurement.calling.calls import Call
    from magics.measurement.state import Watch
    from magics.measurement.timing.timings import Timings
    from magics.records import Profile
    from magics.records.saved import Saved

Profiling = Generator["Stopwatch | None", None, "Profile"]
"""A profile in two steps: see `profiling`."""

_READ, _TIMES = 0.05, 0.85
"""Shares of the work that are done when the model has been read, and when it has been timed."""
_CUT_SHORT = (
    "Interrupted while the model ran for the first time: there are no times, and layers that had "
    "not ended are missing (their parameters stand under everything else)."
)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C came while measuring.

    Attributes:
        partial: The profile of what had been measured, or the comparison, sweep or advice.
    """

    def __init__(self, partial: Saved) -> None:
        super().__init__("interrupted while measuring; .partial has what was measured")
        self.partial = partial


def profile(model: object, *inputs: object, measure: bool = True, **options: Any) -> Profile:  # noqa: ANN401, options and model inputs alike
    """Profile a model: what each layer costs, and how well that is known.

    The model is left exactly as it was found, also after an exception or Ctrl-C.

    Args:
        model: A `torch.nn.Module`, or a function that calls some.
        *inputs: What to call it with: tensors, nested ones too, or shapes such as
            '8x3x224x224', for which random numbers are made.
        measure: Measure times; otherwise count only, in one pass.
        **options: Fields of `magics.options.Options`, or keyword arguments of the model.

    Returns:
        The record of the profile.

    Raises:
        ConvProfileError: If the model, an input or an option is wrong, or the model raises.
        Interrupted: On Ctrl-C while measuring; a KeyboardInterrupt.
    """
    with closing(profiling(target(model), model, inputs, {"measure": measure, **options})) as steps:
        watch = next(steps)
        if watch is not None:
            with part(_READ, _TIMES):
                watch.measure()
        return ended(steps)


def ended(steps: Profiling) -> Profile:
    """Return what a profile ends with, once its times are measured."""
    try:
        next(steps)
    except StopIteration as end:
        result: Profile = end.value
        return result
    raise AssertionError("profiling: stops once")


def profiling(
    aim: Target,
    model: object,
    inputs: tuple[object, ...],
    given: dict[str, Any],
    *,
    whole: bool = False,
) -> Profiling:
    """Profile in two steps, between which the caller measures.

    Args:
        aim: What to profile.
        model: The same as the user gave it.
        inputs: What to call it with.
        given: Options, and keyword arguments of the model.
        whole: Time the model as a whole, as it came: compiled if it is.

    Yields:
        Once: what measures the times, or `None` where there are none to measure.

    Returns:
        The record of the profile.

    Raises:
        ConvProfileError: If the model, an input or an option is wrong, or the model raises.
        Interrupted: If the measurement was; a KeyboardInterrupt.
    """
    chosen, named = Options.read(given, lambda: example_inputs.keywords(aim))
    with ExitStack() as stack:
        args, kwargs = prepared(stack, aim, chosen, inputs, named)
        tensors = tensors_in((args, kwargs))
        watch = stack.enter_context(preserved(aim.modules, tensors))
        aim = guises.made_eager(aim)
        stack.enter_context(guises.unsynchronised(model))
        set_mode(aim, chosen.mode)
        waiting = lazy.waiting(aim.modules)
        stack.enter_context(lazy.materialised(waiting, lambda: dry_run(aim, args, kwargs)))
        report(0.0, "reading the model")
        try:
            tape, root = _captured(aim, args, kwargs, watch, fields=chosen.receptive_field)
        except CutShortError as interruption:
            rows = plan(interruption.root, aim, backward=chosen.backward)
            rows.notes = [_CUT_SHORT]
            result = joined(aim, example_inputs.in_words(args, kwargs), rows, None,
                            environment(aim.modules.values(), tensors, chosen, None))  # fmt: skip
            raise Interrupted(result) from None
        rows = plan(root, aim, backward=chosen.backward)
        counted(rows.rows)
        rows.notes = [*example_inputs.unusual(tensors), *([lazy.NOTE] if waiting else [])]
        watch.restore()
        device = device_of(aim.modules.values(), tensors)
        timings, told = None, guises.Told()
        if chosen.measure and device.type in TIMED:
            runner = Runner(aim, rows, args, kwargs, watch, backward=chosen.backward)
            stopwatch = _stopwatch(aim, runner, chosen, device, whole=whole)
            yield stopwatch
            timings = stopwatch.timings
            if not whole:
                told = _told(aim, runner, timings, device)
        else:
            yield None
            if chosen.measure and device.type != "meta":
                told.warnings.append(f"Not timed: there is no clock for the device {device}.")
        result = joined(
            aim,
            example_inputs.in_words(args, kwargs),
            rows,
            timings,
            environment(aim.modules.values(), tensors, chosen, timings) | told.facts,
        )
        result = replace(result, warnings=(*result.warnings, *told.warnings))
        if tape is not None:
            result = attached(result, rows, tape)
        if timings is None or not timings.interrupted:
            try:
                work = Workload(aim, rows, args, kwargs)
                result = completed(result, work, watch, chosen)
            except KeyboardInterrupt:
                raise Interrupted(result) from None
    if timings is not None and timings.interrupted:
        raise Interrupted(result)
    return result


def prepared(
    stack: ExitStack,
    aim: Target,
    options: Options,
    inputs: tuple[object, ...],
    named: dict[str, Any],
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Set torch and the model up as the options say, until the stack is closed.

    Returns:
        What to call the model with.

    Raises:
        InputError: If the model and the options don't go together, or an input is wrong.
    """
    how = _conversion(options)
    inference = aim.is_for_inference_only()
    if inference and options.backward:
        raise InputError(
            "backward: the model was made in inference mode, where nothing has a gradient "
            "(got backward=True); make it outside torch.inference_mode()",
        )
    stack.enter_context(torch.inference_mode(mode=inference))
    stack.enter_context(torch.set_grad_enabled(options.backward))
    if how:
        stack.enter_context(conversion.converted(aim.modules, **how))
    args, kwargs = example_inputs.prepare(aim, inputs, named, batch=options.batch)
    if how or options.backward:
        args = conversion.moved(args, **how)
        kwargs = conversion.moved(kwargs, **how)
    return args, kwargs


def _stopwatch(
    aim: Target, runner: Runner, options: Options, device: torch.device, *, whole: bool
) -> Stopwatch:
    on_gpu = device.type == "cuda"
    how: dict[str, Any] = {
        "threads": options.threads,
        "budget_s": options.budget,
        "device": cuda.clock() if on_gpu else None,
        "place": (lambda: torch.cuda.device(device)) if on_gpu else nullcontext,
    }
    if not whole:
        return Stopwatch(runner, **how)
    compiled = runner.calling(aim.compiled) if aim.compiled is not None else None
    return WholeStopwatch(runner, compiled, **how)


def _told(aim: Target, runner: Runner, timings: Timings, device: torch.device) -> guises.Told:
    """Measure the other guises of the model."""
    if not timings.interrupted:
        with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
            try:
                return guises.told(aim, runner, timings)
            except KeyboardInterrupt:
                timings.interrupted = True
    return guises.Told()


def _captured(
    aim: Target,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    watch: Watch,
    *,
    fields: bool,
) -> tuple[Tape | None, Call]:
    """Return the calls of one run, and the tape for receptive fields if they are wanted.

    A model that compiles something while it runs (`torch.cond` does) loads the compiler, which
    then stumbles over observers without their guard; with it, a second run succeeds.
    """
    guarded = compiler_is_loaded()
    while True:
        tape = Tape(tensors_in((args, kwargs))) if fields else None
        try:
            return tape, capture(aim, args, kwargs, watch, tape)
        except ForwardError:
            if guarded or not compiler_is_loaded():
                raise
            guarded = True
            watch.restore()


def _conversion(options: Options) -> dict[str, Any]:
    how: dict[str, Any] = {}
    if options.dtype is not None:
        how["dtype"] = getattr(torch, options.dtype)
    if options.layout is not None:
        how["layout"] = conversion.LAYOUTS[options.layout]
    if options.device is not None:
        try:
            how["device"] = torch.device(options.device)
            torch.empty(0, device=how["device"])
        except (RuntimeError, AssertionError) as error:
            raise InputError(
                f"device: not to be had here (got {options.device!r}); "
                f"choose cpu, meta, or a device that torch finds",
            ) from error
    return how


def set_mode(aim: Target, mode: str) -> None:
    """Put modules into 'eval' or 'train' mode; 'as_is' leaves each as it is."""
    if mode == "as_is":
        return
    for module in aim.modules.values():
        if module.training != (mode == "train"):
            module.train(mode == "train")
