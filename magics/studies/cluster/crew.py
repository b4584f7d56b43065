"""The workers of a dask cluster: which there are, what each may use, who is free.

They come and go while a sweep runs; the scheduler is asked now and then.
"""

from __future__ import annotations

import pickle
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from distributed.client import ClosedClientError

from magics.errors import InputError
from magics.studies.cluster import LostError, worker
from magics.studies.cluster.pinning import Host, Share

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from distributed import Client

_NAMED = 3
"""How many workers a message names at most."""

_RUNNING = "running"
"""dask's word for a worker that takes tasks, and for a client that is connected."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A worker process, which runs one point at a time.

    Attributes:
        address: Where it listens; the next process has another.
        name: Its name, often a number.
        facts: What it is.
    """

    address: str
    name: str
    facts: worker.Facts

    def named(self, share: Share) -> str:
        """Return which worker it is and what it has for itself, in words."""
        name = self.address if self.name == self.address else f"{self.name} ({self.address})"
        cores = f", cores {ranges(share.cores)}" if share.cores else ""
        return f"worker {name}{cores}"


@dataclass(slots=True)
class Crew:
    """Those workers of a cluster that can run points.

    Attributes:
        client: A client of the cluster.
        warnings: What a reader of the sweep must know; is added to.
        slots: The workers that can run points, by address.
        unfit: Why others can't, by address.
    """

    client: Client
    warnings: list[str]
    slots: dict[str, Slot] = field(default_factory=dict)
    unfit: dict[str, str] = field(default_factory=dict)
    _hosts: dict[str, Host] = field(default_factory=dict)
    _twins: set[str] = field(default_factory=set)

    def start(self) -> None:
        """Look at the workers for the first time.

        Raises:
            InputError: If one of them can't run a point because it lacks a package.
            LostError: If the scheduler doesn't answer.
        """
        self.refresh()
        if self.unfit:
            raise InputError(
                f"on: {_people(self.unfit)} can't run this (got {_reasons(self.unfit)}); install "
                f"nbimport-convprofile and torch where its worker runs, or leave it out",
            )

    def refresh(self) -> set[str]:
        """Ask the scheduler who is there, and new workers what they are.

        Returns:
            The addresses of those that are gone.

        Raises:
            LostError: If the scheduler doesn't answer.
        """
        present = self._present()
        gone = self.slots.keys() - present.keys()
        for address in gone:
            self._leave(address)
        self.unfit = {place: why for place, why in self.unfit.items() if place in present}
        known = self.slots.keys() | self.unfit.keys() | self._twins
        new = [place for place, name in present.items() if name is not None and place not in known]
        if new:
            self._admit({place: str(present[place]) for place in new})
        return gone

    def exclude(self, slot: Slot, reason: str) -> None:
        """Give a worker no more points, for it can't run any."""
        if slot.address in self.slots:
            self._leave(slot.address)
        self._leave_out(slot.address, reason)

    def give_up(self) -> None:
        """Say why nobody can run a point.

        Raises:
            LostError: In any case.
        """
        if self.unfit:
            raise LostError(
                f"on: no worker can run this (got {_people(self.unfit)}: {_reasons(self.unfit)}); "
                f"install there what is missing, and resume",
            )
        raise LostError(
            "on: the cluster has no workers, or none any more (waited for long enough); "
            "start some, and resume"
        )

    def has_idle(self) -> bool:
        """Return whether a worker has no point."""
        return any(host.seats.keys() - host.taken.keys() for host in self._hosts.values())

    def take(self, *, threads: int, device: str) -> tuple[Slot, Share] | None:
        """Take a free worker, and what it needs for itself.

        Args:
            threads: Threads of torch that the point runs with.
            device: What the point runs on, such as 'cpu' or 'cuda'.

        Returns:
            The worker and what it has for itself, or `None` if none is free. A point that needs
            much waits for a worker that can have it, if there is one.
        """
        slots = list(self.slots.values())
        fit = [slot for slot in slots if slot.facts.seat.gpus_for(device)] or slots
        most = max((len(slot.facts.seat.single_cores) for slot in fit), default=0)
        for slot in fit:
            host = self._hosts[slot.facts.machine]
            if slot.address in host.taken or len(slot.facts.seat.single_cores) < min(threads, most):
                continue
            share = host.share(slot.address, threads=threads, device=device)
            if share is not None:
                host.taken[slot.address] = share
                return slot, share
        return None

    def release(self, slot: Slot) -> None:
        """Give back what a worker had for itself."""
        self._hosts[slot.facts.machine].taken.pop(slot.address, None)

    def _present(self) -> dict[str, str | None]:
        """Return the names of all workers by address; `None` for one that takes no tasks now."""
        with reaching():
            listed = {}
            if self.client.status == _RUNNING:
                listed = self.client.scheduler_info(n_workers=-1).get("workers", {})
            # Without a connection, a client tells what it knew before.
            if self.client.status != _RUNNING:
                raise OSError(f"the client is {self.client.status}")
        return {
            address: str(about["name"]) if about["status"] == _RUNNING else None
            for address, about in listed.items()
        }

    def _leave_out(self, address: str, reason: str) -> None:
        self.unfit[address] = reason
        self._say(f"No more points were run by {address}: {reason}")

    def _leave(self, address: str) -> None:
        slot = self.slots.pop(address)
        host = self._hosts[slot.facts.machine]
        del host.seats[address]
        host.taken.pop(address, None)

    def _admit(self, new: dict[str, str]) -> None:
        """Ask new workers what they are.

        Args:
            new: Their names by address.
        """
        message = worker.Message(worker.facts).packed()
        with reaching():
            answers = self.client.run(pickle.loads, message, workers=list(new), on_error="return")
        processes = {slot.facts.process for slot in self.slots.values()}
        for address, answer in answers.items():
            if isinstance(answer, OSError):  # gone already
                continue
            if isinstance(answer, Exception):
                self._leave_out(address, told(answer))
            elif answer.process in processes:
                self._twins.add(address)
            else:
                processes.add(answer.process)
                self.slots[address] = Slot(address, new[address], answer)
                host = self._hosts.setdefault(answer.machine, Host())
                host.seats[address] = answer.seat
        self._warn()

    def _warn(self) -> None:
        """Say what makes the points less comparable, once."""
        own = worker.versions()
        for name, version in own.items():
            other: dict[str, list[str]] = {}
            for slot in self.slots.values():
                if slot.facts.versions[name] != version:
                    other.setdefault(slot.facts.versions[name], []).append(slot.address)
            for theirs, addresses in other.items():
                self._say(f"{name} {theirs} runs at {_people(addresses)}, {version} here.")
        for host in self._hosts.values():
            names = {slot.facts.host for slot in self.slots.values() if slot.address in host.seats}
            cores = {core for seat in host.seats.values() for core in seat.single_cores}
            if not names:
                continue
            if not cores:
                self._say(
                    f"Workers on {min(names)} can't be kept on cores of their own: points that "
                    f"run at the same time may disturb each other."
                )
            elif len(cores) < len(host.seats):
                self._say(
                    f"{min(names)} has fewer cores ({len(cores)}) than workers "
                    f"({len(host.seats)}): as many points run at a time as there are cores."
                )

    def _say(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)


