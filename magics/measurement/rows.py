"""From the tree of calls to the rows of a table: who gets one, and what it costs.

A module without modules in it is a row; so is a layer function that a larger module calls.
What else a module does by itself (glue: additions, concatenations, Python) belongs to no row
and is summed up as everything else.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from magics import theory
from magics.measurement.calling.calls import Call
from magics.measurement.calling.module_layers import LAYERS, as_module, own_layer
from magics.measurement.calling.operators import known_backward
from magics.measurement.machine.process import without_collection
from magics.measurement.models.modules import own_parameters
from magics.measurement.plan import Key, Plan, Row
from magics.theory import Cost, Layer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from magics.measurement.calling.calls import Operator
    from magics.measurement.models.modules import Target

__all__ = ["Key", "Plan", "Row", "plan"]

_PRODUCTS = {"linear", "matmul"}
_UNTIMED = "runs inside one call, without a time of its own"
_SCRIPTED = "scripted: the times of the layers in it are here"


@dataclass(frozen=True, slots=True)
class _Part:
    """A layer's work in a call: of a layer function, or of an operator by itself."""

    kind: str
    name: str
    call: Call
    layer: Layer | None
    cost: Cost
    backward: Cost
    timed: bool


def plan(root: Call, target: Target, *, backward: bool = False) -> Plan:
    """Decide on the rows.

    Args:
        root: What the model did.
        target: The model.
        backward: A backward will be run: what has no formula for it is uncounted, too.
    """
    planner = _Planner(target, backward=backward)
    with without_collection():
        planner.visit(root)
    made = planner.finish()
    made.operators = Counter(root.names())
    return made


class _Planner:
    def __init__(self, target: Target, *, backward: bool) -> None:
        self._plan = Plan()
        self._backward = backward
        self._names: Counter[str] = Counter()
        self._unused = {key: p.numel() for key, p in target.parameters().items()}

    def finish(self) -> Plan:
        self._plan.other_params = sum(self._unused.values())
        return self._plan

    def visit(self, call: Call) -> None:
        functions = [_of_function(inner) for inner in call.functions]
        by_themselves = [item for item in call.operators if item.work.kind != "other"]
        parts = [*functions, *(_of_operator(call, item) for item in by_themselves)]
        rest = [item for item in call.operators if item.work.kind == "other"]
        kinds = {part.kind for part in parts}
        if _is_leaf(call):
            own = own_layer(call)
            one = len(parts) <= 1 or (kinds <= _PRODUCTS and not _scripted(call))
            if one or own is not None:
                self._whole(call, parts, rest, own)
                return
        self._note_uncounted(call.path, call.operators)
        waiting = iter(functions)
        for inner in call.calls:
            if inner.module is not None:
                self.visit(inner)
            else:
                self._function(next(waiting))
        for part in parts[len(functions) :]:
            self._add(part.call, _within(call, part.name), part)
        self._glue(call, rest)

    def _whole(
        self, call: Call, parts: list[_Part], rest: list[Operator], own: Layer | None
    ) -> None:
        """Make a module one row."""
        for inner in call.modules:
            self.visit(inner)
        self._plan.modules.add(call.path)
        layer = parts[0].layer if len(parts) == 1 else None
        if own is not None:
            backward = known_backward(own)
            if backward is None and self._backward:
                self._plan.uncounted[f"{own.kind} (backward)", call.path] += 1
            whole = _Part(own.kind, "", call, own, theory.cost(own), backward or Cost(), timed=True)
            self._add(call, call.path, whole)
            return
        self._note_uncounted(call.path, call.operators)
        for inner in call.functions:
            self._note_function(inner)
        if layer is not None:
            layer = as_module(call, layer)
            cost, backward = theory.cost(layer), known_backward(layer) or Cost()
            # Moves are the layer's own (padding); a count of batches is no work to speak of.
            rest = [item for item in rest if item.output_shape and _computes(item)]
        else:
            cost = sum((part.cost for part in parts), Cost())
            backward = sum((part.backward for part in parts), Cost())
        cost += _sum(rest)
        backward += _sum_backward(rest)
        kinds = {part.kind for part in parts}
        kind = layer.kind if layer is not None and kinds != {"linear"} else _common(kinds)
        self._add(call, call.path, _Part(kind, "", call, layer, cost, backward, timed=True))

    def _function(self, part: _Part) -> None:
        call = part.call
        self._note_function(call)
        known = self._plan.functions.setdefault(call.name, [])
        if call.namespace is not None and all(call.namespace is not item for item in known):
            known.append(call.namespace)
        self._add(call, _within(call, part.name), part)

    def _glue(self, call: Call, rest: list[Operator]) -> None:
        if _scripted(call):
            self._plan.modules.add(call.path)
            glue = _Part("other", "", call, None, _sum(rest), _sum_backward(rest), timed=True)
            self._add(call, call.path, glue).note = _SCRIPTED
        else:
            self._plan.other += _sum(rest)
            self._plan.other_backward += _sum_backward(rest)

    def _add(self, call: Call, name: str, part: _Part) -> Row:
        index = self._names[name]
        self._names[name] += 1
        label = part.name or type(call.module).__name__
        if isinstance(call.module, torch.jit.ScriptModule):
            label = getattr(call.module, "original_name", label)
        row = Row(
            name,
            index,
            part.kind,
            label,
            call,
            part.layer,
            part.cost,
            part.backward,
            self._params(call),
            timed=part.timed,
            note="" if part.timed else _UNTIMED,
        )
        self._plan.rows.append(row)
        return row

    def _params(self, call: Call) -> int:
        """Count the parameters that no earlier row used."""
        if call.module is None:
            keys: Iterable[int] = call.parameters
        else:
            module = call.module
            keys = {
                id(p) for p in (module.parameters() if module._modules else own_parameters(module))
            }
            keys |= {key for inner in call.functions for key in inner.parameters}
        return sum(self._unused.pop(key, 0) for key in keys)

    def _note_function(self, call: Call) -> None:
        if call.layer is None:  # else its arguments say what it costs, whatever it runs
            self._note_uncounted(call.path, call.all_operators())

    def _note_uncounted(self, path: str, items: Iterable[Operator]) -> None:
        for item in items:
            if item.work.cost is None:
                self._plan.uncounted[item.name, path] += 1
            elif item.work.backward is None and self._backward:
                self._plan.uncounted[f"{item.name} (backward)", path] += 1


