"""What a dask cluster is sent: bytes, which only a worker unpickles.

The scheduler needs nothing but dask for it. The model goes apart from the settings of a point: it
may be large, and is the same for all of them.
"""

from __future__ import annotations

import pickle
import sys
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import cloudpickle  # type: ignore[import-untyped]  # it has none
import dask
import torch

from magics.errors import ConvProfileError, InputError
from magics.measurement.calling.operators import tensors_in
from magics.measurement.environment import device_of as device_of_tensors
from magics.measurement.models.modules import target
from magics.studies.cluster import worker
from magics.studies.cluster.crew import reaching, told

if TYPE_CHECKING:
    from distributed import Client, Future

    from magics.records import SweepPoint
    from magics.studies.cluster.crew import Slot
    from magics.studies.cluster.pinning import Share
    from magics.studies.sweeping.tasks import Task

_EMPTY: dict[str, Any] = {"model": None, "inputs": (), "kwargs": {}}
"""Attributes of a task that go apart, and what they are without."""


@dataclass(slots=True)
class Parcels:
    """Sends tasks.

    Attributes:
        client: A client of the cluster.
    """

    client: Client
    _sent: dict[tuple[int, ...], tuple[Task, Future[bytes]]] = field(default_factory=dict)

    def send(self, task: Task, slot: Slot, share: Share) -> Future[SweepPoint]:
        """Let a worker run a task.

        Args:
            task: What to run.
            slot: The worker.
            share: What it has for itself meanwhile.

        Returns:
            The point to come.

        Raises:
            InputError: If the model or an input can't be pickled.
        """
        details = _pickled(replace(_settled(task, slot, share), **_EMPTY))
        # An empty buffer stands for what goes apart.
        call = worker.Message(worker.run, details, pickle.PickleBuffer(b""), share)
        return self.client.submit(
            pickle.loads,
            call.packed(),
            buffers=[self._common(task)],
            workers=[slot.address],
            allow_other_workers=False,
            retries=0,
            key=f"magics-point-{uuid4().hex}",
            pure=False,
        )

    def forget(self) -> None:
        """Let the cluster forget what was sent."""
        futures = [future for _, future in self._sent.values()]
        self._sent.clear()
        with reaching():
            self.client.cancel(futures)
        for future in futures:
            future.release()

    def _common(self, task: Task) -> Future[bytes]:
        """Return what is the same for all tasks, as bytes that are somewhere in the cluster.

        They go there once, and from worker to worker; dask makes them anew if they are lost.

        Raises:
            InputError: If they can't be had.
        """
        parts = {name: getattr(task, name) for name in _EMPTY}
        key = tuple(map(id, parts.values()))
        if key not in self._sent:
            data = _pickled(parts)
            _tell_of_notebooks(self.client, data)
            # dask would warn of a model above 10 MB.
            with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 PiB"}):
                future = self.client.submit(
                    bytes, data, key=f"magics-model-{uuid4().hex}", pure=False
                )
            self._sent[key] = task, future  # the task keeps the ids from being used again
        return self._sent[key][1]


def _settled(task: Task, slot: Slot, share: Share) -> Task:
    """Return a task with what it leaves open, so that points are alike on all workers."""
    fixed, values = dict(task.fixed), dict(task.values)
    if threads_of(task) is None:
        fixed["threads"] = 1
    if share.gpu is not None:
        where = values if "device" in values else fixed
        where["device"] = f"cuda:{slot.facts.seat.gpus.index(share.gpu)}"
    return replace(task, fixed=fixed, values=values)


def threads_of(task: Task) -> int | None:
    """Return with how many threads of torch a task is to be run, if that is said."""
    threads = task.settings.get("threads") or task.options.get("threads")
    return int(threads) if threads else None


def device_of(task: Task) -> str:
    """Return what device a task is to be run on, as far as that is said, such as 'cuda'."""
    device = task.settings.get("device") or task.options.get("device")
    if device is None and torch.cuda.is_initialized():
        with suppress(ConvProfileError):  # what makes models has no device
            device = device_of_tensors(target(task.model).modules.values(), tensors_in(task.inputs))
    return str(device)


def _pickled(value: object) -> bytes:
    """Return a value as bytes; what was defined in a notebook's cells or a script goes along.

    Raises:
        InputError: If it can't be pickled.
    """
    try:
        data: bytes = cloudpickle.dumps(value)
    except Exception as error:
        raise InputError(
            f"on: the model or an input can't be sent to a worker (got {told(error)}); "
            f"give what can be pickled, or a function that makes the model there",
        ) from error
    return data


def _tell_of_notebooks(client: Client, data: bytes) -> None:
    """Let workers import the notebooks that are named in a pickle.

    Raises:
        ConvProfileError: If that can't be.
    """
    integration = sys.modules.get("nbimport.integrations.dask")
    if integration is None:  # no notebooks are imported here
        return
    if any(name.encode() in data for name in integration.children.notebooks()):
        try:
            client.register_plugin(integration.for_workers())
        except Exception as error:
            raise InputError(
                f"on: the model is of a notebook, which a worker can't import (got "
                f"{told(error)}); install nbimport-convprofile where the worker runs",
            ) from error
