"""Batch norms that follow a layer: they alone take its output, and take it as it is."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from magics.measurement.calling.dispatch import OperatorObserver
from magics.measurement.calling.operators import tensors_in
from magics.measurement.state import storage_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_LAYERS = {*CONVOLUTIONS, *TRANSPOSED, nn.Linear}


@dataclass(frozen=True, slots=True)
class Follower:
    """A batch norm and the layer whose output it takes.

    Attributes:
        layer: Name of the convolution, transposed convolution or linear layer.
        norm: Name of the batch norm.
        channels_first: The layer's channels are those of the norm: not so for a linear layer on
            more than two dimensions.
    """

    layer: str
    norm: str
    channels_first: bool


class _Uses(OperatorObserver):
    """Counts how often operators take memory that a layer gave, outside its norm."""

    def __init__(self) -> None:
        super().__init__()
        self.given: dict[int, list[str]] = {}  # place in memory: layers that gave it
        self.uses: dict[str, int] = {}
        self.within = 0

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401, part of torch's protocol
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401, part of torch's protocol
        if not self.within:
            for tensor in tensors_in((args, kwargs)):
                self.used(tensor)
        return func(*args, **(kwargs or {}))

    def used(self, tensor: torch.Tensor) -> None:
        storage = storage_of(tensor)
        for layer in self.given.get(storage.data_ptr(), ()) if storage is not None else ():
            self.uses[layer] = self.uses.get(layer, 0) + 1


def followers(model: nn.Module, call: Callable[[], object]) -> tuple[Follower, ...]:
    """Run a model once, and return its batch norms that follow a layer.

    Layers and norms that run more than once, or have other names as well, are in no pair, nor
    are subclasses, whose `forward` may be anything, nor those whose weights hooks make.

    Args:
        model: The model.
        call: Calls it.
    """
    names: dict[int, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        names.setdefault(id(module), []).append(name)
    uses = _Uses()
    outputs: dict[str, list[Any]] = {}
    takes: dict[str, list[tuple[str | None, int]]] = {}
    with ExitStack() as stack:
        for name, module in model.named_modules():
            if len(names[id(module)]) > 1:
                continue
            if type(module) in _LAYERS and not module._forward_pre_hooks:
                hook = _giving(name, uses, outputs)
                stack.callback(module.register_forward_hook(hook).remove)
            elif type(module) in NORMS:
                before, after = _taking(name, uses, outputs, takes)
                stack.callback(module.register_forward_pre_hook(before, prepend=True).remove)
                stack.callback(module.register_forward_hook(after, always_call=True).remove)
        with uses:
            result = call()
    for tensor in tensors_in(result):
        uses.used(tensor)
    return tuple(
        Follower(found[0][0], norm, channels_first=found[0][1] == 2 or _is_conv(model, found[0][0]))  # noqa: PLR2004, batch and channels
        for norm, found in takes.items()
        if len(found) == 1 and found[0][0] is not None and len(outputs[found[0][0]]) == 1
        and not uses.uses.get(found[0][0])
    )  # fmt: skip


def _is_conv(model: nn.Module, name: str) -> bool:
    return not isinstance(model.get_submodule(name), nn.Linear)


def _giving(name: str, uses: _Uses, outputs: dict[str, list[Any]]) -> Callable[..., None]:
    def after(_module: nn.Module, _args: object, output: object) -> None:
        outputs.setdefault(name, []).append(output)
        if isinstance(output, torch.Tensor):
            storage = storage_of(output)
            if storage is not None:
                uses.given.setdefault(storage.data_ptr(), []).append(name)

    return after


def _taking(
    name: str,
    uses: _Uses,
    outputs: dict[str, list[Any]],
    takes: dict[str, list[tuple[str | None, int]]],
) -> tuple[Callable[..., None], Callable[..., None]]:
    def before(_module: nn.Module, args: tuple[object, ...]) -> None:
        uses.within += 1
        given = args[0] if args else None
        layer = next((key for key, made in outputs.items() if any(o is given for o in made)), None)
        dimensions = given.dim() if isinstance(given, torch.Tensor) else 0
        takes.setdefault(name, []).append((layer, dimensions))

    def after(*_: object) -> None:
        uses.within -= 1

    return before, after
