"""From what was tried to a record of advice: verdicts, what it was compared with, doubts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from magics import units
from magics.measurement.machine.contention import CONTENDED
from magics.records.advice import (
    CHANGES,
    HELPS,
    HURTS,
    LOOK_AT,
    NO_GAIN,
    Advice,
    Suggestion,
)
from magics.studies.advising.changes.folding import BiasBeforeBatchNorm
from magics.studies.advising.changes.settings import EvalMode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from magics.records import Profile
    from magics.studies.advising.changes.context import Context
    from magics.studies.advising.trying import Lab


def concluded(
    lab: Lab, tried: list[Suggestion], environment: Mapping[str, str], *, interrupted: bool
) -> Advice:
    """Return the record of what was tried.

    Args:
        lab: Where it was.
        tried: What was measured, without verdicts.
        environment: Machine, torch, and the mode that the model was found in.
        interrupted: Ctrl-C ended it.
    """
    context, counts = lab.context, lab.context.profile
    measured = sum(one.before is not None for one in tried)
    found = [_finished(one, measured) for one in tried]
    return Advice(
        model=counts.model,
        inputs=counts.inputs,
        baseline=_baseline(context, environment["mode"], _clocks(found)),
        suggestions=tuple(found),
        environment={
            **environment,
            "threads": str(context.threads),
            "contention": units.ratio(lab.contention, 2),
            "budget": f"{lab.budget_s:g} s",
        },
        warnings=tuple(_warnings(lab, counts, interrupted=interrupted)),
    )


def _finished(one: Suggestion, measured: int) -> Suggestion:
    """Return a suggestion with its verdict, its interval sharing the level with all others."""
    if one.before is None:
        return one
    one = replace(one, claims=measured)
    if one.bytes_before is not None:
        return one  # it is about memory, whatever the time
    if one.name == EvalMode.name and one.error:
        return replace(one, verdict=LOOK_AT)
    verdict = _judged(one)
    if one.name == BiasBeforeBatchNorm.name and verdict == _judged(replace(one, before=None)):
        verdict = LOOK_AT  # parameters without a use are worth a look, whatever they take
    return replace(one, verdict=verdict)


def _judged(found: Suggestion) -> str:
    """Return the verdict on what was measured."""
    if not found.is_same:
        return CHANGES
    gain = found.gain
    if found.disturbed and gain is not None and (gain.is_gain or gain.is_loss):
        return LOOK_AT
    if gain is not None and gain.is_gain:
        return HELPS
    return HURTS if gain is not None and gain.is_loss else NO_GAIN


def _clocks(found: list[Suggestion]) -> str:
    clocks = dict.fromkeys(one.before.clock for one in found if one.before)
    return " and ".join(clocks)


def _baseline(context: Context, mode: str, clocks: str) -> str:
    """Say what changes are compared with."""
    threads = f"{context.threads} thread{'' if context.threads == 1 else 's'}"
    where = f"on {context.device}" + (f" with {threads}" if context.device.type == "cpu" else "")
    if context.backward:
        text = f"A training step (forward and backward) as the model was found, in {mode or 'no'} "
        text += f"mode, {where}"
    else:
        training = any(item.training for item in context.target.modules.values())
        mode = "" if training else mode
        text = f"A forward under torch.no_grad() in {'train' if training else 'eval'} mode, {where}"
        if mode and mode != "eval":
            text += f"; the model was found in {mode} mode"
        text += "; no_grad itself is compared with a call that records gradients"
    return f"{text}{f'; {clocks} clock' if clocks else ''}."


def _warnings(lab: Lab, counts: Profile, *, interrupted: bool) -> Iterator[str]:
    if interrupted:
        yield "Interrupted: what was not yet tried is missing."
    yield from counts.warnings
    if lab.contention >= CONTENDED:
        yield (
            f"Others work on this machine ({units.ratio(lab.contention, 2)} the time): where "
            f"possible, the processor's clock was read. Times of several threads are uncertain."
        )
    yield from (f"While trying, torch warned: {text}" for text in lab.raised)
