"""Processor cores and GPUs of a host, shared out so that points don't disturb each other.

Knows neither dask nor how anything is measured.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import get_native_id
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

Cores = tuple[int, ...]
"""Numbers of processor cores, ascending."""

_TOPOLOGY = "/sys/devices/system/cpu/cpu{}/topology/{}"
_THREADS = Path("/proc/self/task")


def own_cores() -> tuple[Cores, ...]:
    """Return the cores that this process may use, neighbours next to each other.

    Hardware threads of one core are one group: two points on them would disturb each other.
    There is none where a process can't be kept on some cores, as on macOS.
    """
    if not hasattr(os, "sched_setaffinity"):
        return ()
    groups: dict[tuple[int, int], list[int]] = {}
    for core in sorted(os.sched_getaffinity(0)):
        # What can't be read counts as a core of its own.
        place = (_number(core, "physical_package_id", -1), _number(core, "core_id", core))
        groups.setdefault(place, []).append(core)
    return tuple(tuple(groups[place]) for place in sorted(groups))


def _number(core: int, name: str, otherwise: int) -> int:
    try:
        return int(Path(_TOPOLOGY.format(core, name)).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return otherwise


@contextmanager
def kept_on(cores: Collection[int]) -> Iterator[None]:
    """Keep every thread of this process on some cores; afterwards each is where it was.

    Args:
        cores: Their numbers; none keeps everything as it is.

    Raises:
        OSError: If this process may not use them (any more).
    """
    if not cores:
        yield
        return
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    before = {get_native_id(): own}
    try:
        for thread in _threads() - before.keys():
            with suppress(OSError):  # it has ended
                before[thread] = os.sched_getaffinity(thread)
                os.sched_setaffinity(thread, cores)
        yield
    finally:
        for thread in _threads() | before.keys():
            with suppress(OSError):
                # One that was started meanwhile has the cores of the thread that started it.
                os.sched_setaffinity(thread, before.get(thread, own))


def _threads() -> set[int]:
    try:
        return {int(entry.name) for entry in _THREADS.iterdir()}
    except OSError:  # no Linux
        return set()


@dataclass(frozen=True, slots=True)
class Seat:
    """What a worker process may use.

    Attributes:
        cores: See `own_cores`.
        gpus: Its GPUs, by names that are the same for all processes of a host, in the order in
            which torch numbers them.
    """

    cores: tuple[Cores, ...] = ()
    gpus: tuple[str, ...] = ()

    @property
    def single_cores(self) -> Cores:
        """The numbers of its cores, neighbours next to each other."""
        return tuple(core for group in self.cores for core in group)

    def gpus_for(self, device: str) -> tuple[str, ...]:
        """Return the GPUs that would do: any for 'cuda', that one for 'cuda:1', none otherwise."""
        kind, _, index = device.partition(":")
        if kind != "cuda":
            return ()
        return tuple(self.gpus[int(index) :][:1]) if index.isdecimal() else self.gpus


@dataclass(frozen=True, slots=True)
class Share:
    """What a point has for itself.

    Attributes:
        cores: Its cores; none where processes can't be kept on some.
        gpu: Its GPU, or `None`.
    """

    cores: Cores = ()
    gpu: str | None = None


@dataclass(slots=True)
class Host:
    """One machine: who works there, and what each has for itself.

    Attributes:
        seats: What each worker may use, by its address.
        taken: What each worker that runs a point has for itself.
    """

    seats: dict[str, Seat] = field(default_factory=dict)
    taken: dict[str, Share] = field(default_factory=dict)

    def share(self, worker: str, *, threads: int, device: str) -> Share | None:
        """Return what an idle worker can have for itself now, or `None` if too little is free.

        What is free is divided evenly among idle workers. A point with more threads gets as
        many cores; if even the whole host has not so many, all that the worker may use.

        Args:
            worker: Its address.
            threads: Threads of torch that the point runs with.
            device: What the point runs on: 'cuda' for any GPU, 'cuda:1' for that one, or other.
        """
        seat = self.seats[worker]
        fit = seat.gpus_for(device)
        named = next((name for name in fit if name not in self._taken_gpus()), None)
        if fit and named is None:
            return None
        if not seat.cores:
            return Share((), named)
        busy = {core for share in self.taken.values() for core in share.cores}
        free = [group for group in seat.cores if not busy.intersection(group)]
        idle = self.seats.keys() - self.taken.keys()
        rivals = sum(not busy.issuperset(self.seats[other].single_cores) for other in idle)
        if len(free) < rivals:  # hardware threads are better than nothing
            free = [(core,) for core in seat.single_cores if core not in busy]
        wanted = min(max(1, threads), len(seat.single_cores))
        chosen: list[int] = []
        for number, group in enumerate(free, 1):
            chosen += group
            if len(chosen) >= wanted and number >= len(free) // max(1, rivals):
                return Share(tuple(sorted(chosen)), named)
        return None

    def _taken_gpus(self) -> set[str | None]:
        return {share.gpu for share in self.taken.values()}