@contextmanager
def reaching() -> Iterator[None]:
    """Say in one line that the scheduler is lost.

    Raises:
        LostError: If it is.
    """
    try:
        yield
    except (OSError, AttributeError, RuntimeError, ClosedClientError) as error:
        # A client without a scheduler has lost some of its attributes, too.
        raise LostError(
            f"on: the scheduler doesn't answer any more (got {told(error)}); start it again and "
            f"resume",
        ) from error


def told(error: BaseException) -> str:
    """Return an error in one line, with what was noted on it."""
    parts = (f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ()))
    return " ".join("; ".join(parts).split())


def _people(addresses: Collection[str]) -> str:
    """Return who, in words: all of a few, the first of many."""
    listed = sorted(addresses)
    if len(listed) > _NAMED:
        listed = [*listed[:_NAMED], f"{len(listed) - _NAMED} more"]
    return ", ".join(listed)


def _reasons(unfit: dict[str, str]) -> str:
    return "; ".join(dict.fromkeys(unfit.values()))


def ranges(cores: Iterable[int]) -> str:
    """Return numbers such as '0-3,8'."""
    runs: list[list[int]] = []
    for core in sorted(cores):
        if runs and core == runs[-1][1] + 1:
            runs[-1][1] = core
        else:
            runs.append([core, core])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
