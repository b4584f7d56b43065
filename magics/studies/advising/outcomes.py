"""What comes out of a run, and how far that is from what came out of another."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import torch
from torch import nn

from magics.measurement.timing.backward import differentiable, tensors_within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from magics.studies.advising.changes.copies import Copy

SEED = 0
"""Where random numbers start from in every run that is compared."""


@dataclass(slots=True)
class Outcome:
    """What came out of a run that is compared.

    Attributes:
        outputs: Every tensor that the model returned.
        gradients: Of every parameter, by its name; empty where no backward ran.
    """

    outputs: list[torch.Tensor]
    gradients: dict[str, torch.Tensor]


def training_step(made: Copy) -> Callable[[], None]:
    """Return what runs a forward and a backward, whose loss is the sum of all outputs."""
    parameters = list(made.parameters().values())
    ones: list[torch.Tensor] = []

    def step() -> None:
        for parameter in parameters:
            parameter.grad = None
        outputs = differentiable(made.call())
        if not ones:
            ones.extend(map(torch.ones_like, outputs))
        if outputs:
            torch.autograd.backward(outputs, ones)

    return step


def outcome(made: Copy, *, backward: bool, seed: int = SEED, still: bool = True) -> Outcome:
    """Run once, from the same random numbers each time, and return what is compared.

    For the gradients, the loss weighs every output by a random number: the plain sum of what
    batch norms give back has next to none.

    Args:
        made: What to run.
        backward: Compare gradients as well.
        seed: Where random numbers start from.
        still: Let dropout do nothing: in another layout it leaves out other elements.
    """
    torch.manual_seed(seed)
    with made.inputs_watched(), without_dropout(made) if still else nullcontext():
        result = made.call()
    outputs = [tensor.detach().clone() for tensor in tensors_within(result)]
    if not backward:
        return Outcome(outputs, {})
    parameters = made.parameters()
    made.forget_gradients()
    ends = differentiable(result)
    generator = torch.Generator().manual_seed(SEED)
    weights = [torch.randn(end.shape, generator=generator).to(end) for end in ends]
    if ends:
        torch.autograd.backward(ends, weights)
    gradients = {name: parameter.grad.detach().clone() for name, parameter in parameters.items()
                 if parameter.grad is not None}  # fmt: skip
    made.forget_gradients()
    return Outcome(outputs, gradients)


@contextmanager
def without_dropout(made: Copy) -> Iterator[None]:
    """Let dropout do nothing for a while."""
    model = made.namespace["model"]
    layers = [module for module in (model.modules() if isinstance(model, nn.Module) else ())
              if isinstance(module, nn.modules.dropout._DropoutNd) and module.training]  # noqa: SLF001, the base of all of them  # fmt: skip
    for layer in layers:
        layer.training = False
    try:
        yield
    finally:
        for layer in layers:
            layer.training = True


def difference(expected: Outcome, found: Outcome) -> float | None:
    """Return the largest difference of an output over that output's largest element.

    Gradients are taken together: some are zero but for rounding. `None` where there is nothing
    to compare.
    """
    if not expected.outputs:
        return None
    if [item.shape for item in expected.outputs] != [item.shape for item in found.outputs]:
        return inf
    pairs = list(zip(expected.outputs, found.outputs, strict=True))
    errors = [_over(_largest_difference(one, two), _largest(one)) for one, two in pairs]
    names = expected.gradients.keys() & found.gradients.keys()
    if names:
        gradients = [(expected.gradients[name], found.gradients[name]) for name in names]
        if any(one.shape != two.shape for one, two in gradients):
            return inf
        worst = max(_largest_difference(one, two) for one, two in gradients)
        errors.append(_over(worst, max(_largest(one) for one, _ in gradients)))
    return max(errors)


def _over(difference_: float, largest: float) -> float:
    if not difference_:
        return 0.0
    return difference_ / largest if largest else inf


def _wide(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to(torch.complex128 if tensor.is_complex() else torch.float64)


def _largest_difference(one: torch.Tensor, other: torch.Tensor) -> float:
    one, other = _wide(one), _wide(other)
    same = (one == other) | (one.isnan() & other.isnan())
    apart = torch.where(same, torch.zeros_like(one), one - other).abs()
    return float(apart.nan_to_num(nan=inf).max()) if apart.numel() else 0.0


def _largest(tensor: torch.Tensor) -> float:
    finite = _wide(tensor).abs()
    finite = finite[finite.isfinite()]
    return float(finite.max()) if finite.numel() else 0.0
