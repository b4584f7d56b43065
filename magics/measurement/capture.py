"""One pass over the model: every call, module or function, with its place and its work.

Three observers look at the same forward. A replaced `forward` on every module's instance
tells where the model is; a TorchFunctionMode recognises calls of layer functions; a
TorchDispatchMode sees every operator that runs, scripted ones too. An operator inside a
recognised call is explained by that call, so nothing is counted twice.
"""

from __future__ import annotations

import functools
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from magics.errors import ConvProfileError
from magics.measurement import functions, operators
from magics.measurement.modules import Forward, Target, replaced_forwards
from magics.measurement.problems import explain
from magics.theory import Cost, Layer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torch import nn

    from magics.measurement.state import Watch


@dataclass(slots=True)
class Operator:
    """One operator that ran: its full name and its work."""

    name: str
    work: operators.Work
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    dtype: str


@dataclass(slots=True)
class Call:
    """One call of a module or of a layer function.

    Attributes:
        path: Dotted path of the module, or of the module that calls the function.
        name: Name of the function; '' for a module.
        module: The module; `None` for a function.
        kind: Kind of layer of a function; '' for a module.
        layer: A function's call as a layer, where its arguments say it all.
        calls: Calls inside, in the order of their begins.
        operators: What ran here and in no call inside.
        parameters: Parameters among a function's arguments.
        namespace: Globals of the code that called a function.
        input_shape: Shape of the first tensor that went in.
        output_shape: Shape of the first tensor that came out.
        dtype: Element type of what came out.
        output_bytes: Size of what came out [bytes].
    """

    path: str
    name: str = ""
    module: nn.Module | None = None
    kind: str = ""
    layer: Layer | None = None
    calls: list[Call] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)
    parameters: tuple[int, ...] = ()
    namespace: dict[str, Any] | None = None
    input_shape: tuple[int, ...] = ()
    output_shape: tuple[int, ...] = ()
    dtype: str = ""
    output_bytes: int = 0

    @property
    def functions(self) -> list[Call]:
        """Calls of layer functions directly in this call."""
        return [call for call in self.calls if call.module is None]

    @property
    def modules(self) -> list[Call]:
        """Calls of modules directly in this call."""
        return [call for call in self.calls if call.module is not None]

    def all_operators(self) -> Iterator[Operator]:
        """Yield what ran here and in all calls inside."""
        yield from self.operators
        for call in self.calls:
            yield from call.all_operators()

    def cost(self) -> Cost:
        """Return the work of all operators here and in the calls inside."""
        return sum((item.work.cost or Cost() for item in self.all_operators()), Cost())


