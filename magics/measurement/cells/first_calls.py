"""What a function does that torch shows only as a whole: its operators, watched in a first call.

To watch every operator of every call would slow a cell down. A function that is given tensors of
the same shapes does the same work: so one call tells for all of them.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch._ops import HigherOrderOperator
from torch.nn import functional

from magics.measurement.calling import operators
from magics.measurement.calling.dispatch import OperatorObserver
from magics.measurement.calling.operators import tensors_in
from magics.measurement.capturing.capture import COMPOSITES
from magics.measurement.cells.tally import Ran
from magics.theory import Cost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from magics.measurement.calling.operators import Work
    from magics.measurement.cells.tally import Seen

_MOST = 64
"""Shapes of one function's inputs that are remembered."""

_NEVER = frozenset({"__get__", "__set__", "__delete__", "backward", "grad", "register_hook"})
"""Functions that are no work, or run what is looked at elsewhere."""

_NAMES = frozenset(dir(functional)) - {"boolean_dispatch", "handle_torch_function"}
_PLAIN = (int, float, bool, str, type(None))
_EXACT = (torch.Tensor, torch.nn.Parameter)


class Operators(OperatorObserver):
    """Notes the operators that run while it is active."""

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()
        self._works: list[tuple[str, Work]] = []
        self._records = torch.is_grad_enabled()

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401, part of torch's protocol
        types: tuple[type, ...],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401, part of torch's protocol
        kwargs = kwargs or {}
        if isinstance(func, HigherOrderOperator):
            self._works.append((f"higher_order::{func.name()}", _UNKNOWN))
            return func(*args, **kwargs)
        if any(hasattr(kind, "__tensor_flatten__") for kind in types):
            return NotImplemented  # what such a tensor is made of comes back here
        name = func._schema.name
        if name in COMPOSITES:
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        self._works.append((name, self._work(name, (*args, *kwargs.values()), result)))
        return result

    def _work(self, name: str, args: tuple[Any, ...], result: object) -> Work:
        try:
            return operators.work_of(
                name, args, tensors_in(args), tensors_in(result), self._needs_gradient
            )
        except (TypeError, ValueError, RuntimeError, KeyError, IndexError, AttributeError):
            return _UNKNOWN  # ragged, symbolic or of another library

    def _needs_gradient(self, tensor: torch.Tensor) -> bool:
        return self._records and tensor.requires_grad

    def ran(self) -> Ran:
        """Return what ran."""
        works = [work for _, work in self._works]
        return Ran(
            any(work.kind != "other" for work in works),
            sum((work.cost or Cost() for work in works), Cost()),
            sum((work.backward or Cost() for work in works), Cost()),
            tuple(name for name, work in self._works if work.cost is None),
        )


_UNKNOWN = operators.Work("other", None)


@dataclass(slots=True)
class Known:
    """What is known of a call.

    Attributes:
        ran: What ran in it.
        calls: How often it came again.
    """

    ran: Ran
    calls: int = 0


class FirstCalls:
    """Remembers what ran, by where what was called with which shapes."""

    def __init__(self, seen: Seen) -> None:
        """Prepare to remember.

        Args:
            seen: Where the work of functions that are no layers is added up.
        """
        self._seen = seen
        self._known: dict[tuple[str, str], dict[object, Known]] = {}

    def again(self, place: tuple[str, str], shapes: object) -> bool:
        """Return whether a call is known and no layer; if so, it is counted."""
        known = self._known.get(place, _EMPTY).get(shapes)
        if known is None or known.ran.has_products:
            return False
        known.calls += 1
        return True

    @contextmanager
    def watched(self, place: tuple[str, str], shapes: object) -> Iterator[Callable[[], Ran]]:
        """Watch a call, unless what it runs is known; yield what tells at its end what ran."""
        known = self._known.get(place, _EMPTY).get(shapes)
        if known is not None:
            yield lambda: known.ran
            return
        operators = Operators()
        with operators:
            yield operators.ran
        if shapes is not None:
            kept = self._known.setdefault(place, {})
            if len(kept) >= _MOST:
                self._settle(place[0], kept)
            kept[shapes] = Known(operators.ran())

    def settle(self) -> None:
        """Add up the calls that came again, and forget them."""
        for (path, _), kept in self._known.items():
            self._settle(path, kept)

    def _settle(self, path: str, kept: dict[object, Known]) -> None:
        for known in kept.values():
            self._seen.count_other(known.ran, path, known.calls)
        kept.clear()


_EMPTY: dict[object, Known] = {}


def concerns(func: Callable[..., Any], *, in_module: bool) -> bool:
    """Return whether a function's work is to be told, where it is called.

    Of what a cell calls by itself, these are the functions of `torch.nn.functional`: the rest
    is data, optimizers and bookkeeping.
    """
    name = getattr(func, "__name__", "__get__")
    return name not in _NEVER and (in_module or name in _NAMES)


def shapes_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> object:
    """Return what the work of a call depends on, or `None` where it is better left alone.

    That is where no tensor goes in, or one that is no plain tensor.
    """
    found: list[object] = [torch.is_grad_enabled()]
    if not _note(args, found) or not _note(tuple(kwargs.values()), found):
        return None
    return tuple(found) if any(type(item) is tuple for item in found) else None


def _note(values: tuple[Any, ...] | list[Any], found: list[object]) -> bool:
    for value in values:
        kind = type(value)
        if kind in _EXACT:
            if value.is_nested or torch._C._functorch.is_functorch_wrapped_tensor(value):
                return False
            found.append((value.shape, value.dtype, value.requires_grad, value.device))
        elif kind in _PLAIN:
            found.append(value)
        elif kind is tuple or kind is list:
            if not _note(value, found):
                return False
        elif isinstance(value, torch.Tensor):
            return False
    return True
