"""How many samples a call takes: the knee of the time per sample, and batches in pieces."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import torch

from magics import units
from magics.measurement.allocator import allocator_peak
from magics.measurement.backward import differentiable
from magics.records.advice import (
    CHANGES,
    HELPS,
    NO_GAIN,
    NOT_TRIED,
    Suggestion,
)
from magics.records.measurement import Measurement
from magics.studies.changes.telling import in_a_line, none
from magics.studies.outcomes import Outcome, difference, training_step

if TYPE_CHECKING:
    from magics.records import SweepPoint
    from magics.studies.changes.copies import Copy
    from magics.studies.preparing import Asked
    from magics.studies.trying import Lab

_TOLERANCE = 1e-4
_LARGEST = 8
"""How many times the given batch is tried at most."""

_LEAST_LARGEST = 64
_PIECES = (4, 2)
_LARGER = {
    False: "an answer comes after so many samples, and memory grows with the batch",
    True: "fewer steps per epoch, so the learning rate may have to grow",
}
"""What a larger batch costs, in inference and in training."""


def knee(lab: Lab, asked: Asked, budget_s: float) -> Suggestion:
    """Sweep over batch sizes, and find the one from which on a sample takes no less.

    Args:
        lab: Knows the model.
        asked: The model and its inputs as the user gave them.
        budget_s: How long it may take [s].
    """
    name = "batch size"
    link = "https://docs.pytorch.org/tutorials/recipes/recipes/tuning_guide.html"
    batch = batch_of(lab)
    if not batch:
        return none(name, "the inputs have no batch in common", link)

    def told(verdict: str, why: str, **more: Any) -> Suggestion:  # noqa: ANN401, fields
        return Suggestion(name=name, verdict=verdict, why=why, link=link, **more)

    reason = lab.too_long()
    if reason:
        return told(NOT_TRIED, reason)
    values = [batch, *(batch * 2**power for power in range(1, 7)
                       if batch * 2**power <= max(_LEAST_LARGEST, _LARGEST * batch))]  # fmt: skip
    try:
        sweep = import_module("magics.studies.sweep").sweep
        options = {**_profiling(asked), "batch": values, "budget": budget_s}
        found = sweep(asked.model, *asked.inputs, **options)
    except Exception as error:  # noqa: BLE001, a model may raise anything at another size
        return told(NOT_TRIED, in_a_line(error))
    points: dict[int, SweepPoint] = {
        point.batch: point for point in found.points
        if point.status == "measured" and point.batch and point.forward
    }  # fmt: skip
    if batch not in points or len(points) == 1:
        return told(NOT_TRIED, "the sweep over batch sizes came to no result in its time")
    knee_at = next((point.batch or 0 for point in found.knees if point is not None), 0)
    # Where a sample still takes less in the largest batch, there is no knee yet.
    best = knee_at or max(points)
    given, there = (_per_sample(points[size]) for size in (batch, best))
    tried = ", ".join(map(str, sorted(points)))
    if best <= batch:
        return told(
            NO_GAIN,
            f"larger batches take no less for a sample (within 10 %): "
            f"{units.seconds(given.median_s)} each in a batch of {batch} (tried: {tried})",
        )
    return told(
        NO_GAIN,
        f"a sample takes {units.seconds(given.median_s)} in a batch of {batch}, "
        f"{units.seconds(there.median_s)} in one of {best}"
        f"{', and no less beyond (within 10 %)' if knee_at else ''} (tried: {tried})",
        code=f"loader = torch.utils.data.DataLoader(dataset, batch_size={best})",
        before=given,
        after=there,
        paired=False,
        cost=_LARGER[lab.context.backward],
    )


def _profiling(asked: Asked) -> dict[str, Any]:
    """Return the options of a profile as they were given, but for those that a sweep has itself.

    Without training, the model is swept in eval mode, as all else is tried in it.
    """
    mode = {} if asked.chosen.backward else {"mode": "eval"}
    kept = {name: value for name, value in asked.options.items()
            if name not in {"budget", "batch", "measure"}}  # fmt: skip
    return kept | mode


def batch_of(lab: Lab) -> int:
    """Return how many samples all tensors that are given have; 0 where they differ."""
    sizes = {value.shape[0] if value.dim() else 0 for value in lab.context.inputs.values()
             if isinstance(value, torch.Tensor)}  # fmt: skip
    return sizes.pop() if len(sizes) == 1 else 0


def _per_sample(point: SweepPoint) -> Measurement:
    """Return what a sample takes: its forward and, where there is one, its backward."""
    batch, forward = point.batch or 1, point.forward
    assert forward is not None  # noqa: S101, the point was measured
    whole = list(forward.replicates_s)
    if point.backward is not None:
        whole = [one + two for one, two in zip(whole, point.backward.replicates_s, strict=False)]
    return Measurement(replicates_s=tuple(one / batch for one in whole), clock=forward.clock)


def accumulation(lab: Lab, budget_s: float) -> Suggestion:
    """Take the batch in pieces, and add up their gradients: less memory for the same step.

    Args:
        lab: Where it is tried.
        budget_s: How long it may take [s].
    """
    name = "gradient accumulation"
    link = "https://docs.pytorch.org/docs/stable/notes/amp_examples.html#gradient-accumulation"
    context = lab.context
    if not context.backward:
        return none(name, "no training step is asked for", link)
    batch = batch_of(lab)
    pieces = next((count for count in _PIECES if batch >= count and batch % count == 0), 0)
    if not pieces:
        return none(name, f"a batch of {batch} has no equal pieces" if batch
                    else "the inputs have no batch in common", link)  # fmt: skip
    reason = lab.too_long()
    if reason:
        return Suggestion(name=name, verdict=NOT_TRIED, why=reason, link=link)
    try:
        found = _in_pieces(lab, pieces, budget_s)
    except Exception as error:  # noqa: BLE001, a model may raise anything at another size
        return Suggestion(name=name, verdict=NOT_TRIED, why=in_a_line(error), link=link)
    split_names = [key for key, value in context.inputs.items() if isinstance(value, torch.Tensor)]
    several = ", ".join(f"{key}.chunk({pieces})" for key in split_names)
    given = f"zip({several})" if len(split_names) > 1 else several
    result = Suggestion(
        name=name,
        verdict=NO_GAIN,
        why=f"{pieces} pieces of {batch // pieces} samples need less memory at once than "
        f"{batch} samples, and their gradients add up to the batch's",
        link=link,
        code=f"for {', '.join(split_names)} in {given}:\n"
        f"    (loss({context.call}) / {pieces}).backward()  # the mean of means; then one step",
        tolerance=max(_TOLERANCE, context.same),
        **found,
    )
    verdict = CHANGES if not result.is_same else HELPS if result.saves_memory else NO_GAIN
    why = result.why
    if verdict == CHANGES:
        why += (
            ": not here, where samples of a batch depend on one another, as batch norm makes them"
        )
    return replace(result, verdict=verdict, why=why)


def _in_pieces(lab: Lab, pieces: int, budget_s: float) -> dict[str, Any]:
    """Return what was measured of a step with the whole batch, and of one in pieces."""
    whole, parts = lab.baseline(), lab.context.copied()
    split = _Pieces(parts, pieces)
    with lab.set_up():
        expected, found = _gradients(whole, 1), _gradients(parts, pieces)
        peaks = [_peak(lab, run) for run in (training_step(whole), split.step)]
    after = replace(lab.runner(parts), run=split.step)
    before_s, after_s = lab.raced(lab.runner(whole), after, budget_s)
    return {
        "before": before_s,
        "after": after_s,
        "error": difference(expected, found) if expected and found else None,
        "bytes_before": peaks[0],
        "bytes_after": peaks[1],
    }


class _Pieces:
    """A training step in pieces, whose loss is the sum of all outputs."""

    def __init__(self, made: Copy, pieces: int) -> None:
        self._made, self.pieces = made, pieces
        self._parameters = list(made.parameters().values())

    def calls(self) -> Any:  # noqa: ANN401, a generator of whatever the model returns
        """Call the model with piece after piece."""
        namespace = self._made.namespace
        whole = {key: value for key, value in namespace.items()
                 if any(value is tensor for tensor in self._made.inputs)}  # fmt: skip
        try:
            for number in range(self.pieces):
                namespace.update(
                    {key: value.chunk(self.pieces)[number] for key, value in whole.items()},
                )
                yield self._made.call()
        finally:
            namespace.update(whole)

    def step(self) -> None:
        """Run all of them, forward and backward."""
        for parameter in self._parameters:
            parameter.grad = None
        for result in self.calls():
            outputs = differentiable(result)
            torch.autograd.backward(outputs, list(map(torch.ones_like, outputs)))
            del result, outputs


def _gradients(made: Copy, pieces: int) -> Outcome | None:
    """Return the gradients of a loss that weighs outputs by random numbers, in pieces.

    `None` where the outputs have no samples to weigh.
    """
    parameters = made.parameters()
    for parameter in parameters.values():
        parameter.grad = None
    generator = torch.Generator().manual_seed(0)
    first: list[torch.Tensor] = []
    weights: list[torch.Tensor] = []
    torch.manual_seed(0)
    for number, result in enumerate(_Pieces(made, pieces).calls()):
        outputs = differentiable(result)
        if not number:
            first = outputs
            if not outputs or any(not item.dim() for item in outputs):
                return None
            shapes = [(item.shape[0] * pieces, *item.shape[1:]) for item in outputs]
            weights = [torch.randn(shape, generator=generator).to(item)
                       for shape, item in zip(shapes, outputs, strict=True)]  # fmt: skip
        torch.autograd.backward(outputs, [weight.chunk(pieces)[number] for weight in weights])
    gradients = {key: item.grad.detach().clone() for key, item in parameters.items()
                 if item.grad is not None}  # fmt: skip
    for parameter in parameters.values():
        parameter.grad = None
    return Outcome([torch.zeros(0) for _ in first], gradients)


def _peak(lab: Lab, step: Any) -> int | None:  # noqa: ANN401, a function of nothing
    """Return the most memory that a step takes, gradients included [bytes]."""
    with lab.set_up(), allocator_peak(lab.context.device) as peak:
        step()
    return peak.nbytes
