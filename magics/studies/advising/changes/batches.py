"""How many samples a call takes: where the time per sample has its knee."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from magics import units
from magics.records.advice import NO_GAIN, NOT_TRIED, Suggestion
from magics.records.measurement import Measurement
from magics.studies.advising.changes.telling import in_a_line, none
from magics.studies.sweep import sweep

if TYPE_CHECKING:
    from magics.records import SweepPoint
    from magics.studies.advising.changes.context import Context
    from magics.studies.advising.preparing import Asked
    from magics.studies.advising.trying import Lab

_LARGEST = 8
"""How many times the given batch is tried at most."""

_LEAST_LARGEST = 64
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
    sizes = {value.shape[0] for value in batched(lab.context).values()}
    return sizes.pop() if len(sizes) == 1 else 0


def batched(context: Context) -> dict[str, torch.Tensor]:
    """Return the inputs that have a first dimension, by name."""
    return {name: value for name, value in context.inputs.items()
            if isinstance(value, torch.Tensor) and value.dim()}  # fmt: skip


def _per_sample(point: SweepPoint) -> Measurement:
    """Return what a sample takes: its forward and, where there is one, its backward."""
    batch, forward = point.batch or 1, point.forward
    assert forward is not None  # noqa: S101, the point was measured
    whole = list(forward.replicates_s)
    if point.backward is not None:
        whole = [one + two for one, two in zip(whole, point.backward.replicates_s, strict=False)]
    return Measurement(replicates_s=tuple(one / batch for one in whole), clock=forward.clock)
