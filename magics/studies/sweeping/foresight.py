"""Whether a point fits into memory, before it is run."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import torch

from magics import units
from magics.measurement.calling.operators import tensors_in
from magics.measurement.machine.headroom import available
from magics.measurement.machine.heap import trim
from magics.session import ended, profiling
from magics.studies.sweeping import resizing

if TYPE_CHECKING:
    from magics.measurement.models.modules import Target
    from magics.studies.sweeping.tasks import Task

_ELEMENT = 4  # bytes of a number in an input that is given as a shape, usually
_USUAL = 1000
"""How many times its input a model may need, hardly ever more: a DenseNet's training, 300."""


def judged(
    task: Task, aim: Target, inputs: resizing.Inputs, options: dict[str, Any]
) -> tuple[Task, str]:
    """Judge from what is predicted whether a point fits into memory.

    Where nothing is predicted, and the inputs or a point before it are large enough for doubt,
    the model is run on the meta device, which needs neither time nor memory.

    Args:
        task: The point.
        aim: The model at it.
        inputs: What to call it with.
        options: How to profile it.

    Returns:
        The task, with what is known now; and why it is not to be run, '' if it is.
    """
    device = _device(aim, inputs, options)
    left = available(device)
    if left is None:
        return task, ""
    if task.needed_bytes is None:
        own = sum(map(prod, resizing.sizes_of(inputs))) * _ELEMENT
        most = task.most_bytes or own * _USUAL
        if most <= left:
            return task, ""
        task = _foretold(task, aim, inputs, options, own)
    if task.needed_bytes is not None:
        needed, words = task.needed_bytes, "it would need"
    elif task.most_bytes is not None:
        needed, words = task.most_bytes, "it may need"
    else:
        return task, ""
    if needed > left:
        trim()  # what was given back may still be held
        left = available(device) or 0
    if needed <= left:
        return task, ""
    return task, f"not run: {words} {units.size(needed)}, and {units.size(left)} is available"


def _device(aim: Target, inputs: resizing.Inputs, options: dict[str, Any]) -> torch.device:
    if options.get("device"):
        return torch.device(options["device"])
    tensors = (*tensors_in(inputs), *aim.parameters().values())
    return next((tensor.device for tensor in tensors), torch.device("cpu"))


def _foretold(
    task: Task, aim: Target, inputs: resizing.Inputs, options: dict[str, Any], own: int
) -> Task:
    """Return the task with the peak of a run on the meta device, if the model can do that."""
    args, kwargs = inputs
    how = {**options, "kwargs": kwargs, "device": "meta", "measure": False, "memory": True}
    how.pop("threads", None)
    try:
        with closing(profiling(aim, aim.model or aim.call, args, how)) as steps:
            next(steps)
            memory = ended(steps).memory
    except Exception:  # noqa: BLE001, there a model may raise what it doesn't elsewhere
        return task
    peak = memory.get("training_peak", memory.get("inference_peak"))
    if peak is None:
        return task
    inputs_there = memory.get("inputs", own)
    return replace(task, predicted_bytes=peak, needed_bytes=peak + inputs_there)
