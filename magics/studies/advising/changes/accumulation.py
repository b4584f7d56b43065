"""The batch in pieces, whose gradients add up: less memory at once, for the same step."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from magics.measurement.machine.allocator import allocator_peak
from magics.measurement.timing.backward import differentiable
from magics.records.advice import CHANGES, HELPS, NO_GAIN, NOT_TRIED, Suggestion
from magics.studies.advising.changes.batches import batch_of, batched
from magics.studies.advising.changes.telling import in_a_line, none
from magics.studies.advising.outcomes import Outcome, difference, training_step, without_dropout

if TYPE_CHECKING:
    from magics.studies.advising.changes.copies import Copy
    from magics.studies.advising.trying import Lab

_TOLERANCE = 1e-4
_PIECES = (4, 2)


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
    split_names = list(batched(context))
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
        why += ": not here, where samples of a batch depend on one another, as in batch norm"
    return replace(result, verdict=verdict, why=why)


def _in_pieces(lab: Lab, pieces: int, budget_s: float) -> dict[str, Any]:
    """Return what was measured of a step with the whole batch, and of one in pieces."""
    whole, parts = lab.baseline(), lab.context.copied()
    names = list(batched(lab.context))
    split = _Pieces(parts, names, pieces)
    with lab.set_up():
        expected, found = (_gradients(_Pieces(whole, names, 1)), _gradients(split))
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

    def __init__(self, made: Copy, names: list[str], pieces: int) -> None:
        self.made, self.pieces, self._names = made, pieces, names
        self._parameters = list(made.parameters().values())

    def calls(self) -> Any:  # noqa: ANN401, a generator of whatever the model returns
        """Call the model with piece after piece."""
        namespace = self.made.namespace
        whole = {name: namespace[name] for name in self._names}
        try:
            for number in range(self.pieces):
                namespace.update(
                    {key: value.chunk(self.pieces)[number] for key, value in whole.items()},
                )
                yield self.made.call()
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


def _gradients(step: _Pieces) -> Outcome | None:
    """Return the gradients of a loss that weighs outputs by random numbers, in pieces.

    `None` where the outputs have no samples to weigh.
    """
    made, pieces = step.made, step.pieces
    with without_dropout(made):
        return _weighed(step, made.parameters(), pieces)


def _weighed(step: _Pieces, parameters: dict[str, torch.Tensor], pieces: int) -> Outcome | None:
    step.made.forget_gradients()
    generator = torch.Generator().manual_seed(0)
    first: list[torch.Tensor] = []
    weights: list[torch.Tensor] = []
    torch.manual_seed(0)
    for number, result in enumerate(step.calls()):
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
    step.made.forget_gradients()
    return Outcome([torch.zeros(0) for _ in first], gradients)


def _peak(lab: Lab, step: Any) -> int | None:  # noqa: ANN401, a function of nothing
    """Return the most memory that a step takes, gradients included [bytes]."""
    with lab.set_up(), allocator_peak(lab.context.device) as peak:
        step()
    return peak.nbytes
