"""Looks on while a cell runs once: every call of a layer, whoever makes it, forward and backward.

Modules are not known beforehand, so that `torch.nn.Module.__call__` is replaced for a while: it
tells where the cell is. A TorchFunctionMode sees the calls of functions. Nothing is replaced in
the cell's own namespace, and of each call only sums are kept.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from magics.measurement.calling import functions
from magics.measurement.calling.calls import Call
from magics.measurement.calling.module_layers import LAYERS
from magics.measurement.calling.operators import tensors_in
from magics.measurement.cells import sighting
from magics.measurement.cells.first_calls import FirstCalls, concerns, shapes_of
from magics.measurement.cells.live_times import LiveTimes, read
from magics.measurement.cells.names import Names
from magics.measurement.cells.places import REPEATED, Frame, Thread
from magics.measurement.cells.repeats import Repeats
from magics.measurement.cells.tally import Seen, same_layer
from magics.measurement.models.modules import is_compiled, own_parameters
from magics.measurement.storage.kept import Kept
from magics.measurement.timing.backward import differentiable, nodes_behind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from magics.measurement.cells.live_times import Timed
    from magics.measurement.cells.repeats import Repeat
    from magics.measurement.cells.tally import Entry, Ran


class Bystander(TorchFunctionMode):
    """Sees calls of layers and adds them up.

    Attributes:
        seen: What was seen.
    """

    def __init__(self, namespace: Mapping[str, Any], *, memory: bool = True) -> None:
        """Prepare to look on.

        Args:
            namespace: Where the cell's models have their names.
            memory: Tell what is kept for the backward.
        """
        super().__init__()
        self.seen = Seen()
        self._names = Names(namespace)
        self._thread = Thread()
        self._times = LiveTimes(self._thread, self.seen)
        self._first_calls, self._repeats = FirstCalls(self.seen), Repeats()
        self._kept = Kept() if memory else None
        self._counted: set[str] = set()
        self._latest: dict[str, object] = {}  # by name, the layer that was met last

    @contextmanager
    def looking_on(self) -> Iterator[None]:
        """Look on for a while."""
        call, run = nn.Module.__call__, getattr(torch.autograd, "_engine_run_backward", None)
        nn.Module.__call__ = self._module_call(call)  # type: ignore[method-assign]  # put back below
        if run is not None:
            torch.autograd._engine_run_backward = self._times.backward_run(run)  # type: ignore[attr-defined]  # torch's own
        self._thread.watched = True
        begin = read()
        try:
            with self:
                yield
        finally:
            self.seen.whole_ns = read() - begin
            self._first_calls.settle()
            self._repeats.settle()
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
        kwargs = kwargs or {}
        if torch.compiler.is_compiling():
            return func(*args, **kwargs)
        kind, frame = functions.kind_of(func), self._thread.frame
        if kind not in {None, "other"} and sighting.is_read(func):
            return self._function(str(kind), func, args, kwargs)
        if (frame is not None and frame.whole) or not concerns(func, in_module=frame is not None):
            return func(*args, **kwargs)
        return self._opaque(func, args, kwargs)

    def _function(
        self, kind: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:  # noqa: ANN401, whatever the function returns
        """Call a layer function whose arguments say what it costs."""
        __tracebackhide__ = True
        frame = self._thread.frame
        if frame is not None and frame.whole:
            result = func(*args, **kwargs)
            if frame.repeated:
                return result
            layer = sighting.layer_seen(func, args, kwargs, result)
            if frame.layer is None:
                frame.layer = layer
            return result
        begin = read()
        timed = self._times.call(func, args, kwargs)
        name = func.__name__.strip("_")
        layer = sighting.layer_seen(func, args, kwargs, timed.result)
        call = Call("", name=name, kind=kind, layer=layer)
        sighting.describe(call, args, kwargs, timed.result)
        self._add(self._entry(_within(frame, name), call, None), call, timed)
        self.seen.looking_ns += read() - begin - timed.whole_ns
        return timed.result

    def _opaque(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:  # noqa: ANN401, whatever the function returns
        """Call a function that torch shows as a whole: it is a row if there are products in it."""
        __tracebackhide__ = True
        shapes = None if self._thread.backwards else shapes_of(args, kwargs)
        if shapes is None:
            return func(*args, **kwargs)
        frame, name = self._thread.frame, func.__name__.strip("_")
        place = (frame.path if frame is not None else "", name)
        if not self._thread.is_first and self._first_calls.again(place, shapes):
            return func(*args, **kwargs)
        begin = read()
        with self._first_calls.watched(place, shapes) as found:
            timed = self._times.call(func, args, kwargs)
        ran = found()
        if not ran.has_products or func.__name__ in functions.LOOKALIKES:
            self._times.take_back(timed)
            self.seen.count_other(ran, place[0])
            self.seen.other_saved_bytes += self._saved(timed) or 0
        else:
            module = frame.module if frame is not None and sighting.is_torchs(frame) else None
            call = Call("", name=name, kind="matmul")
            sighting.describe(call, args, kwargs, timed.result)
            label = place[0] if module is not None else _within(frame, name)
            self._add(self._entry(label, call, module), call, timed, ran)
            self.seen.note_uncounted(ran, place[0])
        self.seen.looking_ns += read() - begin - timed.whole_ns
        return timed.result

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
        begin = read()
        here = self._thread
        with torch._C.DisableTorchFunction():
            key = self._repeats.key(module, args, kwargs) if isinstance(module, LAYERS) else None
            repeat = None if key is None else self._repeats.find(key, module)
            if repeat is None:
                path = self._names.of(module, here.frames[-1].path if here.frames else None)
                is_first = path not in self._counted
                if is_first:
                    self._meet(path, module)
        if repeat is not None:
            return self._again(repeat, call, (module, *args), kwargs)
        hidden, ran = isinstance(module, sighting.HIDDEN), None
        whole = hidden or isinstance(module, LAYERS) or sighting.has_formula(module)
        frame = Frame(path, module, whole, is_first)
        here.frames.append(frame)
        try:
            if not frame.whole:
                self.seen.looking_ns += read() - begin
                return call(module, *args, **kwargs)
            if hidden and not here.backwards:
                with self._first_calls.watched((path, ""), shapes_of(args, kwargs)) as found:
                    timed = self._times.call(call, (module, *args), kwargs)
                ran = found()
                self.seen.note_uncounted(ran, path)
            else:
                timed = self._times.call(call, (module, *args), kwargs)
        finally:
            here.frames.pop()
        with torch._C.DisableTorchFunction():
            described = Call(path, module=module, layer=frame.layer)
            sighting.describe(described, args, kwargs, timed.result)
            described.layer = sighting.layer_of_module(described)
            entry = self._entry(path, described, module)
            self._add(entry, described, timed, ran)
            if key is not None and described.layer is not None and not here.backwards:
                self._repeats.keep(key, module, entry, described.layer)
        self.seen.looking_ns += read() - begin - timed.whole_ns
        return timed.result

    def _again(
        self,
        repeat: Repeat,
        call: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:  # noqa: ANN401, whatever the layer returns
        """Call a layer that was called with such inputs before."""
        __tracebackhide__ = True
        begin = read()
        here = self._thread
        here.frames.append(REPEATED)
        try:
            timed = self._times.call(call, args, kwargs)
        finally:
            here.frames.pop()
        if here.backwards:
            repeat.entry.backward_ns += timed.own_ns
        else:
            repeat.entry.forward.add(timed.own_ns)
            repeat.calls += 1
        self._hook(timed, repeat.entry)
        self.seen.looking_ns += read() - begin - timed.whole_ns
        return timed.result

    def _meet(self, path: str, module: nn.Module) -> None:
        """Take note of a module that is called for the first time under this name."""
        self._counted.add(path)
        self.seen.modes.add(module.training)
        self.seen.count_parameters(own_parameters(module))
        if is_compiled(module):
            self.seen.compiled.add(path)

    def _entry(self, label: str, call: Call, module: nn.Module | None) -> Entry:
        key: object = (label, same_layer(call.layer))
        if call.layer is None:  # torch shows no functions to a mode within a backward
            key = self._latest.get(label, key)
        entry = self.seen.entries.get(key)
        if entry is None:
            self._latest[label] = key
            entry = self.seen.entries[key] = sighting.new_entry(label, call, module)
            if module is not None and not isinstance(module, torch.jit.ScriptModule):
                for inside, child in module.named_modules():  # those that a layer doesn't call
                    if inside and f"{label}.{inside}" not in self._counted:
                        self._meet(f"{label}.{inside}", child)
        return entry

    def _add(self, entry: Entry, call: Call, timed: Timed, ran: Ran | None = None) -> None:
        is_first = not entry.forward.count
        first = tensors_in(timed.result)[:1]
        self.seen.devices.update(str(item.device) for item in first)
        if self._thread.backwards:  # a part of the forward, run again for the backward
            entry.backward_ns += timed.own_ns
        else:
            entry.forward.add(timed.own_ns)
            entry.count(call.layer, call.input_shape, ran)
            if is_first:
                self.seen.channels_last |= any(map(sighting.is_channels_last, first))
                entry.saved_bytes = self._saved(timed)
        self._hook(timed, entry)

    def _hook(self, timed: Timed, entry: Entry) -> None:
        if torch.is_grad_enabled():
            with torch._C.DisableTorchFunction():
                for node in nodes_behind(differentiable(timed.result), timed.older):
                    self._times.hook(node, entry)

    def _saved(self, timed: Timed) -> int | None:
        """Return what a call keeps for the backward, `None` where that is not to be known."""
        if self._kept is None or not torch.is_grad_enabled():
            return None
        with torch._C.DisableTorchFunction():
            nodes = nodes_behind(differentiable(timed.result), timed.older)
            return self._kept.new_bytes(nodes) if nodes else None


def _within(frame: Frame | None, name: str) -> str:
    return f"{frame.path}.{name}()" if frame is not None else f"{name}()"
