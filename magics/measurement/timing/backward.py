"""The backward pass: what it starts from, which nodes it runs, and when each runs.

A node of the autograd graph knows its number: nodes are numbered as they are created, so the
numbers at the begin and the end of a call tell which nodes are the call's, whatever the call
writes in place. Hooks on the node itself read the clock; modules are left alone (their own
backward hooks refuse what is written in place).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.function import BackwardCFunction

from magics.measurement.calling.dispatch import OperatorObserver
from magics.measurement.machine.calibration import CallCost, calibrate
from magics.measurement.timing.events import CREATED, RECREATED, EventLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from magics.measurement.machine.clock import Clock

node_number: Callable[[], int] = torch._C._autograd._get_sequence_nr
"""Returns the number that the next node of this thread will have."""

_DEPTH = 4  # how deep outputs are looked for in objects


def differentiable(result: object, depth: int = _DEPTH) -> list[torch.Tensor]:
    """Return the outputs that a backward can start from, each once.

    Args:
        result: What the model returned: a tensor, or tensors nested in tuples, lists, dicts
            and objects such as dataclasses.
        depth: How deep to look into objects.
    """
    found = {id(item): item for item in tensors_within(result, depth) if item.requires_grad}
    return list(found.values())


def tensors_within(value: object, depth: int = _DEPTH) -> Iterator[torch.Tensor]:
    """Yield every tensor in what a model returned, as deep as `differentiable` looks."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from tensors_within(item, depth)
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors_within(item, depth)
    elif depth and not isinstance(value, type | torch.nn.Module):
        names = [name for kind in type(value).__mro__ for name in _slots(kind)]
        own = getattr(value, "__dict__", {})
        for item in (*own.values(), *(getattr(value, name, None) for name in names)):
            yield from tensors_within(item, depth - 1)


def _slots(kind: type) -> tuple[str, ...]:
    slots = vars(kind).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def nodes_behind(outputs: Iterable[torch.Tensor], oldest: int = 0) -> list[Any]:
    """Return the nodes that a backward from outputs runs, those from number `oldest` on."""
    found: dict[Any, None] = {}
    waiting = [item.grad_fn for item in outputs]
    while waiting:
        node = waiting.pop()
        if node is None or node in found or node._sequence_nr() < oldest:
            continue
        found[node] = None
        waiting.extend(following for following, _ in node.next_functions)
    return list(found)


def _stores(node: Any) -> bool:  # noqa: ANN401, torch has no type for nodes
    """Return whether a node merely adds to the gradient of a leaf, its `variable`."""
    return type(node).__name__ == "AccumulateGrad"


class Gradients:
    """The `.grad` of every tensor that a backward reaches: absent before each, put back at last.

    A gradient that is there already would be added to, which takes longer and changes it.
    """

    def __init__(self) -> None:
        self._found: dict[int, tuple[torch.Tensor, torch.Tensor | None]] = {}

    def clear_before(self, nodes: Iterable[Any], outputs: Iterable[torch.Tensor]) -> None:
        """Take away the gradients of the leaves among nodes and outputs."""
        leaves = [node.variable for node in nodes if _stores(node)]
        for leaf in (*leaves, *(item for item in outputs if item.is_leaf)):
            self._found.setdefault(id(leaf), (leaf, leaf.grad))
        self.clear()

    def clear(self) -> None:
        """Take away what a backward left."""
        for leaf, _ in self._found.values():
            leaf.grad = None

    def put_back(self) -> None:
        """Put back what was there at first."""
        for leaf, gradient in self._found.values():
            leaf.grad = gradient
        self._found.clear()


class NodeHooks:
    """Lets nodes leave events when they run."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._hooked: set[Any] = set()

    def hook(self, nodes: Iterable[Any], origin: int = CREATED) -> None:
        """Hook nodes, but not those that merely store a gradient."""
        for node in nodes:
            if node in self._hooked or _stores(node):
                continue
            self._hooked.add(node)
            before, after = self._pair(node._sequence_nr(), origin)
            node.register_prehook(before)
            node.register_hook(after)

    @contextmanager
    def also_recreated(self) -> Iterator[None]:
        """Hook what functions written in Python create while the backward runs.

        Only these can run a backward of their own within it (checkpointing does). The hooks
        take time, so they are made only where there are such functions.
        """
        if any(isinstance(node, BackwardCFunction) for node in self._hooked):
            self._log.on_return = self._recreated
        try:
            yield
        finally:
            self._log.on_return = None
            self._hooked.clear()

    def _recreated(self, oldest: int, result: object) -> None:
        self.hook(nodes_behind(differentiable(result), oldest), RECREATED)

    def _pair(self, number: int, origin: int) -> tuple[Callable[..., None], Callable[..., None]]:
        events, read = self._log.events, self._log.clock.read
        begun = [0, 0]

        def before(_gradients: object) -> None:
            begun[0] = len(events)
            begun[1] = read()

        def after(_inputs: object, _outputs: object) -> None:
            end = read()
            events.append(("", "", begun[1], end, begun[0], number, number, origin))

        return before, after


def node_cost(clock: Clock) -> CallCost:
    """Measure what one node's event costs with this clock."""
    log = EventLog(clock)

    def chain(length: int) -> torch.Tensor:
        tensor = torch.zeros(1, requires_grad=True)
        for _ in range(length):
            tensor = tensor.view(1)
        return tensor

    def plain(count: int) -> Callable[[], object]:
        with torch.enable_grad():
            return chain(count).backward

    def hooked(count: int) -> Callable[[], object]:
        with torch.enable_grad():
            end = chain(count)
        NodeHooks(log).hook(nodes_behind([end]))
        return end.backward

    return calibrate(clock, plain, hooked, log.mean_ns)


class WriteObserver(OperatorObserver):
    """Tells somebody of every operator before it runs."""

    supports_higher_order_operators = True

    def __init__(self, before: Callable[[Any, tuple[Any, ...], dict[str, Any]], None]) -> None:
        super().__init__()
        self._before = before

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401, part of torch's protocol
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401, part of torch's protocol
        if isinstance(func, torch._ops.OpOverload):
            self._before(func, args, kwargs or {})
        return func(*args, **(kwargs or {}))
