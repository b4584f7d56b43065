"""What would make a model faster: each change tried on a copy, compared and measured."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from magics.errors import ConvProfileError
from magics.measurement.environment import settings
from magics.progress import part, report
from magics.records.advice import NOT_TRIED, Suggestion
from magics.session import Interrupted, profile, set_mode
from magics.studies.changes import batches, findings, windows
from magics.studies.changes.compiling import Compile
from magics.studies.changes.folding import (
    BiasBeforeBatchNorm,
    FoldAndChannelsLast,
    FoldBatchNorm,
)
from magics.studies.changes.layout import ChannelsLast, PoolsChannelsLast
from magics.studies.changes.settings import BFloat16, EvalMode, FlushDenormals, NoGrad, Threads
from magics.studies.concluding import concluded
from magics.studies.preparing import Asked, laboratory, warm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from magics.options import Options
    from magics.records import Advice
    from magics.studies.changes.context import Change, Context
    from magics.studies.trying import Lab

_BUDGET_S, _COMPILING_S = 30.0, 60.0
"""How long all of it may take, unless told otherwise, and how much longer for compiling [s]."""

_CHANGES: tuple[Change, ...] = (
    NoGrad(),
    ChannelsLast(),
    FoldBatchNorm(),
    FoldAndChannelsLast(),
    BiasBeforeBatchNorm(),
    PoolsChannelsLast(),
    BFloat16(),
    FlushDenormals(),
    Threads(every=False),
    Threads(every=True),
)
"""In the order in which they are tried; compiling comes last, with what is left of the budget."""

_MOST_S, _SWEEP_S = 0.05, 0.2
"""Shares of the budget that one change takes at most, and the sweep over batches."""

_PROBE_S = 0.25
"""How long the model runs before it is decided whether others work here as well [s]."""


def advise(model: object, *inputs: object, **options: Any) -> Advice:  # noqa: ANN401, options and model inputs alike
    """Try on a copy what could make a model faster, and say what helps, and what does not.

    Every change is made by the lines of code that are shown; its outputs are compared with the
    model's, and its time is measured in turns with the model's. The model itself is left exactly
    as it was found. Without `backward`, changes are compared with calls under `torch.no_grad`
    in eval mode, after these two have been compared with calls as they were found; with it,
    with training steps.

    Args:
        model: A `torch.nn.Module`, or a function that calls some.
        *inputs: What to call it with: tensors, nested ones too, or shapes such as
            '8x3x224x224', for which random numbers are made.
        **options: Options and keyword arguments as for `magics.profile`. The budget is for all
            of it [s]: by default 30, and another 60 where compiling is likely to end within
            them. With ``measure=False`` only what shapes tell is said.

    Returns:
        The record of what was tried.

    Raises:
        ConvProfileError: If the model, an input or an option is wrong, or the model raises.
        Interrupted: On Ctrl-C while measuring; a KeyboardInterrupt.
    """
    with ExitStack() as stack:
        asked = Asked.of(model, inputs, options)
        return _advised(laboratory(stack, asked, _BUDGET_S), asked)


def _advised(lab: Lab, asked: Asked) -> Advice:
    modules = lab.context.target.modules.values()
    environment = settings((getattr(item, "training", False) for item in modules),
                           str(lab.context.device))  # fmt: skip
    found: list[Suggestion] = []
    interrupted = False
    try:
        found.extend(_suggestions(lab, asked))
    except KeyboardInterrupt:
        interrupted = True
    result = concluded(lab, found, environment, interrupted=interrupted)
    if interrupted:
        raise Interrupted(result)
    return result


def _suggestions(lab: Lab, asked: Asked) -> Iterator[Suggestion]:
    """Yield what becomes of one thing after another."""
    context = lab.context
    reason = _untimed(context, asked.chosen)
    yield findings.checkerboard(context)
    yield windows.wide_dilation(context)
    yield windows.gridding(context, lambda code: _covered(context, code))
    yield findings.few_samples(context)
    yield findings.training_in_eval_mode(context)
    steps: list[tuple[str, Callable[[float], Suggestion]]] = [
        (change.name, _trial(lab, change, reason)) for change in (EvalMode(), *_CHANGES)
    ]
    if reason:
        for _, step in steps:
            yield step(0.0)
        yield _trial(lab, Compile(), reason)(0.0)
        return
    warm(lab, asked.chosen)
    steps += [
        ("batch size", lambda _: batches.knee(lab, asked.model, asked.inputs, _profiling(asked),
                                              _SWEEP_S * lab.budget_s)),
        ("gradient accumulation", lambda share_s: batches.accumulation(lab, share_s)),
        ("compile", _trial(lab, Compile(), "")),
    ]  # fmt: skip
    share_s = _MOST_S * lab.budget_s
    for number, (name, step) in enumerate(steps):
        with part(0.1 + 0.9 * number / len(steps), 0.1 + 0.9 * (number + 1) / len(steps)):
            report(0.0, f"trying {name}")
            if name == Compile.name and asked.chosen.budget is None:
                lab.extend(_COMPILING_S)
            yield step(share_s)
        if name == "eval mode" and not context.backward:
            _to_eval_mode(lab)


def _trial(lab: Lab, change: Change, reason: str) -> Callable[[float], Suggestion]:
    """Return what tries a change, or says why nothing is timed."""

    def untimed(_share_s: float) -> Suggestion:
        found = change.variation(lab.context)
        if isinstance(found, str):
            return lab.tried(change, 0.0)
        return Suggestion(name=change.name, verdict=NOT_TRIED, why=reason, link=change.link,
                          code=found.shown(lab.context.call), layers=found.layers)  # fmt: skip

    return untimed if reason else lambda share_s: lab.tried(change, share_s)


def _untimed(context: Context, chosen: Options) -> str:
    """Return why nothing can be timed, '' if it can."""
    if not chosen.measure:
        return "nothing was to be measured"
    if context.device.type not in {"cpu", "cuda"}:
        return f"there is no clock for the device {context.device}"
    return ""


def _profiling(asked: Asked) -> dict[str, Any]:
    """Return the options of a profile as they were given, but for those that a sweep has itself.

    Without training, the model is swept in eval mode, as all else is tried in it.
    """
    mode = {} if asked.chosen.backward else {"mode": "eval"}
    kept = {name: value for name, value in asked.options.items()
            if name not in {"budget", "batch", "measure"}}  # fmt: skip
    return kept | mode


def _to_eval_mode(lab: Lab) -> None:
    """Let what follows be measured in eval mode, as inference is to be."""
    context = lab.context
    if context.uncopyable or not any(item.training for item in context.target.modules.values()):
        return
    set_mode(context.target, "eval")
    lab.renew()


def _covered(context: Context, code: str) -> dict[str, float]:
    """Return the coverage of every layer's receptive field, after lines were run on a copy."""
    if context.uncopyable:
        return {}
    made = context.copied()
    exec(code, made.namespace)  # noqa: S102, the lines that the user is shown
    try:
        again = profile(made.namespace["model"], *context.args, kwargs=dict(context.kwargs),
                        measure=False)  # fmt: skip
    except ConvProfileError:
        return {}
    return {layer.name: layer.receptive_field.coverage for layer in again.layers
            if layer.receptive_field is not None}  # fmt: skip
