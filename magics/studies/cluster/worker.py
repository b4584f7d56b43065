"""What a dask worker is asked to do: say what it is, and measure a point.

Its process needs this package, but nothing of it at start-up: all comes by ``pickle.loads``.
"""

from __future__ import annotations

import os
import pickle
import platform
import sys
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from uuid import uuid4

import dask
import torch
from distributed import get_worker

from magics.measurement.machine.heap import freed_is_kept
from magics.studies.cluster.pinning import Seat, kept_on, own_cores
from magics.studies.sweeping.measuring import measured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from magics.records import SweepPoint
    from magics.studies.cluster.pinning import Share

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_STATM = Path("/proc/self/statm")
_PROCESS = uuid4().hex
_LEAST_BYTES = 2**26
"""What a process gets that is near its limit already: dask itself needs some."""

_alone = Lock()


class Message:
    """A call that is made where it is unpickled; what unpickles is its result.

    A scheduler, and a worker without this package, have ``pickle.loads`` in any case.
    """

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self._call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        """Return the call."""
        return self._call

    def packed(self) -> bytes:
        """Return this as bytes; buffers among the arguments travel apart."""
        return pickle.dumps(self, protocol=5, buffer_callback=lambda _: None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a worker is.

    Attributes:
        process: The same for all workers of one process.
        machine: The same for all processes of one machine, also in containers.
        host: The machine's name.
        seat: What the process may use.
        versions: Of Python, torch and this package, by name.
    """

    process: str
    machine: str
    host: str
    seat: Seat
    versions: dict[str, str]


def facts() -> Facts:
    """Return what this process is."""
    host = platform.node()
    machine = host
    with suppress(OSError):
        machine = _BOOT_ID.read_text(encoding="ascii").strip()
    return Facts(
        process=f"{_PROCESS} {os.getpid()}",
        machine=machine,
        host=host,
        seat=Seat(own_cores(), _gpus()),
        versions=versions(),
    )


def versions() -> dict[str, str]:
    """Return the versions of what results depend on, by name."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {
        "Python": python,
        "torch": torch.__version__,
        "magics": sys.modules["magics"].__version__,
    }


def _gpus() -> tuple[str, ...]:
    """Return the names of the GPUs that torch sees, the same in all processes of a host."""
    count = torch.cuda.device_count()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible else map(str, range(count))
    return tuple(name.strip() for name in names)[:count]


def run(task: bytes, shared: bytes, share: Share) -> SweepPoint:
    """Measure a point in this process, and nothing else meanwhile.

    Args:
        task: A `Task` without what is the same for all, pickled.
        shared: That, as the task's attributes by name, pickled.
        share: What this process has for itself meanwhile.

    Raises:
        Exception: If the model can't be unpickled here.
    """
    # Memory on a GPU is not the host's, and its driver reserves far more than it uses.
    bounds = nullcontext() if share.gpu else _within_limit()
    with _alone, kept_on(share.cores), bounds, freed_is_kept():
        # Made anew for each point: what one does to its model, the next doesn't find.
        return measured(replace(pickle.loads(task), **pickle.loads(shared)))  # noqa: S301, from the client


@contextmanager
def _within_limit() -> Iterator[None]:
    """Let memory beyond the worker's limit be refused: dask would end the process for it."""
    left = _left()
    if left is None:
        yield
        return
    import resource  # noqa: PLC0415, where /proc is, it is

    before = resource.getrlimit(resource.RLIMIT_DATA)
    known = [limit for limit in (*before, left) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(known), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _left() -> int | None:
    """Return how large this process's data may become, if dask limits it [bytes]."""
    try:
        limit = get_worker().memory_manager.memory_limit
        _size, resident, _shared, _text, _lib, data, _dirty = map(
            int, _STATM.read_text(encoding="ascii").split()
        )
    except (ValueError, OSError):  # no worker, no Linux
        return None
    share = dask.config.get("distributed.worker.memory.terminate")
    if not limit or not share:
        return None
    page = os.sysconf("SC_PAGE_SIZE")
    return data * page + max(_LEAST_BYTES, int(limit * share) - resident * page)
