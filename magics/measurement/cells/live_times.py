"""Times of calls and of nodes while a cell runs: each its own, without those inside."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from magics.measurement.timing.backward import node_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from magics.measurement.cells.places import Thread
    from magics.measurement.cells.tally import Entry, Seen


@dataclass(frozen=True, slots=True)
class Timed:
    """A call that has ended.

    Attributes:
        result: What it returned.
        own_ns: Its time without that of timed calls in it [ns].
        whole_ns: All its time [ns].
        older: Number of the first node of the backward that it may have made.
    """

    result: Any
    own_ns: int
    whole_ns: int
    older: int


class LiveTimes:
    """Times what happens in each thread."""

    def __init__(self, thread: Thread, seen: Seen) -> None:
        """Prepare to time.

        Args:
            thread: Where each thread is.
            seen: Where the time of backward passes is added up.
        """
        self._thread, self._seen = thread, seen

    def call(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Timed:
        """Call a function."""
        __tracebackhide__ = True
        older = node_number()
        inner = self._thread.inner
        inner.append(0)
        working = time.thread_time_ns()
        begin = read()
        try:
            result = function(*args, **kwargs)
        except BaseException:
            inner.pop()
            raise
        spent = read() - begin
        own = spent - inner.pop()
        if inner:
            inner[-1] += spent
        else:
            self._seen.calls_ns += spent
            self._seen.working_ns += time.thread_time_ns() - working
        return Timed(result, own, spent, older)

    def take_back(self, timed: Timed) -> None:
        """Give the own time of a call to what it ran in."""
        if self._thread.inner:
            self._thread.inner[-1] -= timed.own_ns

    def hook(self, node: Any, entry: Entry) -> None:  # noqa: ANN401, torch has no type for nodes
        """Time a node of the backward for a layer."""
        if hasattr(node, "variable"):  # it merely stores a gradient
            return
        begun = [0]
        inner = self._thread

        def before(_gradients: object) -> None:
            inner.inner.append(0)
            begun[0] = read()

        def after(_inputs: object, _outputs: object) -> None:
            spent = read() - begun[0]
            entry.backward_ns += spent - (inner.inner.pop() if inner.inner else 0)
            entry.backwards += 1
            if inner.inner:
                inner.inner[-1] += spent

        node.register_prehook(before)
        node.register_hook(after)

    def backward_run(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """Return what runs backward passes and times them."""

        def timed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401, in place of torch's
            __tracebackhide__ = True
            here = self._thread
            here.backwards += 1
            running = len(here.inner)
            begin = read()
            try:
                return run(*args, **kwargs)
            finally:
                del here.inner[running:]  # of nodes that raised
                here.backwards -= 1
                if not here.backwards:
                    self._seen.backward_ns += read() - begin

        return timed


def read() -> int:
    """Read the clock; where a GPU works, once it has done what it was given."""
    if torch.cuda.is_initialized() and not torch.cuda.is_current_stream_capturing():
        torch.cuda.synchronize()
    return time.perf_counter_ns()