class Recorder:
    """Builds the tree of calls while the model runs."""

    def __init__(self, target: Target, watch: Watch) -> None:
        self.root = Call("")
        self.stack = [self.root]
        self._watch = watch
        self._parameters = target.parameters()
        self._mutable: dict[Any, tuple[int, ...]] = {}
        self._derived = WeakTensorKeyDictionary()  # what a parameter had a part in

    @contextmanager
    def inside(self, call: Call) -> Iterator[Call]:
        """Make `call` the place where things happen."""
        self.stack[-1].calls.append(call)
        self.stack.append(call)
        yield call
        # Not in a finally: after an exception the stack still says where it came from.
        self.stack.pop()

    def wrap(self, path: str, module: nn.Module, forward: Forward) -> Forward:
        """Return a forward that records its call."""

        @functools.wraps(forward)
        def recorded(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401, whatever a model takes
            with self.inside(Call(path, module=module)) as call:
                _describe_input(call, operators.tensors_in((args, kwargs)))
                result = forward(*args, **kwargs)
                _describe_output(call, _outputs(result))
            return result

        return recorded

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
        tensors = operators.tensors_in((args, kwargs))
        call.parameters = tuple(id(item) for item in tensors if id(item) in self._parameters)
        with self.inside(call):
            _describe_input(call, tensors)
            result = func(*args, **kwargs)
            _describe_output(call, _outputs(result))
            if functions.reads(func):
                given = functions.arguments(func, args, kwargs)
                call.layer = replace(
                    functions.layer_of(func, given, result),
                    needs_input_grad=self._needs_grad(given["input"]),
                )
        return result

    def _needs_grad(self, tensor: torch.Tensor) -> bool:
        """Return whether backward would need a tensor's gradient, also under no_grad."""
        return tensor.requires_grad or tensor in self._derived

    def operator(
        self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: object  # noqa: ANN401, an OpOverload
    ) -> None:  # fmt: skip
        """Record what an operator did."""
        everything = (*args, *kwargs.values())
        inputs, outputs = operators.tensors_in(everything), operators.tensors_in(result)
        work = operators.work_of(func, everything, result)
        if func._schema.name != "aten::detach" and any(map(self._needs_grad, inputs)):
            for tensor in outputs:
                self._derived[tensor] = True
        if work.layer is not None:
            needs = self._needs_grad(inputs[work.layer.kind == "matmul" and work.layer.bias])
            work = replace(work, layer=replace(work.layer, needs_input_grad=needs))
        self.stack[-1].operators.append(
            Operator(
                operators.full_name(func),
                work,
                tuple(inputs[0].shape) if inputs else (),
                tuple(outputs[0].shape) if outputs else (),
                str(outputs[0].dtype).removeprefix("torch.") if outputs else "",
            ),
        )

    def before(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:  # noqa: ANN401, an OpOverload
        """Tell the watch what an operator is about to write."""
        places = self._mutable.get(func)
        if places is None:
            arguments = func._schema.arguments
            places = tuple(
                place
                for place, argument in enumerate(arguments)
                if argument.alias_info is not None and argument.alias_info.is_write
            )
            self._mutable[func] = places
        for place in places:
            value = (
                args[place] if place < len(args) else kwargs.get(func._schema.arguments[place].name)
            )
            for tensor in operators.tensors_in(value):
                self._watch.before_write(tensor)


def _describe_input(call: Call, tensors: list[torch.Tensor]) -> None:
    if tensors:
        call.input_shape = tuple(tensors[0].shape)


def _describe_output(call: Call, tensors: list[torch.Tensor]) -> None:
    if tensors:
        call.output_shape = tuple(tensors[0].shape)
        call.dtype = str(tensors[0].dtype).removeprefix("torch.")
        call.output_bytes = sum(item.numel() * item.element_size() for item in tensors)


def _outputs(result: object) -> list[torch.Tensor]:
    tensors = operators.tensors_in(result)
    if tensors or result is None:
        return tensors
    # Outputs in objects, such as a dataclass: those of its attributes that are tensors.
    return operators.tensors_in(list(getattr(result, "__dict__", {}).values()))


def _caller_globals() -> dict[str, Any]:
    frame = sys._getframe(2)
    while frame.f_back is not None:
        name = frame.f_globals.get("__name__", "")
        if not name.startswith(("torch.", "magics.measurement")):
            break
        frame = frame.f_back
    return frame.f_globals


class _FunctionObserver(TorchFunctionMode):
    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401, part of torch's protocol
        kind = functions.kind_of(func)
        if kind is None:
            return func(*args, **(kwargs or {}))
        return self._recorder.function(kind, func, args, kwargs or {})


class _OperatorObserver(TorchDispatchMode):
    def __init__(self, recorder: Recorder) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._recorder = recorder

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401, part of torch's protocol
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401, part of torch's protocol
        kwargs = kwargs or {}
        recorder = self._recorder
        recorder.before(func, args, kwargs)
        if func._schema.name in _COMPOSITES:
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        recorder.operator(func, args, kwargs, result)
        return result


_COMPOSITES = frozenset(
    f"aten::{name}"
    for name in (
        *(f"conv{n}d" for n in (1, 2, 3)),
        *(f"conv_transpose{n}d" for n in (1, 2, 3)),
        "conv2d.padding", "linear", "matmul", "batch_norm", "einsum", "bilinear",
        "scaled_dot_product_attention", "flatten", "dropout", "layer_norm", "group_norm",
        "instance_norm", "max_pool2d", "max_pool3d", "adaptive_avg_pool2d",
        "adaptive_avg_pool3d", "adaptive_avg_pool1d", "softmax", "log_softmax",
    )
)  # fmt: skip
"""Operators made of others; inference mode shows them whole, other modes don't."""


def capture(
    target: Target,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    watch: Watch,
) -> Call:
    """Run the model once and return the tree of its calls.

    Raises:
        ForwardError: If the model raises.
    """
    recorder = Recorder(target, watch)
    with ExitStack() as stack:
        stack.enter_context(replaced_forwards(target.modules, recorder.wrap))
        stack.enter_context(_OperatorObserver(recorder))
        stack.enter_context(_FunctionObserver(recorder))
        try:
            target.call(*args, **kwargs)
        except ConvProfileError:
            raise
        except Exception as error:
            raise explain(error, recorder.stack, args) from error
    return recorder.root
