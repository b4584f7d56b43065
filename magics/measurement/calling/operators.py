"""What torch really runs, operator by operator, and the work of each.

The words are those of the dispatcher. Convolutions and matrix products have MACs;
elementwise operators and reductions have operations of their own; some only move data. An
operator that is none of these is reported, never counted as nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from magics import theory
from magics.measurement.calling import aten, fused
from magics.measurement.calling.functions import element_size
from magics.measurement.calling.operator_layers import layer_of
from magics.theory import Cost, Layer

if TYPE_CHECKING:
    from magics.measurement.calling.functions import Needs


@dataclass(frozen=True, slots=True)
class Work:
    """What one operator did.

    Attributes:
        kind: Kind of layer that the operator would be by itself; 'other' for the rest.
        cost: Its work, or `None` where no formula is known.
        backward: What a backward does because of it, or `None` where no formula is known.
        layer: The operator read as a layer, where it is one.
    """

    kind: str
    cost: Cost | None
    backward: Cost | None = None
    layer: Layer | None = None


_NOTHING = Work("other", Cost(), Cost())


def work_of(
    full_name: str,
    args: tuple[Any, ...],
    inputs: list[torch.Tensor],
    outputs: list[torch.Tensor],
    needs: Needs,
) -> Work:
    """Return the work of one call of an operator.

    Args:
        full_name: The operator's name, such as 'aten::addmm'.
        args: Its arguments, those given by keyword last.
        inputs: Tensors among them.
        outputs: Tensors among what it returned.
        needs: Tells whether backward would need a tensor's gradient.
    """
    name = aten.base_name(full_name)
    if name in aten.VIEWS:
        return _NOTHING
    layer = layer_of(full_name, name, args, outputs, needs)
    if layer is not None:
        return Work(layer.kind, theory.cost(layer), theory.backward_cost(layer), layer)
    formula = fused.FORMULAS.get(name)
    if formula is not None:
        return Work(*formula(args, inputs, outputs, needs))
    elements = [tensor.numel() for tensor in inputs] or [0]
    output = outputs[0].numel() if outputs else 0
    operations = 0
    if name not in aten.MOVES:
        known = aten.operations(name, elements[0], elements[-1], output)
        if known is None:
            return _registered(full_name, inputs, outputs, needs)
        operations = known
    cost = Cost(
        elementwise_flops=operations,
        bytes_read=fused.size_of(inputs),
        bytes_written=fused.size_of(outputs),
    )
    gradient = any(map(needs, inputs))
    return Work("other", cost, theory.elementwise_backward(cost) if gradient else Cost())


def _registered(
    full_name: str,
    inputs: list[torch.Tensor],
    outputs: list[torch.Tensor],
    needs: Needs,
) -> Work:
    """Ask the registry for a formula of the operator's own full name."""
    if not (inputs and outputs):
        return Work("other", None)
    layer = Layer(
        kind=full_name,
        input_shape=tuple(inputs[0].shape),
        output_shape=tuple(outputs[0].shape),
        other_shape=tuple(inputs[1].shape) if len(inputs) > 1 else (),
        itemsize=element_size(outputs[0]),
        needs_input_grad=needs(inputs[0]),
        needs_weight_grad=len(inputs) > 1 and needs(inputs[1]),
    )
    try:
        cost = theory.cost(layer)
    except theory.UnknownKindError:
        return Work("other", None)
    return Work(full_name, cost, known_backward(layer), layer)


def known_backward(layer: Layer) -> Cost | None:
    """Return the backward cost of a layer, or `None` where no formula is known."""
    if not (layer.needs_input_grad or layer.needs_weight_grad):
        return Cost()
    try:
        return theory.backward_cost(layer)
    except theory.UnknownKindError:
        return None


def tensors_in(value: object) -> list[torch.Tensor]:
    """Return the tensors in nested arguments, in order."""
    found: list[torch.Tensor] = []
    _collect(value, found)
    return found


def _collect(value: object, found: list[torch.Tensor]) -> None:
    if isinstance(value, torch.Tensor):
        found.append(value)
    elif isinstance(value, list | tuple):
        for item in value:
            # Most are numbers, and this is called for every operator.
            if type(item) not in _PLAIN:
                _collect(item, found)
    elif isinstance(value, dict):
        for item in value.values():
            _collect(item, found)


_PLAIN = frozenset({int, float, bool, str, type(None)})
