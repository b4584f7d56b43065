"""Looks on while a cell runs once: every call of a layer, whoever makes it, forward and backward.

Modules are not known beforehand, so that `torch.nn.Module.__call__` is replaced for a while: it
tells where the cell is. A TorchFunctionMode sees the calls of layer functions. Nothing is
replaced in the cell's own namespace, and of each call only sums are kept.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from magics.measurement import functions
from magics.measurement.backward import differentiable, node_number, nodes_behind
from magics.measurement.calls import Call
from magics.measurement.module_layers import LAYERS
from magics.measurement.modules import own_parameters
from magics.measurement.names import Names
from magics.measurement.operators import tensors_in
from magics.measurement.sighting import describe, has_formula, layer_of_module, layer_seen
from magics.measurement.tally import Entry, Seen, same_layer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from magics.theory import Layer

_SCRIPTED = "scripted: the layers in it are not seen"


@dataclass(slots=True)
class _Frame:
    """A module that is being called.

    Attributes:
        path: Its path.
        module: The module.
        whole: It is a layer as a whole: functions in it are parts of it.
        layer: What its function said.
    """

    path: str
    module: nn.Module
    whole: bool
    layer: Layer | None = None


class _Thread(threading.local):
    """Where one thread is.

    Attributes:
        frames: Modules that are being called, the innermost last.
        inner: For each timed call that is running, the time of the timed calls in it [ns].
        backwards: Number of backward passes that are running.
        watched: Whether this thread's functions are seen.
    """

    def __init__(self) -> None:
        self.frames: list[_Frame] = []
        self.inner: list[int] = []
        self.backwards = 0
        self.watched = False


class Bystander(TorchFunctionMode):
    """Sees calls of layers and adds them up.

    Attributes:
        seen: What was seen.
    """

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        super().__init__()
        self.seen = Seen()
        self._names = Names(namespace)
        self._thread = _Thread()
        self._counted: set[str] = set()
        self._latest: dict[str, object] = {}  # by name, the layer that was met last

    @contextmanager
    def looking_on(self) -> Iterator[None]:
        """Look on for a while."""
        call, run = nn.Module.__call__, getattr(torch.autograd, "_engine_run_backward", None)
        nn.Module.__call__ = self._module_call(call)  # type: ignore[method-assign]  # put back below
        if run is not None:
            torch.autograd._engine_run_backward = self._backward_run(run)  # type: ignore[attr-defined]  # torch's own
        self._thread.watched = True
        begin = _read()
        try:
            with self:
                yield
        finally:
            self.seen.whole_ns = _read() - begin
            nn.Module.__call__ = call  # type: ignore[method-assign]  # put back
            if run is not None:
                torch.autograd._engine_run_backward = run  # type: ignore[attr-defined]  # torch's own

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401, part of torch's protocol
        __tracebackhide__ = True
        kind = functions.kind_of(func)
        if kind is None or kind == "other" or torch.compiler.is_compiling():
            return func(*args, **(kwargs or {}))
        return self._function(kind, func, args, kwargs or {})

    def _function(
        self, kind: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:  # noqa: ANN401, whatever the function returns
        __tracebackhide__ = True
        begin = _read()
        here = self._thread
        frame = here.frames[-1] if here.frames else None
        name = func.__name__.strip("_")
        if frame is not None and frame.whole:
            result = func(*args, **kwargs)
            layer = layer_seen(func, args, kwargs, result)
            if frame.layer is None:
                frame.layer = layer
            return result
        older = node_number()
        result, own, spent = self._timed(func, args, kwargs)
        layer = layer_seen(func, args, kwargs, result)
        label = f"{frame.path}.{name}()" if frame is not None else f"{name}()"
        call = Call("", name=name, kind=kind, layer=layer)
        describe(call, args, kwargs, result)
        entry = self._entry(label, call, None)
        self._add(entry, call, own, older, result)
        self.seen.looking_ns += _read() - begin - spent
        return result

    def _module_call(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def __call__(module: nn.Module, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401, N807, in place of torch's
            __tracebackhide__ = True
            if torch.compiler.is_compiling():
                return call(module, *args, **kwargs)
            if not self._thread.watched:  # a thread of the cell's own
                self._thread.watched = True
                try:
                    with self:
                        return self._module(call, module, args, kwargs)
                finally:
                    self._thread.watched = False
            return self._module(call, module, args, kwargs)

        return __call__

    def _module(
        self,
        call: Callable[..., Any],
        module: nn.Module,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:  # noqa: ANN401, whatever a model returns
        __tracebackhide__ = True
        begin = _read()
        here = self._thread
        with torch._C.DisableTorchFunction():
            path = self._names.of(module, here.frames[-1].path if here.frames else None)
            if path not in self._counted:
                self._meet(path, module)
        scripted = isinstance(module, torch.jit.ScriptModule)
        frame = _Frame(path, module, scripted or isinstance(module, LAYERS) or has_formula(module))
        here.frames.append(frame)
        try:
            if not frame.whole:
                self.seen.looking_ns += _read() - begin
                return call(module, *args, **kwargs)
            older = node_number()
            result, own, spent = self._timed(call, (module, *args), kwargs)
        finally:
            here.frames.pop()
        with torch._C.DisableTorchFunction():
            described = Call(path, module=module, layer=frame.layer)
            describe(described, args, kwargs, result)
            described.layer = layer_of_module(described)
            entry = self._entry(path, described, module)
            self._add(entry, described, own, older, result)
        self.seen.looking_ns += _read() - begin - spent
        return result

    def _timed(
        self, call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, int, int]:
        """Call, and return the result, its own time and its whole time [ns]."""
        __tracebackhide__ = True
        inner = self._thread.inner
        inner.append(0)
        begin = _read()
        try:
            result = call(*args, **kwargs)
        except BaseException:
            inner.pop()
            raise
        spent = _read() - begin
        own = spent - inner.pop()
        if inner:
            inner[-1] += spent
        return result, own, spent

    def _meet(self, path: str, module: nn.Module) -> None:
        """Take note of a module that is called for the first time under this name."""
        self._counted.add(path)
        self.seen.modes.add(module.training)
        self.seen.params += sum(parameter.numel() for parameter in own_parameters(module))

    def _entry(self, label: str, call: Call, module: nn.Module | None) -> Entry:
        key: object = (label, same_layer(call.layer))
        if call.layer is None:  # torch shows no functions to a mode within a backward
            key = self._latest.get(label, key)
        entry = self.seen.entries.get(key)
        if entry is None:
            scripted = isinstance(module, torch.jit.ScriptModule)
            kind = call.layer.kind if call.layer is not None else call.kind or "other"
            title = getattr(module, "original_name", type(module).__name__) if module else call.name
            self._latest[label] = key
            entry = self.seen.entries[key] = Entry(
                label, kind, title, layer=call.layer, input_shape=call.input_shape,
                output_shape=call.output_shape, dtype=call.dtype,
                output_bytes=call.output_bytes, note=_SCRIPTED if scripted else "",
            )  # fmt: skip
            if module is not None:
                entry.params = sum(p.numel() for p in own_parameters(module))
        return entry

    def _add(self, entry: Entry, call: Call, own: int, older: int, result: object) -> None:
        self.seen.devices.update(str(item.device) for item in tensors_in(result)[:1])
        if self._thread.backwards:  # a part of the forward, run again for the backward
            entry.backward_ns += own
        else:
            entry.forward.add(own)
            entry.count(call.layer, call.input_shape)
        if torch.is_grad_enabled():
            with torch._C.DisableTorchFunction():
                for node in nodes_behind(differentiable(result), older):
                    self._hook(node, entry)

    def _hook(self, node: Any, entry: Entry) -> None:  # noqa: ANN401, torch has no type for nodes
        if hasattr(node, "variable"):  # it merely stores a gradient
            return
        begun = [0]
        inner = self._thread

        def before(_gradients: object) -> None:
            inner.inner.append(0)
            begun[0] = _read()

        def after(_inputs: object, _outputs: object) -> None:
            spent = _read() - begun[0]
            entry.backward_ns += spent - (inner.inner.pop() if inner.inner else 0)
            entry.backwards += 1
            if inner.inner:
                inner.inner[-1] += spent

        node.register_prehook(before)
        node.register_hook(after)

    def _backward_run(self, run: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401, in place of torch's
            __tracebackhide__ = True
            here = self._thread
            here.backwards += 1
            running = len(here.inner)
            begin = _read()
            try:
                return run(*args, **kwargs)
            finally:
                del here.inner[running:]  # of nodes that raised
                here.backwards -= 1
                if not here.backwards:
                    self.seen.backward_ns += _read() - begin

        return timed


def _read() -> int:
    """Read the clock; where a GPU works, once it has done what it was given."""
    if torch.cuda.is_initialized() and not torch.cuda.is_current_stream_capturing():
        torch.cuda.synchronize()
    return time.perf_counter_ns()
