"""Why a model refused its input, in one line that says what to do."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from torch import nn

from magics.errors import ConvProfileError, ForwardError
from magics.measurement.calling.operators import tensors_in
from magics.measurement.capturing.advice import advice, sizes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from magics.measurement.calling.calls import Call
    from magics.measurement.models.modules import Target

_LONGEST = 200  # characters of a foreign message that are quoted


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a model raised."""

    path: str
    module: nn.Module | None
    shape: tuple[int, ...]
    function: str = ""
    in_hook: bool = False

    @property
    def words(self) -> str:
        """The place as rows are named: 'features.0', 'features.conv2d()', 'model'."""
        if not self.function or type(self.module).__module__.startswith("torch."):
            return self.path or "model"
        return f"{self.path}.{self.function}()" if self.path else f"{self.function}()"


def explain(
    error: Exception, target: Target, stack: Sequence[Call], args: tuple[Any, ...]
) -> ForwardError:
    """Return what to raise for an exception that a model raised.

    Args:
        error: What it raised.
        target: The model.
        stack: The calls that were open, the outermost first; just the root where none was
            recorded.
        args: The model's inputs.
    """
    place = _place(error, target, stack)
    module, got = place.module, f"(got {sizes(place.shape) or type(error).__name__})"
    first = str(error).strip().partition("\n")[0][:_LONGEST] or "no message"
    raised = f"raised {type(error).__name__}: {first} {got}"
    if place.in_hook:
        raised = f"a hook of this {type(module).__name__} {raised}; mend or remove the hook"
        return ForwardError(f"{place.words}: {raised}", layer=place.path)
    known = advice(error, module, place.shape, args)
    return ForwardError(
        f"{place.words}: {known or f'the model {raised}; check the input'}", layer=place.path
    )


@contextmanager
def running_again() -> Iterator[None]:
    """Run a model that ran once before, to time it.

    Raises:
        ForwardError: If it raises now.
    """
    try:
        yield
    except ConvProfileError:
        raise
    except Exception as error:
        raise ForwardError(
            f"model: ran once, then raised {type(error).__name__}: {error}; "
            f"it must run again and again on the same input to be timed",
            layer="",
        ) from error


def _place(error: Exception, target: Target, stack: Sequence[Call]) -> _Place:
    """Find the innermost module that an exception came from.

    The recorded calls say whose forward was running. A module that the traceback passes through
    without having a forward open was in one of its hooks.
    """
    opened = [call for call in stack if call.module is not None]
    frame = _innermost_call(error)
    module = frame.get("self") if frame else None
    paths = {id(item): path for path, item in target.modules.items()}
    if frame and id(module) in paths and all(call.module is not module for call in opened):
        inputs = tensors_in((frame.get("args"), frame.get("kwargs")))
        shape = tuple(inputs[0].shape) if inputs else ()
        return _Place(paths[id(module)], module, shape, in_hook=bool(opened))
    if not opened:
        return _Place("", None, stack[-1].input_shape, stack[-1].name)
    shape = stack[-1].input_shape or opened[-1].input_shape
    return _Place(opened[-1].path, opened[-1].module, shape, stack[-1].name)


def _innermost_call(error: Exception) -> dict[str, Any] | None:
    """Return the local variables of the innermost call of a module on the way of an exception."""
    found = None
    for frame, _ in walk_tb(error.__traceback__):
        if frame.f_code is nn.Module._call_impl.__code__:
            found = frame
    return found.f_locals if found is not None else None