def _of_function(call: Call) -> _Part:
    """Read a call of a layer function: by its arguments, or else by what it ran."""
    layer = call.layer
    if layer is not None:
        cost, backward = theory.cost(layer), theory.backward_cost(layer)
        return _Part(layer.kind, call.name, call, layer, cost, backward, timed=True)
    ran = [item.work.layer for item in call.all_operators() if item.work.kind != "other"]
    layer = ran[0] if len(ran) == 1 and call.kind != "other" else None
    return _Part(call.kind, call.name, call, layer, call.cost(), call.backward(), timed=True)


def _of_operator(call: Call, item: Operator) -> _Part:
    stand_in = Call(
        call.path,
        name=item.name,
        operators=[item],
        parameters=item.parameters,
        input_shape=item.input_shape,
        output_shape=item.output_shape,
        dtype=item.dtype,
    )
    work, name = item.work, item.name.rpartition("::")[2].strip("_")
    cost, backward = work.cost or Cost(), work.backward or Cost()
    return _Part(work.kind, name, stand_in, work.layer, cost, backward, timed=False)


def _within(call: Call, name: str) -> str:
    return f"{call.path}.{name}()" if call.path else f"{name}()"


def _common(kinds: set[str]) -> str:
    """Return the kind of a module that is several parts, or none."""
    if len(kinds) == 1:
        return next(iter(kinds))
    return "matmul" if kinds else "other"


def _scripted(call: Call) -> bool:
    return isinstance(call.module, torch.jit.ScriptModule)


def _is_leaf(call: Call) -> bool:
    return call.module is not None and (not call.modules or isinstance(call.module, LAYERS))


def _computes(item: Operator) -> bool:
    return item.work.cost is not None and item.work.cost.elementwise_flops > 0


def _sum(items: Iterable[Operator]) -> Cost:
    return sum((item.work.cost or Cost() for item in items), Cost())


def _sum_backward(items: Iterable[Operator]) -> Cost:
    return sum((item.work.backward or Cost() for item in items), Cost())
