"""What a change can look at, and what it answers with.

A change is a few lines of code about `model` and its inputs. Those lines are what the user is
shown, and they are run on a copy: what was measured is what they do.
"""

from __future__ import annotations

import copy
import inspect
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import torch

from magics.measurement.calling.followers import Follower, followers
from magics.measurement.calling.operators import tensors_in
from magics.measurement.models.nested import mapped
from magics.studies.advising.changes.copies import Copy, cloned, settings_kept

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from torch import nn

    from magics.measurement.models.modules import Target
    from magics.records import LayerProfile, Profile

SAME = 1e-5
"""Difference over the largest output up to which two results are the same [1]."""

_ROUNDINGS = 8
"""Half-precision results are the same up to so many times their precision."""

_TAKEN = frozenset({"model", "torch", "self", "y", "layer", "norm", "name", "call"})
"""Names that mean something in the lines of code."""


@dataclass(frozen=True, slots=True)
class Variation:
    """A change, ready to be tried.

    Attributes:
        code: Lines that make it, about `model`, the inputs and `torch`.
        within: What the model is called in, such as 'torch.no_grad()'; '' for nothing.
        settings: The lines change torch, not the copy: they hold in the change's turns only.
        before: Lines that set torch as it was found, where changes are measured otherwise.
        why: What was found that makes it worth trying.
        cost: What it costs besides.
        layers: Names of the layers concerned.
        tolerance: Up to which error the result counts as the same; `None` for `Context.same`.
        gradients: The model itself is called with gradients recorded, though without a backward.
        slow_start: The first call takes time of its own.
        takes_s: Time that making it takes, about [s].
        around: What has to hold while it is tried.
    """

    code: str = ""
    within: str = ""
    settings: bool = False
    before: str = ""
    why: str = ""
    cost: str = ""
    layers: tuple[str, ...] = ()
    tolerance: float | None = None
    gradients: bool = False
    slow_start: bool = False
    takes_s: float = 0.0
    around: Callable[[], AbstractContextManager[object]] = nullcontext

    def shown(self, call: str) -> str:
        """Return the lines as a user would write them."""
        lines = [self.code] if self.code else []
        if self.within:
            lines.append(f"with {self.within}:\n    y = {call}")
        return "\n".join(lines)


class NotTriedError(Exception):
    """A change might apply, but can't be tried; the message says why."""


class Change(Protocol):
    """Something to try.

    Attributes:
        name: What it is called.
        link: Page of the documentation about it.
    """

    name: str
    link: str

    def variation(self, context: Context) -> Variation | str:
        """Return the change, ready to be tried, or why it does not apply.

        Raises:
            NotTriedError: If it can't be tried.
        """


@dataclass
class Context:
    """What is known of a model before anything is changed.

    Attributes:
        target: The model to copy from, prepared as the options say; it is never run or changed.
        args: What it is called with.
        kwargs: Keyword arguments.
        profile: Its counts and receptive fields.
        backward: Changes are measured in training steps.
        threads: Threads that changes are measured with.
        device: Where it runs.
        found_threads: Threads that torch works with where the user calls the model.
        gradients: Gradients are recorded where the user calls the model.
        uncopyable: Why the model can't be copied, '' if it can.
        subnormal: What is known about subnormal numbers, '' if there are none.
        pooled_last: Names of the pools that are given channels_last already.
    """

    target: Target
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    profile: Profile
    backward: bool
    threads: int
    device: torch.device
    found_threads: int = 1
    gradients: bool = True
    uncopyable: str = ""
    subnormal: str = ""
    pooled_last: frozenset[str] = frozenset()

    @property
    def model(self) -> nn.Module | None:
        """The module, or `None` for a function."""
        return self.target.model

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the positional inputs in the lines of code."""
        if len(self.args) == 1:
            return ("x",)
        call = self.model.forward if self.model is not None else self.target.call
        try:
            known = [
                item.name
                for item in inspect.signature(call).parameters.values()
                if item.kind in {item.POSITIONAL_ONLY, item.POSITIONAL_OR_KEYWORD}
            ]
        except (TypeError, ValueError):
            known = []
        if len(known) < len(self.args) or (_TAKEN | self.kwargs.keys()) & {*known}:
            return tuple(f"x{place}" for place in range(len(self.args)))
        return tuple(known[: len(self.args)])

    @property
    def call(self) -> str:
        """The call of the model, as it is written."""
        named = (f"{name}={_free(name)}" for name in self.kwargs)
        return f"model({', '.join((*self.names, *named))})"

    @property
    def inputs(self) -> dict[str, Any]:
        """Every input by its name in the lines of code."""
        named = {_free(name): value for name, value in self.kwargs.items()}
        return dict(zip(self.names, self.args, strict=True)) | named

    def tensors(self, dimensions: int) -> list[str]:
        """Return the names of inputs that are tensors of so many dimensions."""
        return [
            name
            for name, value in self.inputs.items()
            if isinstance(value, torch.Tensor) and value.dim() == dimensions
        ]

    @property
    def dtype(self) -> torch.dtype:
        """Type of the elements that it computes with."""
        floats = [p.dtype for p in self.target.parameters().values() if p.is_floating_point()]
        floats += [v.dtype for v in self.inputs.values()
                   if isinstance(v, torch.Tensor) and v.is_floating_point()]  # fmt: skip
        return floats[0] if floats else torch.float32

    @property
    def same(self) -> float:
        """Up to which error a result counts as the same [1].

        Gradients have gone through the model twice.
        """
        return max(SAME * (10 if self.backward else 1), _ROUNDINGS * torch.finfo(self.dtype).eps)

    @property
    def placed(self) -> str:
        """Arguments that put a new layer beside those of the model; '' for the usual ones."""
        where = "" if self.device.type == "cpu" else f", device={str(self.device)!r}"
        return where + ("" if self.dtype == torch.float32 else f", dtype={self.dtype}")

    def leaves(self) -> list[torch.Tensor]:
        """Return the parameters, and the tensors that are given."""
        return [*self.target.parameters().values(), *tensors_in(list(self.inputs.values()))]

    @cached_property
    def modules(self) -> dict[str, nn.Module]:
        """Every module that `model.get_submodule` finds, by its name."""
        return dict(self.model.named_modules()) if self.model is not None else {}

    @cached_property
    def layers(self) -> list[LayerProfile]:
        """Every layer once, however often it is called."""
        return list({layer.name: layer for layer in self.profile.layers}.values())

    @cached_property
    def followers(self) -> tuple[Follower, ...]:
        """Batch norms that take the whole output of one layer, and nobody else does.

        Raises:
            NotTriedError: If there is no copy to run.
        """
        if self.uncopyable:
            raise NotTriedError(self.uncopyable)
        made = self.copied()
        with settings_kept(), torch.no_grad():
            return followers(made.namespace["model"], made.call)

    def copied(self, within: str = "") -> Copy:
        """Return a copy to change and to run; a function is its own."""
        model: Any = self.target.call if self.model is None or self.uncopyable else self.model
        if self.model is not None and not self.uncopyable:
            model = copy.deepcopy(self.model)
        elif self.model is not None:
            model = self.model
        own = mapped(self.inputs, cloned)
        namespace = {"torch": torch, "model": model, **own}
        body = f"    with {within}:\n        return {self.call}" if within else (
            f"    return {self.call}")  # fmt: skip
        exec(f"def call():\n{body}", namespace)  # noqa: S102, the call that the user is shown
        return Copy(namespace, namespace.pop("call"), tensors_in(list(own.values())))


def _free(name: str) -> str:
    return f"{name}_" if name in _TAKEN else name
