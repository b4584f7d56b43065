"""One model on several ranks, inside torchrun: every rank's profile, and what waiting costs.

Rounds of a profile are as many as a rank needs, so no layer is timed with communication in
it: ranks would wait for one another for ever. What is timed alike everywhere are whole training
steps, with and without synchronising; rank 0 says how many.
"""

from __future__ import annotations

import gc
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from magics.errors import InputError
from magics.hints import short
from magics.measurement.models.modules import target
from magics.measurement.parallel import process_groups, steps
from magics.progress import part
from magics.records import Measurement, Rank, Spread
from magics.session import ended, profiling
from magics.studies.ranking import doubts as rank_doubts
from magics.studies.ranking import same_model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from magics.measurement.models.modules import Target
    from magics.measurement.parallel.ranks import Ranks
    from magics.measurement.timing.stopwatch import Stopwatch
    from magics.session import Profiling

_FIXED = ("device", "dtype", "layout")
"""Options that give a model other tensors, which a data-parallel one was not made for."""

_READ, _TIMED, _STEPPED = 0.05, 0.5, 0.9
"""Shares of the work that are done after reading the model, timing layers, timing steps."""

_DEFAULTS = {"backward": True, "roofline": False, "receptive_field": False}
"""Other defaults than those of a profile: steps are of training, ceilings that are measured
while other ranks work on the same machine are none, and fields are the same everywhere."""


@dataclass(slots=True)
class _Work:
    """What one rank works on.

    Attributes:
        model: As it was given.
        aim: What is profiled of it.
        profile: Its profile under way.
        watch: Measures its times.
        norms: Its batch norms that ask other ranks.
        threads: Threads for torch.
        warnings: What a reader must know.
    """

    model: nn.Module
    aim: Target
    profile: Profiling
    watch: Stopwatch
    norms: steps.Norms
    threads: int
    warnings: list[str] = field(default_factory=list)


def spread(model: object, *inputs: object, **options: Any) -> Spread | None:  # noqa: ANN401, options and model inputs alike
    """Profile a model on every rank, and time what its training steps lose to communication.

    To be called on all ranks at once, inside ``torchrun``. A process group that is there is used;
    otherwise one is made, gloo on the CPU and nccl on GPUs, for as long as this lasts. A model
    that is not data-parallel yet is wrapped for the steps, its own weights on each rank. It is
    left exactly as it was found, on all ranks.

    Args:
        model: A `torch.nn.Module`, or a `DistributedDataParallel` one, which is used as it is.
        *inputs: What to call it with, as for `magics.profile`; of each rank its own.
        **options: Options and keyword arguments as for `magics.profile`; the budget is for the
            layers and the steps together.

    Returns:
        The record on the first rank, `None` on the others.

    Raises:
        ConvProfileError: If this is not inside torchrun; or, the same on all ranks, if a model,
            an input or an option is wrong on one of them, a model raises there, or it is gone.
        KeyboardInterrupt: On Ctrl-C on any rank.
    """
    return spread_of(lambda: model, inputs, options, steps.members(model))


def spread_of(
    load: Callable[[], object],
    inputs: Sequence[object],
    options: Mapping[str, Any],
    members: Sequence[int] | None = None,
) -> Spread | None:
    """Do what `spread` does with a model that is yet to be made, which may fail on one rank.

    Args:
        load: Makes the model.
        inputs: What to call it with.
        options: As for `spread`.
        members: The ranks that take part, all by default.
    """
    with process_groups.joined(members) as ranks:
        try:
            return _spread(ranks, load, tuple(inputs), dict(options))
        finally:
            gc.collect()  # what has been made data-parallel ends before its group


def _spread(
    ranks: Ranks,
    load: Callable[[], object],
    inputs: tuple[object, ...],
    options: dict[str, Any],
) -> Spread | None:
    with ExitStack() as stack:
        work = ranks.each(lambda: _prepared(stack, ranks, load(), inputs, options))
        same_model.ensured(ranks, work.watch, work.aim.model or work.model, work.aim.title)
        with part(_READ, _TIMED):
            ranks.each(lambda: _measure(ranks, work.watch))
        with part(_TIMED, _STEPPED):
            taken = _steps(ranks, work, options.get("budget"))
        with part(_STEPPED, 1.0):
            profile = ranks.each(lambda: ended(work.profile))
    mine = Rank(
        number=ranks.number,
        host=process_groups.here(),
        device=profile.environment.get("device", ""),
        profile=profile,
        step=_measured(taken.synchronised),
        alone=_measured(taken.alone),
    )
    found = ranks.collected((mine, taken.reduction))
    if found is None:
        return None
    every = tuple(rank for rank, _ in found)
    return Spread(
        ranks=every,
        backend=taken.backend,
        reduction=_measured([max(times) for times in zip(*(r for _, r in found), strict=True)]),
        bucket_bytes=taken.bucket_bytes,
        broadcast_bytes=taken.broadcast_bytes,
        settings=taken.settings,
        warnings=(*work.warnings, *rank_doubts.about(every)),
    )


