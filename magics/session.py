"""One profile from start to end: capture, count, measure, join into a record."""

from __future__ import annotations

import platform
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from magics import units
from magics.errors import InputError
from magics.measurement import inputs as example_inputs
from magics.measurement.capture import capture
from magics.measurement.clock import CONTENDED
from magics.measurement.modules import Target, target
from magics.measurement.operators import tensors_in
from magics.measurement.rows import Plan, Row, plan
from magics.measurement.state import preserved
from magics.measurement.timing import Stopwatch, Timings
from magics.options import Options
from magics.records import LayerProfile, Profile, Uncounted
from magics.theory import Cost

if TYPE_CHECKING:
    from collections.abc import Mapping


class Interrupted(KeyboardInterrupt):
    """Ctrl-C came while measuring.

    Attributes:
        partial: The profile of what had been measured.
    """

    def __init__(self, partial: Profile) -> None:
        super().__init__("interrupted while measuring; .partial has the profile so far")
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
    aim = target(model)
    chosen, named = Options.read(
        {"measure": measure, **options},
        lambda name: example_inputs.accepts(aim, name),
    )
    how = _conversion(chosen)
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(mode=False))
        stack.enter_context(torch.set_grad_enabled(chosen.backward))
        if how:
            stack.enter_context(example_inputs.converted(aim.modules, **how))
        args, kwargs = example_inputs.prepare(aim, _batched(inputs, chosen.batch), named)
        if how:
            args = example_inputs.moved(args, **how)
            kwargs = example_inputs.moved(kwargs, **how)
        tensors = tensors_in((args, kwargs))
        watch = stack.enter_context(preserved(aim.modules, tensors))
        _set_mode(aim, chosen.mode)
        root = capture(aim, args, kwargs, watch)
        watch.restore()
        rows = plan(root, aim)
        timings = None
        if chosen.measure and not any(tensor.is_meta for tensor in tensors):
            stopwatch = Stopwatch(aim, rows, args, kwargs, watch, threads=chosen.threads)
            timings = stopwatch.measure(chosen.budget)
        words = example_inputs.in_words(args, kwargs)
        result = _join(aim, words, rows, timings, _environment(aim, tensors, chosen, timings))
    if timings is not None and timings.interrupted:
        raise Interrupted(result)
    return result


def _conversion(options: Options) -> dict[str, Any]:
    how: dict[str, Any] = {}
    if options.dtype is not None:
        how["dtype"] = getattr(torch, options.dtype)
    if options.layout is not None:
        how["layout"] = example_inputs.LAYOUTS[options.layout]
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


def _batched(inputs: tuple[object, ...], batch: int | None) -> tuple[object, ...]:
    if batch is None:
        return inputs
    changed: list[object] = []
    for value in inputs:
        shape = example_inputs.parse_shape(value) if isinstance(value, str) else None
        changed.append("x".join(map(str, (batch, *shape[1:]))) if shape else value)
    return tuple(changed)


def _set_mode(aim: Target, mode: str) -> None:
    if mode == "as_is":
        return
    for module in aim.modules.values():
        if module.training != (mode == "train"):
            module.train(mode == "train")


def _join(
    aim: Target,
    words: str,
    rows: Plan,
    timings: Timings | None,
    environment: Mapping[str, str],
) -> Profile:
    warnings = [*aim.notes]
    if timings is not None:
        warnings.extend(_timing_warnings(timings))
    other = _other(rows, timings)
    return Profile(
        model=aim.title,
        inputs=words,
        layers=tuple(_layer(row, timings) for row in rows.rows),
        other=other,
        params=_params(aim),
        uncounted=tuple(
            Uncounted(op=op, layer=path, calls=calls)
            for (op, path), calls in rows.uncounted.items()
        ),
        warnings=tuple(warnings),
        environment=environment,
        plain=timings.measurement(timings.plain) if timings else None,
        instrumented=timings.measurement(timings.instrumented) if timings else None,
    )


def _params(aim: Target) -> int:
    if aim.model is None:
        return sum(parameter.numel() for parameter in aim.parameters().values())
    return sum(parameter.numel() for parameter in aim.model.parameters())


def _other(rows: Plan, timings: Timings | None) -> LayerProfile:
    return LayerProfile(
        name="everything else",
        kind="other",
        params=rows.other_params,
        forward=timings.measurement(timings.other) if timings else None,
        **_work(rows.other, Cost()),
    )


def _layer(row: Row, timings: Timings | None) -> LayerProfile:
    layer, call = row.layer, row.call
    spent = timings.rows.get(row.key, []) if timings and row.timed else []
    return LayerProfile(
        name=row.name,
        kind=row.kind,
        type=row.type,
        call_index=row.call_index,
        input_shape=call.input_shape,
        output_shape=call.output_shape,
        dtype=call.dtype,
        kernel_size=layer.kernel_size if layer else (),
        stride=layer.stride if layer else (),
        padding=layer.padding if layer else (),
        dilation=layer.dilation if layer else (),
        groups=layer.groups if layer else 1,
        params=row.params,
        output_bytes=call.output_bytes,
        forward=timings.measurement(spent) if timings else None,
        note=row.note,
        **_work(row.cost, row.backward),
    )


def _work(cost: Cost, backward: Cost) -> dict[str, Any]:
    return {
        "macs": cost.macs,
        "useful_macs": cost.useful_macs,
        "elementwise_flops": cost.elementwise_flops,
        "bytes_moved": cost.bytes_moved,
        "backward_macs": backward.macs,
        "backward_elementwise_flops": backward.elementwise_flops,
        "backward_bytes_moved": backward.bytes_moved,
    }


def _timing_warnings(timings: Timings) -> list[str]:
    warnings = []
    if timings.contention >= CONTENDED:
        warnings.append(
            f"Other programs kept this machine busy (wall time {timings.contention:.1f} times "
            f"the processor time). Times are processor time with one thread: fit for "
            f"comparing layers, not for saying how long a user waits.",
        )
    if timings.interrupted:
        warnings.append(
            f"Interrupted after {len(timings.plain)} rounds: the times are preliminary.",
        )
    elif not timings.stable:
        warnings.append(
            f"The time budget ended after {len(timings.plain)} rounds, before every layer was "
            f"stable; give a larger budget for surer times.",
        )
    return warnings


def _environment(
    aim: Target,
    tensors: list[torch.Tensor],
    options: Options,
    timings: Timings | None,
) -> dict[str, str]:
    training = {module.training for module in aim.modules.values()}
    modes = {frozenset({True}): "train", frozenset({False}): "eval"}
    weights = [p for module in aim.modules.values() for p in module.parameters(recurse=False)]
    some = [tensor for tensor in (*weights, *tensors) if tensor.is_floating_point()]
    facts = {
        "machine": processor(),
        "device": str((tensors or weights or [torch.empty(0)])[0].device),
        "dtype": str(some[0].dtype).removeprefix("torch.") if some else "",
        "mode": modes.get(frozenset(training), "train and eval mixed" if training else ""),
        "gradients": "recorded" if options.backward else "off",
        "layout": options.layout or "as is",
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": datetime.now(tz=UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
    if timings is not None:
        facts |= {
            "threads": str(timings.threads),
            "clock": timings.clock.name,
            "rounds": str(len(timings.plain)),
            "contention": units.ratio(timings.contention, 2),
        }
    return facts


def processor() -> str:
    """Return the processor's name, its number of cores with it."""
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return name
