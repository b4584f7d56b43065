"""From the tree of calls to the rows of a table: who gets one, and what it costs.

A module without modules in it is a row; so is a layer function that a larger module calls.
What else a module does by itself (glue: additions, concatenations, Python) belongs to no row
and is summed up as everything else.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.pooling import (
    _AdaptiveAvgPoolNd,
    _AdaptiveMaxPoolNd,
    _AvgPoolNd,
    _LPPoolNd,
    _MaxPoolNd,
)

from magics import theory
from magics.measurement.functions import both_sides, per_axis
from magics.theory import Cost, Layer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from magics.measurement.capture import Call, Operator
    from magics.measurement.modules import Target

Key = tuple[str, int]

_LAYERS = (
    _ConvNd, _NormBase, nn.Linear, _MaxPoolNd, _AvgPoolNd, _LPPoolNd, _AdaptiveAvgPoolNd,
    _AdaptiveMaxPoolNd, nn.FractionalMaxPool2d, nn.FractionalMaxPool3d,
)  # fmt: skip
"""A layer also where modules in it compute its weight (parametrizations)."""

_PRODUCTS = {"linear", "matmul"}
_UNTIMED = "runs inside one call, without a time of its own"


@dataclass(slots=True)
class Row:
    """One row to be: a call, its kind and its work.

    Attributes:
        name: Path, or ``path.function()``.
        call_index: 0 for the first call of this name.
        kind: Kind of layer.
        type: Class of the module, or name of the function.
        call: The call that the row is about.
        layer: The call read as a layer, where it is one.
        cost: Work of the forward.
        backward: Work of the backward.
        params: Parameters used here first.
        timed: Whether a time can be had.
        note: What the reader should know.
    """

    name: str
    call_index: int
    kind: str
    type: str
    call: Call
    layer: Layer | None
    cost: Cost
    backward: Cost
    params: int = 0
    timed: bool = True
    note: str = ""

    @property
    def key(self) -> Key:
        """Name and call index, unique within a profile."""
        return (self.name, self.call_index)


@dataclass(slots=True)
class Plan:
    """The rows of one model on one input, and what is no row.

    Attributes:
        rows: One per call, in the order of the calls' ends.
        other: Work of everything else.
        other_params: Parameters that no row uses.
        uncounted: Calls of operators without a formula, by operator and place.
        modules: Paths of modules that are rows as a whole.
        functions: Layer functions that have rows of their own: name and calling namespaces.
    """

    rows: list[Row] = field(default_factory=list)
    other: Cost = field(default_factory=Cost)
    other_params: int = 0
    uncounted: Counter[tuple[str, str]] = field(default_factory=Counter)
    modules: set[str] = field(default_factory=set)
    functions: dict[str, list[dict[str, object]]] = field(default_factory=dict)


def plan(root: Call, target: Target) -> Plan:
    """Decide on the rows."""
    planner = _Planner(target)
    planner.visit(root)
    return planner.finish()


class _Planner:
    def __init__(self, target: Target) -> None:
        self._plan = Plan()
        self._target = target
        self._names: Counter[str] = Counter()
        self._sizes = {key: p.numel() for key, p in target.parameters().items()}
        self._unused = dict(self._sizes)

    def finish(self) -> Plan:
        self._plan.other_params = sum(self._unused.values())
        return self._plan

    def visit(self, call: Call) -> None:
        layers = [item for item in call.operators if item.work.layer is not None]
        parts = len(call.functions) + len(layers)
        self._note_uncounted(call)
        if _is_leaf(call):
            kinds = {f.kind for f in call.functions} | {item.work.kind for item in layers}
            one = parts <= 1 or (kinds <= _PRODUCTS and not _scripted(call))
            if one:
                self._whole(call, layers, kinds)
                return
        for inner in call.calls:
            if inner.module is not None:
                self.visit(inner)
            else:
                self._note_uncounted(inner)
                self._function(inner)
        for item in layers:
            self._operator(call, item)
        rest = _sum(item for item in call.operators if item.work.layer is None)
        if _scripted(call):
            self._plan.modules.add(call.path)
            note = "scripted: the times of the layers in it are here"
            self._add(call, call.path, "other", None, cost=rest, backward=Cost(), note=note)
        else:
            self._plan.other += rest

    def _whole(self, call: Call, layers: list[Operator], kinds: set[str]) -> None:
        """Make a module one row."""
        for inner in call.modules:
            self.visit(inner)
        layer, kind = _only_layer(call, layers), "other"
        if layer is not None:
            layer = _as_module(call, layer)
            kind = layer.kind
            cost, backward = theory.cost(layer), theory.backward_cost(layer)
        else:
            kind = next(iter(kinds)) if len(kinds) == 1 else "matmul" if kinds else "other"
            cost = sum((inner.cost() for inner in call.functions), Cost())
            cost += _sum(layers)
            backward = _products_backward(call, layers)
            own = _own_formula(call)
            if own is not None:
                layer, kind = own, own.kind
                cost, backward = theory.cost(own), _backward(own)
        for inner in call.functions:
            self._note_uncounted(inner)
        extra = [item for item in call.operators if item.work.layer is None]
        if kind == type(call.module).__name__:
            extra = []
        elif layer is not None:
            # The count of batches in batch norm and the like: no work to speak of.
            extra = [item for item in extra if item.output_shape]
        cost += _sum(extra)
        self._plan.modules.add(call.path)
        self._add(call, call.path, kind, layer, cost=cost, backward=backward)

    def _function(self, call: Call) -> None:
        name = f"{call.path}.{call.name}()" if call.path else f"{call.name}()"
        layer = call.layer
        cost = theory.cost(layer) if layer else call.cost()
        operators = [item for item in call.operators if item.work.layer is not None]
        backward = theory.backward_cost(layer) if layer else _products_backward(call, operators)
        known = self._plan.functions.setdefault(call.name, [])
        if call.namespace is not None and all(call.namespace is not item for item in known):
            known.append(call.namespace)
        self._add(call, name, call.kind, layer, cost=cost, backward=backward)

    def _operator(self, call: Call, item: Operator) -> None:
        layer = item.work.layer
        if layer is None:
            return
        short = item.name.rpartition("::")[2].strip("_")
        name = f"{call.path}.{short}()" if call.path else f"{short}()"
        inner = replace_call(call, item)
        cost, backward = theory.cost(layer), _backward(layer)
        row = self._add(inner, name, layer.kind, layer, cost=cost, backward=backward)
        row.timed, row.note = False, _UNTIMED
        row.type = short

    def _add(  # noqa: PLR0913, the parts of a row
        self,
        call: Call,
        name: str,
        kind: str,
        layer: Layer | None,
        *,
        cost: Cost,
        backward: Cost,
        note: str = "",
    ) -> Row:
        index = self._names[name]
        self._names[name] += 1
        label = call.name if call.module is None else type(call.module).__name__
        if isinstance(call.module, torch.jit.ScriptModule):
            label = getattr(call.module, "original_name", label)
        row = Row(
            name, index, kind, label, call, layer, cost, backward, self._params(call), note=note
        )
        self._plan.rows.append(row)
        return row

    def _params(self, call: Call) -> int:
        """Count the parameters that no earlier row used."""
        if call.module is None:
            keys: Iterable[int] = call.parameters
        else:
            keys = {id(p) for p in call.module.parameters()}
            keys |= {key for inner in call.functions for key in inner.parameters}
        return sum(self._unused.pop(key, 0) for key in keys)

    def _note_uncounted(self, call: Call) -> None:
        for item in call.operators:
            if item.work.cost is None:
                self._plan.uncounted[item.name, call.path] += 1


def replace_call(call: Call, item: Operator) -> Call:
    """Return a call that stands for one operator within another call."""
    return replace(
        call, module=None, name=item.name, calls=[], operators=[item], parameters=(),
        input_shape=item.input_shape, output_shape=item.output_shape, dtype=item.dtype,
    )  # fmt: skip


def _scripted(call: Call) -> bool:
    return isinstance(call.module, torch.jit.ScriptModule)


def _is_leaf(call: Call) -> bool:
    return call.module is not None and (not call.modules or isinstance(call.module, _LAYERS))


def _only_layer(call: Call, layers: list[Operator]) -> Layer | None:
    """Return the one layer that a module consists of, or `None`."""
    if len(call.functions) == 1 and not layers:
        return call.functions[0].layer
    return layers[0].work.layer if len(layers) == 1 and not call.functions else None


def _as_module(call: Call, layer: Layer) -> Layer:
    """Let the module's own arguments overrule what its function was given.

    Padding that is not of zeros is done before the convolution, which then has none.
    """
    module = call.module
    if isinstance(module, nn.SyncBatchNorm):
        return replace(layer, kind="sync_batch_norm")
    if isinstance(module, _ConvNd) and module.padding_mode != "zeros":
        axes = len(module.kernel_size)
        if isinstance(module.padding, str):
            flat = module._reversed_padding_repeated_twice
            sides = tuple((flat[2 * i], flat[2 * i + 1]) for i in reversed(range(axes)))
        else:
            sides = both_sides(per_axis(module.padding, axes))
        shape = call.input_shape
        shape = shape if len(shape) == axes + 2 else (1, *shape)
        return replace(layer, input_shape=shape, padding=sides, zero_padding=False)
    return layer


def _own_formula(call: Call) -> Layer | None:
    """Return a module as a layer of its class' own kind, if a formula is registered for it."""
    kind = type(call.module).__name__
    if kind in theory.KINDS or not (call.input_shape and call.output_shape):
        return None
    layer = Layer(kind=kind, input_shape=call.input_shape, output_shape=call.output_shape)
    try:
        theory.cost(layer)
    except theory.UnknownKindError:
        return None
    return layer


def _backward(layer: Layer) -> Cost:
    try:
        return theory.backward_cost(layer)
    except theory.UnknownKindError:
        return Cost()


def _products_backward(call: Call, layers: Iterable[Operator]) -> Cost:
    inner = [item for function in call.functions for item in function.all_operators()]
    known = [item.work.layer for item in (*inner, *layers) if item.work.layer is not None]
    return sum(map(_backward, known), Cost())


def _sum(items: Iterable[Operator]) -> Cost:
    return sum((item.work.cost or Cost() for item in items), Cost())
