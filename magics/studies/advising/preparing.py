"""What has to be known, and be ready, before a change is tried: a copy, its inputs, its length."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from magics.measurement import guises
from magics.measurement.calling.operators import tensors_in
from magics.measurement.capturing.capture import dry_run
from magics.measurement.capturing.problems import running_again
from magics.measurement.environment import device_of
from magics.measurement.machine import cuda
from magics.measurement.machine.clock import NANOSECOND, TIMED, WALL
from magics.measurement.machine.contention import CONTENDED, Contention
from magics.measurement.models import inputs as example_inputs
from magics.measurement.models import lazy
from magics.measurement.models.copying import copied
from magics.measurement.models.modules import Target, target
from magics.measurement.state import preserved
from magics.options import Options
from magics.progress import part, report
from magics.session import prepared, profile, set_mode
from magics.studies.advising.changes.context import Context
from magics.studies.advising.looking import look
from magics.studies.advising.trying import Lab

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import ExitStack

READ = 0.05
"""Share of the work that is done when the model has been read."""

_PROBE_S = 0.25
"""How long the model runs before it is decided whether others work here as well [s]."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a user asked.

    Attributes:
        model: The model, as it was given.
        aim: What is to be called.
        inputs: What to call it with, as it was given.
        options: Options and keyword arguments, as they were given.
        chosen: The options, checked.
        named: The keyword arguments of the model.
    """

    model: object
    aim: Target
    inputs: tuple[object, ...]
    options: Mapping[str, Any]
    chosen: Options
    named: dict[str, Any]

    @classmethod
    def of(cls, model: object, inputs: tuple[object, ...], options: Mapping[str, Any]) -> Asked:
        """Check what a user asked.

        Raises:
            InputError: If the model or an option is wrong.
        """
        aim = target(model)
        chosen, named = Options.read(options, lambda: example_inputs.keywords(aim))
        return cls(model, aim, inputs, options, chosen, named)


def laboratory(stack: ExitStack, asked: Asked, usual_s: float) -> Lab:
    """Count the model, copy it, and set all up as it was asked, until the stack is closed.

    Args:
        stack: Puts everything back when it is closed.
        asked: What was asked.
        usual_s: The budget where none was given [s].

    Raises:
        ConvProfileError: If an input is wrong, or the model raises.
    """
    begin = WALL.read()
    report(0.0, "reading the model")
    with part(0.0, READ):
        counts = profile(asked.model, *asked.inputs, **{**asked.options, **_COUNTING})
    gradients = torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    work, uncopyable = _copied(asked.aim)
    chosen = asked.chosen
    args, kwargs = prepared(stack, work, chosen, asked.inputs, asked.named)
    tensors = tensors_in((args, kwargs))
    stack.enter_context(preserved(work.modules, tensors))
    work = guises.made_eager(work)
    set_mode(work, chosen.mode)
    waiting = lazy.waiting(work.modules)
    stack.enter_context(lazy.materialised(waiting, lambda: dry_run(work, args, kwargs)))
    device = device_of(work.modules.values(), tensors)
    threads = chosen.threads or torch.get_num_threads()
    context = Context(
        target=work,
        args=args,
        kwargs=kwargs,
        profile=counts,
        backward=chosen.backward,
        threads=threads,
        found_threads=threads,
        device=device,
        gradients=gradients and not work.is_for_inference_only(),
        uncopyable=uncopyable,
    )
    if device.type == "cuda":
        stack.enter_context(torch.cuda.device(device))
    budget_s = chosen.budget or usual_s
    return Lab(
        context=context,
        deadline=begin + budget_s / NANOSECOND,
        budget_s=budget_s,
        clock=cuda.clock() if device.type == "cuda" else None,
        untimed=_untimed(device, chosen),
    )


def _untimed(device: torch.device, chosen: Options) -> str:
    """Return why nothing can be timed, '' if it can."""
    if not chosen.measure:
        return "nothing was to be measured"
    if device.type not in TIMED:
        return f"there is no clock for the device {device}"
    return ""


_COUNTING = {"measure": False, "memory": False, "roofline": False, "kernels": False,
             "receptive_field": True, "budget": None}  # fmt: skip
"""Options of the profile that advice begins with."""


def _copied(aim: Target) -> tuple[Target, str]:
    """Return a copy of the model to work with, and why there is none, '' if there is."""
    if aim.model is None:
        return aim, "a function was given: pass the module itself to try this on a copy"
    try:
        model = copied(aim.model, aim.modules.values())
    except Exception as error:  # noqa: BLE001, a model may hold anything
        reason = str(error).partition("\n")[0]
        return aim, f"the model can't be copied: {type(error).__name__}: {reason}"
    work = target(model)
    for parameter in work.parameters().values():
        parameter.grad = None
    return replace(work, title=aim.title, notes=aim.notes), ""


def warm(lab: Lab, chosen: Options) -> None:
    """Look at what layers are given, and find out how long a run takes and who disturbs it.

    Raises:
        ForwardError: If the model raises now, having run once.
    """
    with running_again():
        look(lab.context)
        lab.baseline()
        _choose_threads(lab, chosen)


def _choose_threads(lab: Lab, chosen: Options) -> None:
    """Take one thread where others work as well: those that wait for each other wait for them."""
    if lab.context.device.type != "cpu" or chosen.threads or lab.context.threads == 1:
        return
    contention = Contention(lab.context.threads)
    contention.start()
    run = lab.runner(lab.baseline())
    enough = WALL.read() + _PROBE_S / NANOSECOND
    while WALL.read() < enough:
        run.length(WALL)
    lab.contention = contention.ratio()
    if lab.contention >= CONTENDED:
        lab.context.threads = 1
        lab.renew()