def _prepared(
    stack: ExitStack,
    ranks: Ranks,
    model: object,
    inputs: tuple[object, ...],
    options: dict[str, Any],
) -> _Work:
    """Let a profile count, and return what there is to measure.

    Raises:
        InputError: If the model, an input or an option is wrong.
        ForwardError: If the model raises.
    """
    aim = target(model)
    if aim.model is None or not isinstance(model, nn.Module):
        raise InputError(
            f"MODEL: a function has no parameters that ranks could share (got {aim.title}); "
            f"pass the torch.nn.Module",
        )
    given = _chosen(ranks, model, aim, options)
    norms = steps.Norms(aim.modules.values())
    if norms:
        alone = stack.enter_context(process_groups.of_one(ranks.number))
        stack.enter_context(norms.asking(alone))
    threads = given.get("threads") or torch.get_num_threads()
    # The compiled model is timed with the steps: its forward alone may wait for other ranks.
    profile = profiling(replace(aim, compiled=None), aim.model, inputs, given)
    stack.callback(profile.close)
    with part(0.0, _READ):
        watch = next(profile)
    if watch is None:
        raise InputError(
            f"device: there is no clock for it (got {given.get('device', 'that of the model')}); "
            f"ranks are timed on the CPU or on GPUs",
        )
    work = _Work(model, aim, profile, watch, norms, threads)
    if ranks.made and torch.cuda.is_available() and given["device"] is None:
        work.warnings.append(
            f"Not a GPU for each rank on {process_groups.here()}: ranks worked where the model is.",
        )
    return work


def _chosen(ranks: Ranks, model: nn.Module, aim: Target, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of each rank's profile.

    Raises:
        InputError: If they don't go with ranks, or with the model.
    """
    for name in ("measure", "backward"):
        if options.get(name, True) is not True:
            raise InputError(
                f"{name}: training steps are timed, which need it (got {name}="
                f"{short(options[name])}); leave it out",
            )
    fixed = [name for name in _FIXED if options.get(name) is not None]
    if fixed and steps.data_parallel(model) is not None:
        raise InputError(
            f"{fixed[0]}: a DistributedDataParallel model keeps the tensors that it was made for "
            f"(got {short(options[fixed[0]])}); pass the model inside it",
        )
    chosen = {**_DEFAULTS, **options, "budget": _half(options.get("budget"))}
    tensors = [*aim.parameters().values()]
    free = ranks.made and all(tensor.device.type == "cpu" for tensor in tensors)
    chosen["device"] = process_groups.device_for(options.get("device"), free=free)
    return chosen


def _half(budget: Any) -> Any:  # noqa: ANN401, it is checked with the other options
    """Return what half of a budget is, if it is one: layers and steps share it."""
    return budget / 2 if isinstance(budget, int | float) else budget


def _measure(ranks: Ranks, watch: Stopwatch) -> None:
    """Time layers while all ranks work: one that is done goes on until all are.

    Raises:
        KeyboardInterrupt: On Ctrl-C.
    """
    try:
        watch.measure()
    finally:
        ranks.arrive("timed")
    if watch.timings.interrupted:
        raise KeyboardInterrupt
    ranks.busy_until_all("timed", watch.plain)


def _steps(ranks: Ranks, work: _Work, budget_s: float | None) -> steps.Steps:
    """Time training steps; none where there is nothing to synchronise."""
    parameters = work.aim.parameters().values()
    wanted = any(item.requires_grad for item in parameters)
    if not all(ranks.told(wanted and not work.watch.timings.no_backward)):
        work.warnings.append("Nothing has a gradient: there is nothing for ranks to communicate.")
        return steps.Steps()
    torch.set_num_threads(work.threads)
    unused = max(ranks.told(ranks.each(lambda: steps.without_gradient(work.aim, work.watch))))
    given = steps.data_parallel(work.model)
    if unused and given is None:
        work.warnings.append(
            f"{unused} parameters that want a gradient get none: the model was wrapped with "
            f"find_unused_parameters=True, which takes time in every step.",
        )
    elif unused and given and not (given.find_unused_parameters or given.static_graph):
        raise InputError(
            f"MODEL: its DistributedDataParallel waits for every parameter (got {unused} without "
            f"a gradient); wrap it with find_unused_parameters=True",
        )
    with ranks.in_step(), work.norms.asking(None):
        budget = _half(budget_s)
        return steps.taken(ranks, work.watch, work.model, budget, unused=unused > 0)


def _measured(seconds: Sequence[float]) -> Measurement | None:
    return Measurement(replicates_s=tuple(seconds)) if seconds else None
