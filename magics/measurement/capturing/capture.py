"""One pass over the model: every call, module or function, with its place and its work.

Three observers look at the same forward. A replaced `forward` on every module's instance
tells where the model is; a TorchFunctionMode recognises calls of layer functions; a
TorchDispatchMode sees every operator that runs, scripted ones too. An operator inside a
recognised call is explained by that call, so nothing is counted twice.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch._ops import HigherOrderOperator
from torch.overrides import TorchFunctionMode

from magics.errors import ConvProfileError
from magics.measurement.calling import functions
from magics.measurement.calling.calls import Call
from magics.measurement.calling.dispatch import OperatorObserver
from magics.measurement.capturing.problems import explain
from magics.measurement.capturing.recorder import Recorder
from magics.measurement.machine.process import without_collection
from magics.measurement.models.modules import Target, replaced_forwards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from magics.measurement.fields.tape import Tape
    from magics.measurement.state import Watch


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
        kwargs = kwargs or {}
        kind = functions.kind_of(func)
        if kind is not None:
            return self._recorder.function(kind, func, args, kwargs)
        if self._recorder.tape is not None:
            return self._recorder.tape.run_function(func, args, kwargs)
        return func(*args, **kwargs)


class _OperatorObserver(OperatorObserver):
    supports_higher_order_operators = True

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401, part of torch's protocol
        types: tuple[type, ...],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401, part of torch's protocol
        kwargs = kwargs or {}
        if isinstance(func, HigherOrderOperator):
            return self._higher_order(func, args, kwargs)
        if any(hasattr(kind, "__tensor_flatten__") for kind in types):
            return NotImplemented  # what such a tensor is made of comes back here
        recorder = self._recorder
        recorder.before(func, args, kwargs)
        if func._schema.name in COMPOSITES:
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        if recorder.tape is None:
            result = func(*args, **kwargs)
        else:
            result = recorder.tape.run(func, args, kwargs)
        recorder.operator(func, args, kwargs, result)
        return result

    def _higher_order(
        self,
        func: HigherOrderOperator,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:  # noqa: ANN401, part of torch's protocol
        if func is torch.ops.higher_order.cond:
            condition, when_true, when_false, operands = args
            with self:
                return (when_true if condition else when_false)(*operands)
        self._recorder.unseen(f"higher_order::{func.name()}")
        return func(*args, **kwargs)


COMPOSITES = frozenset(
    f"aten::{name}"
    for name in (
        *(f"conv{n}d" for n in (1, 2, 3)),
        *(f"conv_transpose{n}d" for n in (1, 2, 3)),
        "linear", "matmul", "batch_norm", "einsum", "bilinear",
        "scaled_dot_product_attention", "flatten", "dropout", "layer_norm", "group_norm",
        "instance_norm", "max_pool2d", "max_pool3d", "adaptive_avg_pool2d",
        "adaptive_avg_pool3d", "adaptive_avg_pool1d", "softmax", "log_softmax",
    )
)  # fmt: skip
"""Operators made of others; inference mode shows them whole, other modes don't."""


@contextmanager
def _observed(recorder: Recorder) -> Iterator[None]:
    with _OperatorObserver(recorder), _FunctionObserver(recorder):
        yield


class CutShortError(KeyboardInterrupt):
    """Ctrl-C came while the model ran.

    Attributes:
        root: The calls that had ended.
    """

    def __init__(self, root: Call) -> None:
        super().__init__("interrupted while the model ran for the first time")
        self.root = root


def dry_run(target: Target, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Run the model once without looking.

    Raises:
        ForwardError: If the model raises.
    """
    try:
        target.call(*args, **kwargs)
    except ConvProfileError:
        raise
    except Exception as error:
        raise explain(error, target, [Call("")], args) from error


def capture(
    target: Target,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    watch: Watch,
    tape: Tape | None = None,
) -> Call:
    """Run the model once and return the tree of its calls.

    Args:
        target: What to run.
        args: Its positional arguments.
        kwargs: Its other arguments.
        watch: Is told of writes.
        tape: Notes which operator read which tensor, if receptive fields are wanted.

    Raises:
        ForwardError: If the model raises.
        CutShortError: On Ctrl-C; a KeyboardInterrupt.
    """
    recorder = Recorder(target, watch, _observed, tape)
    with ExitStack() as stack:
        stack.enter_context(without_collection())
        stack.enter_context(replaced_forwards(target.modules, recorder.wrap))
        stack.enter_context(_observed(recorder))
        try:
            target.call(*args, **kwargs)
        except ConvProfileError:
            raise
        except Exception as error:
            raise explain(error, target, recorder.open_at(error), args) from error
        except KeyboardInterrupt as interruption:
            raise CutShortError(recorder.ended_at(interruption)) from None
    return recorder.root
