"""Hand points to the workers of a dask cluster and take them in, whatever happens to workers."""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from distributed import CancelledError, KilledWorker

from magics.records import SweepPoint
from magics.records.sweep import FAILED
from magics.studies.cluster import LostError
from magics.studies.cluster.crew import reaching, told
from magics.studies.cluster.parcels import Parcels, device_of, threads_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from dask.typing import Key
    from distributed import Client, Future

    from magics.studies.cluster.crew import Crew, Slot
    from magics.studies.cluster.pinning import Share
    from magics.studies.sweeping.tasks import Task

_LOOK_S = 0.5
"""How often the scheduler is asked who is there [s]."""

_GATHER_S = 5.0
"""How long a point may take to come over before its worker is looked at again [s]."""

_PATIENCE_S = 30.0
"""How long a cluster without workers is waited for: dask starts killed ones again [s]."""

_LOSSES = 2
"""How many workers a point may lose: it may be the point that kills them."""


@dataclass(frozen=True, slots=True)
class _Errand:
    """A point to be run.

    Attributes:
        task: What to measure.
        losses: The workers that were lost with it.
    """

    task: Task
    losses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Run:
    """A point that a worker has.

    Attributes:
        errand: The point.
        slot: The worker.
        share: What the worker has for itself meanwhile.
        future: The result to come.
    """

    errand: _Errand
    slot: Slot
    share: Share
    future: Future[SweepPoint]


@dataclass(slots=True)
class Dispatch:
    """Points on their way to workers and back.

    Attributes:
        client: A client of the cluster.
        crew: Its workers.
        next_task: Returns what to run next, or `None`: nothing now.
        done: Is told each point as it comes.
    """

    client: Client
    crew: Crew
    next_task: Callable[[], Task | None]
    done: Callable[[Task, SweepPoint], None]
    _waiting: deque[_Errand] = field(default_factory=deque)
    _running: dict[Key, _Run] = field(default_factory=dict)
    _arrived: SimpleQueue[Future[SweepPoint]] = field(default_factory=SimpleQueue)
    _looked: float = 0.0
    _manned: float = 0.0

    def run(self) -> None:
        """Run points until there are none.

        One that its worker can't load goes to another worker. One that loses its worker is run
        again; the second time it is a failed point.

        Raises:
            LostError: If no worker is left that can run one, or no scheduler.
        """
        self.crew.start()
        self._looked = self._manned = time.monotonic()
        parcels = Parcels(self.client)
        try:
            while self._running or self._has_next():
                self._hand_out(parcels)
                self._wait()
        finally:
            # A worker still ends the point that it has: nothing stops a thread from outside.
            with suppress(LostError):
                self._drop(*self._running.values())
                parcels.forget()

    def _drop(self, *runs: _Run) -> None:
        """Let the cluster forget points, whoever still holds on to them here."""
        futures = [run.future for run in runs]
        with reaching():
            self.client.cancel(futures)
        for future in futures:
            future.release()

    def _has_next(self) -> bool:
        """Return whether a point is to be run now; it waits then."""
        if not self._waiting:
            task = self.next_task()
            if task is None:
                return False
            self._waiting.append(_Errand(task))
        return True

    def _hand_out(self, parcels: Parcels) -> None:
        """Give points to workers that are free, those first that were given out before."""
        while self.crew.has_idle() and self._has_next():
            errand = self._waiting[0]
            threads, device = threads_of(errand.task) or 1, device_of(errand.task)
            taken = self.crew.take(threads=threads, device=device)
            if taken is None:  # too little is free for this one
                return
            with reaching():
                run = _Run(errand, *taken, parcels.send(errand.task, *taken))
            self._waiting.popleft()
            self._running[run.future.key] = run
            run.future.add_done_callback(self._arrived.put)

    def _wait(self) -> None:
        """Wait until a point comes, or it is time to look who is there."""
        left_s = self._looked + _LOOK_S - time.monotonic()
        try:
            future = self._arrived.get(timeout=max(0.0, left_s))
        except Empty:
            self._look()
        else:
            run = self._running.pop(future.key, None)
            if run is not None:  # else its worker was lost
                self._take_in(run)

    def _look(self) -> None:
        """See who is there; what was with those that are gone, is to be run again.

        Raises:
            LostError: If nobody is there who can run a point, for too long.
        """
        gone = self.crew.refresh()
        self._looked = time.monotonic()
        for key, run in list(self._running.items()):
            if run.slot.address in gone:
                del self._running[key]
                self._drop(run)
                self._lose(run)
        if self.crew.slots:
            self._manned = self._looked
        elif self.crew.unfit or self._looked - self._manned > _PATIENCE_S:
            self.crew.give_up()

    def _take_in(self, run: _Run) -> None:
        """Take in a point, or see why there is none."""
        try:
            point = run.future.result(timeout=_GATHER_S)
        except (CancelledError, KilledWorker):
            self.crew.release(run.slot)
            self._look()  # it may be the scheduler that is lost
            self._drop(run)
            self._lose(run)
        except Exception as error:  # noqa: BLE001, whatever stands in the way of loading a model
            if isinstance(error, TimeoutError) and run.future.status != "error":
                # Its worker was lost before the point had come over.
                self._running[run.future.key] = run
                self._look()
                run.future.add_done_callback(self._arrived.put)
            else:
                # What the model raises is told in a point: this worker can't run any.
                self.crew.exclude(run.slot, told(error))
                self._drop(run)
                self._waiting.appendleft(run.errand)
        else:
            self.crew.release(run.slot)
            task = run.errand.task
            where = f"{point.where}, {run.slot.named(run.share)}"
            self.done(task, replace(point, values=task.values, where=where))

    def _lose(self, run: _Run) -> None:
        """Let a point that has lost its worker be run again, unless that has been done."""
        task, losses = run.errand.task, (*run.errand.losses, run.slot.address)
        if len(losses) < _LOSSES:
            self._waiting.appendleft(_Errand(task, losses))
            return
        point = SweepPoint(
            values=task.values,
            status=FAILED,
            reason=f"its worker was lost, twice ({' and '.join(losses)}); it may be this point "
            f"that ends them, for want of memory or otherwise",
            predicted_bytes=task.predicted_bytes,
            where=f"{run.slot.facts.host}, {run.slot.named(run.share)}",
        )
        self.done(task, point)
