"""What the allocator handed out: tensors and, unlike storages, the workspace of kernels."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.profiler import record_function
from torch.utils._python_dispatch import _disable_current_modes

from magics.measurement.machine.output import ERROR, held_back

if TYPE_CHECKING:
    from collections.abc import Iterator


_FROM_BEFORE = b"was allocated before the profiling started"


@dataclass(slots=True)
class AllocatorPeak:
    """The most that the allocator had handed out at once, above what it had before.

    Attributes:
        nbytes: The peak, or `None` where the allocator doesn't tell [bytes].
    """

    nbytes: int | None = None


@contextmanager
def allocator_peak(device: torch.device) -> Iterator[AllocatorPeak]:
    """Observe the allocator of a device for a while.

    On CUDA the peak that `torch.cuda.max_memory_allocated` knows starts anew: torch has no
    way of putting it back.
    """
    watch = {"cuda": _cuda, "cpu": _cpu}.get(device.type)
    if watch is None:
        yield AllocatorPeak()
        return
    with watch(device) as peak:
        yield peak


@contextmanager
def _cuda(device: torch.device) -> Iterator[AllocatorPeak]:
    peak = AllocatorPeak()
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    yield peak
    torch.cuda.synchronize(device)
    peak.nbytes = torch.cuda.max_memory_allocated(device) - before


@contextmanager
def _cpu(_device: torch.device) -> Iterator[AllocatorPeak]:
    """Read the allocator's events by torch's older profiler.

    The newer one takes a second to start and writes to the terminal. The older one may be
    missing in a torch to come, and refuses where another profiler runs: then there is no peak.
    """
    peak = AllocatorPeak()
    try:
        from torch._C._autograd import (  # noqa: PLC0415, not in every torch
            _disable_profiler_legacy,
            _enable_profiler_legacy,
        )
        from torch._C._profiler import (  # noqa: PLC0415, the same
            ProfilerConfig,
            ProfilerState,
            _ExperimentalConfig,
        )

        # By position: no shapes, with memory; no stacks, FLOPs or modules.
        wanted = (False, True, False, False, False)
        _enable_profiler_legacy(ProfilerConfig(ProfilerState.CPU, *wanted, _ExperimentalConfig()))
    except (ImportError, AttributeError, TypeError, RuntimeError):
        yield peak
        return
    with _without_remarks():
        try:
            yield peak
        finally:
            records = _disable_profiler_legacy()
    peak.nbytes = _peak(records)


@contextmanager
def _without_remarks() -> Iterator[None]:
    """Keep to ourselves that torch writes a line where memory from before is given back.

    A model that keeps its last output gives the one before back.
    """
    with ExitStack() as stack:
        with suppress(OSError):  # no standard error
            stack.enter_context(held_back(ERROR, lambda line: _FROM_BEFORE in line))
        yield


def _peak(records: list[list[Any]]) -> int:
    events = [event for thread in records for event in _changes(thread)]
    events.sort(key=lambda event: event[0])  # within a microsecond, as recorded
    return max(0, *accumulate(size for _, size in events)) if events else 0


def _changes(thread: list[Any]) -> Iterator[tuple[float, int]]:
    """Yield when a thread took or gave back how much [bytes], but for what `unseen` did."""
    within = 0  # how many ranges are open, counted from one that is not to be seen
    for event in thread:
        kind = event.kind()
        if kind == "push" and (within or event.name() == _UNSEEN):
            within += 1
        elif kind == "pop" and within:
            within -= 1
        elif kind == "memory_alloc" and not within:
            yield event.start_us(), event.cpu_memory_usage()


_UNSEEN = "magics looks at a tensor"


@contextmanager
def unseen() -> Iterator[None]:
    """Do something that neither observers of operators nor `allocator_peak` should notice."""
    with _disable_current_modes(), record_function(_UNSEEN):
        yield
