"""What would make a model faster: each change tried on a copy, compared and measured."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from magics.errors import ConvProfileError
from magics.measurement.environment import settings
from magics.progress import part, piece, report
from magics.session import Interrupted, profile, set_mode
from magics.studies.advising.changes import accumulation, batches, findings, windows
from magics.studies.advising.changes.compiling import Compile
from magics.studies.advising.changes.folding import (
    BiasBeforeBatchNorm,
    FoldAndChannelsLast,
    FoldBatchNorm,
)
from magics.studies.advising.changes.layout import ChannelsLast, PoolsChannelsLast
from magics.studies.advising.changes.settings import (
    BFloat16,
    EvalMode,
    FlushDenormals,
    NoGrad,
    Threads,
)
from magics.studies.advising.concluding import concluded
from magics.studies.advising.preparing import READ, Asked, laboratory, warm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from magics.options import Options
    from magics.records import Advice, Suggestion
    from magics.studies.advising.changes.context import Change, Context
    from magics.studies.advising.trying import Lab

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

_LOOKED = 0.1
"""Share of the work that is done when shapes have been looked at."""

_MOST_S, _SWEEP_S = 0.05, 0.2
"""Shares of the budget that one change takes at most, and the sweep over batches."""


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
    yield findings.checkerboard(context)
    yield windows.wide_dilation(context)
    yield windows.gridding(context, lambda code: _covered(context, code))
    yield findings.few_samples(context)
    yield findings.training_in_eval_mode(context)
    if not lab.untimed:
        warm(lab, asked.chosen)
    share_s = _MOST_S * lab.budget_s
    steps = list(_steps(lab, asked, share_s))
    tried: list[Suggestion] = []
    for number, (name, step) in enumerate(steps):
        with piece(number, len(steps), _LOOKED, 1.0):
            report(0.0, f"trying {name}")
            tried.append(step())
        yield tried[-1]
    best = _best_lines(tried)
    if best is not None and _is_gain(tried[-1]):
        yield lab.tried(Compile(best), share_s)


def _steps(
    lab: Lab, asked: Asked, share_s: float
) -> Iterator[tuple[str, Callable[[], Suggestion]]]:
    """Yield what to try, one after another, and its name; compiling last."""

    def trying(change: Change) -> tuple[str, Callable[[], Suggestion]]:
        return change.name, lambda: lab.tried(change, share_s)

    yield EvalMode.name, lambda: _eval_mode(lab, share_s)
    yield from map(trying, _CHANGES)
    sweep_s = _SWEEP_S * lab.budget_s
    yield "batch size", lambda: batches.knee(lab, asked, sweep_s)
    yield "gradient accumulation", lambda: accumulation.accumulation(lab, share_s)
    yield Compile.name, lambda: _compiled(lab, asked.chosen, share_s)


def _eval_mode(lab: Lab, share_s: float) -> Suggestion:
    """Try eval mode; what follows is measured in it, as inference is to be."""
    found = lab.tried(EvalMode(), share_s)
    context = lab.context
    training = any(item.training for item in context.target.modules.values())
    if training and not context.uncopyable and not context.backward:
        set_mode(context.target, "eval")
        lab.renew()
    return found


def _compiled(lab: Lab, chosen: Options, share_s: float) -> Suggestion:
    if chosen.budget is None:
        lab.extend(_COMPILING_S)
    return lab.tried(Compile(), share_s)


_LINES = frozenset({ChannelsLast.name, FoldBatchNorm.name, FoldAndChannelsLast.name,
                    PoolsChannelsLast.name})  # fmt: skip
"""Changes that a compiled model may have as well."""


def _best_lines(tried: list[Suggestion]) -> Suggestion | None:
    """Return which of the changes of a model gained most, `None` if none did."""
    gained = [one for one in tried if one.name in _LINES and _is_gain(one)]
    return max(gained, key=lambda one: one.gain.value if one.gain else 0.0, default=None)


def _is_gain(one: Suggestion) -> bool:
    return one.is_same and one.gain is not None and one.gain.is_gain


def _covered(context: Context, code: str) -> dict[str, float]:
    """Return the coverage of every layer's receptive field, after lines were run on a copy."""
    if context.uncopyable:
        return {}
    made = context.copied()
    exec(code, made.namespace)  # noqa: S102, the lines that the user is shown
    try:
        with part(READ, _LOOKED):
            again = profile(made.namespace["model"], *context.args, kwargs=dict(context.kwargs),
                            measure=False)  # fmt: skip
    except ConvProfileError:
        return {}
    return {layer.name: layer.receptive_field.coverage for layer in again.layers
            if layer.receptive_field is not None}  # fmt: skip
