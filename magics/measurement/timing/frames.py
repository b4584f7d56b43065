"""Which row runs right now: frames around the calls of modules and layer functions.

A row's key is known when its call has ended, because rows count calls in the order of their
ends; until then what is found out is kept in the frame.
"""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch

from magics.measurement.calling.interpose import replaced_functions
from magics.measurement.calling.operators import tensors_in
from magics.measurement.models.modules import replaced_forwards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torch import nn

    from magics.measurement.models.modules import Forward, Target
    from magics.measurement.plan import Key, Plan


@dataclass(frozen=True, slots=True)
class Workload:
    """A model, its rows, and what to call it with."""

    target: Target
    plan: Plan
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def run(self) -> Any:  # noqa: ANN401, whatever the model returns
        """Call the model once."""
        return self.target.call(*self.args, **self.kwargs)

    def tensors(self) -> list[torch.Tensor]:
        """Return the tensors among the inputs."""
        return tensors_in((self.args, self.kwargs))

    def device(self) -> torch.device:
        """Return the device of the first tensor among inputs and parameters."""
        for tensor in (*self.tensors(), *self.target.parameters().values()):
            return tensor.device
        return torch.device("cpu")


@dataclass(slots=True, eq=False)
class Frame:
    """One call that is running, or has ended.

    Attributes:
        path: Path of the module that is called, or that calls the function.
        name: Name of the function; '' for a module.
        is_row: Whether the call has a row of its own; the others belong to everything else.
        key: The row, once the call has ended.
    """

    path: str
    name: str
    is_row: bool
    key: Key | None = None


class Observer(Protocol):
    """What wants to know when a call with a row begins and ends."""

    def begin(self, frame: Frame, given: tuple[object, ...]) -> None:
        """Take note of a call that begins, and of what it was given."""

    def end(self, frame: Frame) -> None:
        """Take note of a call that has ended; its key is known now."""


class Frames:
    """The calls that run at this moment, the innermost last."""

    def __init__(self, work: Workload, observer: Observer) -> None:
        self._stacks = threading.local()  # a model may call its modules in threads of its own
        self._target, self._plan, self._observer = work.target, work.plan, observer
        self._rows = {row.key for row in work.plan.rows if row.timed}
        self._labels = {row.name for row in work.plan.rows}
        self._counts: Counter[str] = Counter()

    @property
    def top(self) -> Frame | None:
        """The row that runs in this thread, or `None` while something runs that has no row."""
        frame = self._innermost()
        return frame if frame is not None and frame.is_row else None

    def _innermost(self) -> Frame | None:
        stack = self._stack()
        return stack[-1] if stack else None

    def _stack(self) -> list[Frame]:
        frames: list[Frame] = self._stacks.__dict__.setdefault("frames", [])
        return frames

    @contextmanager
    def placed(self) -> Iterator[None]:
        """Observe all calls of the target for a while."""
        with (
            replaced_forwards(self._target.modules, self._forward),
            replaced_functions(self._plan.functions, self._function),
        ):
            yield

    def _forward(self, path: str, _module: nn.Module, forward: Forward) -> Forward:
        is_row = path in self._plan.modules

        def framed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401, whatever a model takes
            return self._within(Frame(path, "", is_row), forward, args, kwargs)

        return framed

    def _function(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def framed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401, whatever it takes
            outer = self._innermost()
            if outer is not None and (outer.is_row or outer.name):
                return function(*args, **kwargs)  # a part of what runs
            path = outer.path if outer is not None else ""
            label = f"{path}.{name}()" if path else f"{name}()"
            frame = Frame(path, name, is_row=label in self._labels)
            return self._within(frame, function, args, kwargs)

        return framed

    def _within(
        self, frame: Frame, call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:  # noqa: ANN401, whatever the call returns
        stack = self._stack()
        stack.append(frame)
        try:
            if frame.is_row:
                self._observer.begin(frame, (*args, *kwargs.values()))
            return call(*args, **kwargs)
        finally:
            frame.key = self._next_key(frame)
            if frame.is_row:
                self._observer.end(frame)
            stack.pop()

    def _next_key(self, frame: Frame) -> Key | None:
        label = frame.path
        if frame.name:
            label = f"{label}.{frame.name}()" if label else f"{frame.name}()"
        index = self._counts[label]
        self._counts[label] += 1
        return (label, index) if (label, index) in self._rows else None
