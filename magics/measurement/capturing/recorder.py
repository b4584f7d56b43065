"""Builds the tree of calls while a model runs."""

from __future__ import annotations

import functools
import sys
import threading
from contextlib import contextmanager
from math import prod
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.weak import TensorWeakRef

from magics.measurement.calling import functions, operators
from magics.measurement.calling.calls import Call, Operator
from magics.measurement.calling.operators import tensors_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from torch import nn

    from magics.measurement.fields.tape import Tape
    from magics.measurement.models.modules import Forward, Target
    from magics.measurement.state import Watch


class Recorder:
    """Builds the tree of calls while the model runs.

    Attributes:
        root: Stands for the code that calls the model.
        tape: Is asked for the field of every output, where receptive fields are wanted.
    """

    def __init__(
        self,
        target: Target,
        watch: Watch,
        observed: Callable[[Recorder], AbstractContextManager[object]],
        tape: Tape | None = None,
    ) -> None:
        """Keep what is needed.

        Args:
            target: What will be called.
            watch: To be told of writes.
            observed: Returns the context in which functions and operators are seen; torch
                keeps it per thread.
            tape: Notes which operator read which tensor.
        """
        self.tape = tape
        self.root = Call("")
        self._home = [self.root]
        self._stacks = {threading.get_ident(): self._home}
        self._watch = watch
        self._observed = observed
        self._parameters = target.parameters()
        self._written_places: dict[Any, tuple[tuple[int, str], ...]] = {}
        self._derived: dict[int, TensorWeakRef] = {}  # what a parameter had a part in
        self._records_gradients = torch.is_grad_enabled()
        self._failed: tuple[BaseException | None, list[Call]] = (None, [])

    @property
    def stack(self) -> list[Call]:
        """The calls that are open in this thread, the outermost first."""
        own = self._stacks.get(threading.get_ident())
        if own is None:  # a thread works for the call that waits for it
            own = self._stacks[threading.get_ident()] = [self._home[-1]]
        return own

    def open_at(self, error: BaseException) -> list[Call]:
        """Return the calls that were open when an exception was raised."""
        return self._failed[1] if self._failed[0] is error else self.stack

    def ended_at(self, error: BaseException) -> Call:
        """Return what had ended when an exception was raised, without the calls around it."""
        still_open = self.open_at(error)
        around = {id(call) for call in still_open}
        ended = Call("")
        for call in still_open:
            ended.calls += [inner for inner in call.calls if id(inner) not in around]
            ended.operators += call.operators
        return ended

    @contextmanager
    def inside(self, call: Call) -> Iterator[Call]:
        """Make `call` the place where things happen."""
        stack = self.stack
        stack[-1].calls.append(call)
        stack.append(call)
        try:
            yield call
        except BaseException as error:
            if self._failed[0] is not error:
                self._failed = (error, list(stack))
            raise
        finally:  # the model may know what to do about an exception, and go on
            stack.pop()

    def wrap(self, path: str, module: nn.Module, forward: Forward) -> Forward:
        """Return a forward that records its call."""

        @functools.wraps(forward)
        def recorded(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401, whatever a model takes
            thread = threading.get_ident()
            if thread in self._stacks:
                return self._module(path, module, forward, args, kwargs)
            with self._observed(self):
                try:
                    return self._module(path, module, forward, args, kwargs)
                finally:
                    self._stacks.pop(thread, None)

        return recorded

    def _module(
        self,
        path: str,
        module: nn.Module,
        forward: Forward,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Any:  # noqa: ANN401, whatever a model returns
        with self.inside(Call(path, module=module)) as call:
            # Else a look at a tensor's shape would be observed, too.
            with torch._C.DisableTorchFunction():
                _describe_input(call, tensors_in((args, kwargs)))
            result = forward(*args, **kwargs)
            with torch._C.DisableTorchFunction():
                self._describe_output(call, _outputs(result))
        return result

    def function(
        self,
        kind: str,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Any:  # noqa: ANN401, whatever the function returns
        """Call a layer function and record it."""
        call = Call(self.stack[-1].path, name=func.__name__.strip("_"), kind=kind)
        call.namespace = _caller_globals()
        tensors = tensors_in((args, kwargs))
        call.parameters = self._among_parameters(tensors)
        call.explained = functions.reads(func) and not any(map(_hides_its_size, tensors))
        with self.inside(call):
            _describe_input(call, tensors)
            result = func(*args, **kwargs)
            outputs = _outputs(result)
            self._describe_output(call, outputs)
            if call.explained:
                given = functions.arguments(func, args, kwargs)
                call.input_shape = _shape(given["input"])  # keywords come in any order
                call.layer = functions.layer_of(func, given, result, self.needs_grad)
                self._pass_gradients(tensors, outputs)
        return result

    def _describe_output(self, call: Call, tensors: list[torch.Tensor]) -> None:
        _describe_output(call, tensors)
        if tensors and self.tape is not None:
            self.tape.mark(call, tensors[0])

    def needs_grad(self, tensor: torch.Tensor) -> bool:
        """Return whether backward would need a tensor's gradient, also under no_grad."""
        if tensor.requires_grad:
            return True
        known = self._derived.get(id(tensor))
        return known is not None and known() is tensor

    def operator(
        self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: object  # noqa: ANN401, an OpOverload
    ) -> None:  # fmt: skip
        """Record what an operator did."""
        place = self.stack[-1]
        name = func._schema.name
        if place.explained:
            place.inside.append(name)
            return
        everything = (*args, *kwargs.values()) if kwargs else args
        inputs, outputs = tensors_in(everything), tensors_in(result)
        work = operators.work_of(name, everything, inputs, outputs, self.needs_grad)
        if name != "aten::detach":
            self._pass_gradients(inputs, outputs)
        seen = Operator(
            name,
            work,
            _shape(inputs[0]) if inputs else (),
            _shape(outputs[0]) if outputs else (),
            str(outputs[0].dtype).removeprefix("torch.") if outputs else "",
            self._among_parameters(inputs) if work.kind != "other" else (),
        )
        place.operators.append(seen)
        if work.layer is not None and outputs and self.tape is not None:
            self.tape.mark(seen, outputs[0])

    def unseen(self, name: str) -> None:
        """Record an operator that runs others where they can't be seen."""
        work = operators.Work("other", None)
        self.stack[-1].operators.append(Operator(name, work, (), (), ""))

    def _pass_gradients(self, inputs: list[torch.Tensor], outputs: list[torch.Tensor]) -> None:
        """Note that a backward would come through here, where one would."""
        if self._records_gradients and not torch.is_grad_enabled():
            return  # the model itself says no_grad here
        if any(map(self.needs_grad, inputs)):
            for tensor in outputs:
                if tensor.is_floating_point() or tensor.is_complex():
                    self._derived[id(tensor)] = TensorWeakRef(tensor)

    def _among_parameters(self, tensors: list[torch.Tensor]) -> tuple[int, ...]:
        return tuple(id(item) for item in tensors if id(item) in self._parameters)

    def before(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:  # noqa: ANN401, an OpOverload
        """Tell the watch what an operator is about to write."""
        places = self._written_places.get(func)
        if places is None:
            places = tuple(
                (place, argument.name)
                for place, argument in enumerate(func._schema.arguments)
                if argument.alias_info is not None and argument.alias_info.is_write
            )
            self._written_places[func] = places
        for place, name in places:
            value = args[place] if place < len(args) else kwargs.get(name)
            for tensor in tensors_in(value):
                self._watch.before_write(tensor)


def _hides_its_size(tensor: torch.Tensor) -> bool:
    """Return whether a tensor has a batch that its shape doesn't tell: ragged, or of `vmap`."""
    if tensor.is_nested:
        return True
    while torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        if torch._C._functorch.is_batchedtensor(tensor):
            return True
        tensor = torch._C._functorch.get_unwrapped(tensor)
    return False


def _describe_input(call: Call, tensors: list[torch.Tensor]) -> None:
    if tensors:
        call.input_shape = _shape(tensors[0])


def _describe_output(call: Call, tensors: list[torch.Tensor]) -> None:
    if tensors:
        call.output_shape = _shape(tensors[0])
        call.dtype = str(tensors[0].dtype).removeprefix("torch.")
        call.itemsize = tensors[0].element_size()
        call.output_bytes = sum(prod(_shape(item)) * item.element_size() for item in tensors)


def _shape(tensor: torch.Tensor) -> tuple[int, ...]:
    """Return a tensor's shape; that of its values if it is a ragged batch."""
    return tuple(tensor.values().shape if tensor.is_nested else tensor.shape)


def _outputs(result: object) -> list[torch.Tensor]:
    tensors = tensors_in(result)
    if tensors or result is None:
        return tensors
    # Outputs in objects, such as a dataclass: those of its attributes that are tensors.
    return tensors_in(list(getattr(result, "__dict__", {}).values()))


def _caller_globals() -> dict[str, Any]:
    frame = sys._getframe(2)
    while frame.f_back is not None:
        name = frame.f_globals.get("__name__", "")
        if not name.startswith(("torch.", "magics.measurement")):
            break
        frame = frame.f_back
    return frame.f_globals
