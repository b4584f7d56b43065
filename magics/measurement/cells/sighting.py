"""One call of a layer, as it was seen when it ended: what it was, and its shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn.modules.instancenorm import _InstanceNorm

from magics import theory
from magics.measurement.calling import functions
from magics.measurement.calling.module_layers import as_module, own_layer
from magics.measurement.calling.operators import tensors_in
from magics.measurement.cells.tally import Entry
from magics.measurement.models.conversion import layout_of
from magics.theory import Layer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn

    from magics.measurement.calling.calls import Call
    from magics.measurement.cells.places import Frame

_PRODUCTS = frozenset({"matmul", "__matmul__", "mm", "bmm"})
_MATRIX_DIMS = 2
HIDDEN = (torch.jit.ScriptModule, _InstanceNorm)
"""Modules that are one row and whose functions don't say what they cost."""

_SCRIPTED = "scripted: the layers in it are not seen one by one"


def layer_seen(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], result: object
) -> Layer | None:
    """Read a call of a layer function, or return `None` where it can't be read."""
    needs = _needs if torch.is_grad_enabled() else _never
    try:
        if functions.reads(func):
            return functions.layer_of(func, functions.arguments(func, args, kwargs), result, needs)
        if func.__name__ in _PRODUCTS and isinstance(result, torch.Tensor) and not kwargs:
            left, right = args
            if min(left.dim(), right.dim()) >= _MATRIX_DIMS:
                return Layer(
                    kind="matmul",
                    input_shape=tuple(left.shape),
                    other_shape=tuple(right.shape),
                    output_shape=tuple(result.shape),
                    itemsize=result.element_size(),
                    needs_input_grad=needs(left),
                    needs_weight_grad=needs(right),
                )
    except (TypeError, ValueError, RuntimeError, KeyError, AttributeError):
        return None  # ragged, symbolic or of another library: it is listed as uncounted
    return None


def is_read(func: Callable[..., Any]) -> bool:
    """Return whether a function's arguments say what it costs; else only what it runs does."""
    return functions.reads(func) or func.__name__ in _PRODUCTS


def _needs(tensor: torch.Tensor) -> bool:
    return tensor.requires_grad


def _never(_tensor: torch.Tensor) -> bool:
    return False


def describe(
    call: Call, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: object
) -> None:  # fmt: skip
    """Note a call's shapes and its output's element type."""
    inputs, outputs = tensors_in((args, kwargs)), tensors_in(result)
    if inputs and not inputs[0].is_nested:
        call.input_shape = tuple(inputs[0].shape)
    if outputs and not outputs[0].is_nested:
        call.output_shape = tuple(outputs[0].shape)
        call.dtype = str(outputs[0].dtype).removeprefix("torch.")
        call.itemsize = outputs[0].element_size()
        call.output_bytes = sum(item.numel() * item.element_size() for item in outputs)


def new_entry(label: str, call: Call, module: nn.Module | None) -> Entry:
    """Return the row of a layer, before its first call is added."""
    title = call.name
    if module is not None:
        title = getattr(module, "original_name", type(module).__name__)
    return Entry(
        label,
        call.layer.kind if call.layer is not None else call.kind or "other",
        title,
        params=sum(p.numel() for p in module.parameters()) if module is not None else 0,
        note=_SCRIPTED if isinstance(module, torch.jit.ScriptModule) else "",
        layer=call.layer,
        input_shape=call.input_shape,
        output_shape=call.output_shape,
        dtype=call.dtype,
        output_bytes=call.output_bytes,
    )


def is_torchs(frame: Frame) -> bool:
    """Return whether a module that is being called is one of torch's own layers."""
    return type(frame.module).__module__.startswith("torch.nn.modules.")


def is_channels_last(tensor: torch.Tensor) -> bool:
    """Return whether a tensor holds images whose channels are neighbours in memory."""
    return layout_of(tensor) is torch.channels_last


def has_formula(module: nn.Module) -> bool:
    """Return whether a user registered a formula for a module's class."""
    kind = type(module).__name__
    return kind not in theory.KINDS and theory.has_formula(kind)


def layer_of_module(call: Call) -> Layer | None:
    """Return a module's call as a layer: as its class says, or else as its function did."""
    own = own_layer(call)
    if own is not None:
        return own
    return as_module(call, call.layer) if call.layer is not None else None
