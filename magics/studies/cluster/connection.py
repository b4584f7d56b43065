"""Reach a dask cluster, for as long as points run on it."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from distributed import Client
from distributed.comm.core import connect
from distributed.security import Security

from magics.errors import InputError
from magics.hints import short
from magics.studies.cluster.crew import Crew
from magics.studies.cluster.dispatch import Dispatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from magics.records import SweepPoint
    from magics.studies.sweeping.tasks import Task

_CONNECT_S = 5.0
"""How long an address is tried [s]."""

_HINT = "give such as 'tcp://host:8786' or a distributed.Client"


@dataclass(slots=True)
class Cluster:
    """A place where points run, see `magics.studies.cluster.place`.

    Attributes:
        on: An address, a client, or an object with a `scheduler_address`.
        warnings: What a reader of the sweep must know, once it has run.

    Raises:
        InputError: If `on` is nothing of that, or doesn't answer.
    """

    on: object
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        on = self.on
        if not isinstance(on, Client | str) and not _address(on):
            raise InputError(f"on: no cluster (got {short(on)}); {_HINT}")
        if getattr(on, "asynchronous", False):
            raise InputError(
                f"on: it can't be waited for here (got an asynchronous {type(on).__name__}); "
                f"{_HINT} that is not",
            )
        if not isinstance(on, Client):
            # Without a client: one that can't connect leaves a thread behind, and if Python
            # happens to collect it while the next one starts, both wait for each other.
            with _told(on), ThreadPoolExecutor(max_workers=1) as beside_any_loop:
                beside_any_loop.submit(asyncio.run, _reached(on)).result()
        elif on.status != "running":
            raise InputError(f"on: the client has no cluster (got it {on.status}); {_HINT}")

    def __call__(
        self, next_task: Callable[[], Task | None], done: Callable[[Task, SweepPoint], None]
    ) -> None:
        """Run points until there are none.

        Args:
            next_task: Returns what to run next, or `None`: nothing now.
            done: Is told each point as it comes.

        Raises:
            InputError: If the cluster can't be reached, or a worker lacks a package.
            LostError: If it is not there any more, or no worker of it can run a point.
        """
        with _client(self.on) as client:
            Dispatch(client, Crew(client, self.warnings), next_task, done).run()


@contextmanager
def _client(on: object) -> Iterator[Client]:
    """Return a client of a cluster; one that is made for it is closed afterwards.

    Raises:
        InputError: If the cluster can't be reached.
    """
    if isinstance(on, Client):
        yield on
        return
    with _told(on):
        client = Client(on, timeout=_CONNECT_S, set_as_default=False)
    try:
        yield client
    finally:
        with _quietly(client):
            client.close()


@contextmanager
def _quietly(client: Client) -> Iterator[None]:
    """Let dask not log that a client stops to look for a scheduler that is lost."""
    logger, lost = logging.getLogger("distributed.client"), client.status != "running"

    def unless_lost(_record: logging.LogRecord) -> bool:
        return not lost

    logger.addFilter(unless_lost)
    try:
        yield
    finally:
        logger.removeFilter(unless_lost)


@contextmanager
def _told(on: object) -> Iterator[None]:
    """Say in one line that a cluster can't be reached.

    Raises:
        InputError: If it can't.
    """
    try:
        yield
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        reason = f"nothing within {_CONNECT_S:g} s"
        cause: BaseException | None = error
        while cause is not None:
            reason, cause = str(cause) or reason, cause.__cause__
        raise InputError(
            f"on: no cluster answers (got {_address(on)}: {reason}); start it, or {_HINT}"
        ) from error


async def _reached(on: object) -> None:
    """See whether a scheduler answers.

    Raises:
        OSError: If none does.
        ValueError: If that is no address, or a worker's.
    """
    security = getattr(on, "security", None) or Security()
    arguments = security.get_connection_args("client")

    async def identity() -> Mapping[str, object]:
        comm = await connect(_address(on), timeout=_CONNECT_S, **arguments)
        try:
            await comm.write({"op": "identity", "reply": True})
            answer: Mapping[str, object] = await comm.read()
        finally:
            await comm.close()
        return answer

    # dask would wait without end for a server that says nothing; let its own reasons come first.
    answer = await asyncio.wait_for(identity(), _CONNECT_S * 1.2)
    if answer.get("type") in {"Worker", "Nanny"}:
        raise ValueError(f"that is a {answer['type']}, no scheduler")


def _address(on: object) -> str:
    """Return the address of a cluster; '' if there is none."""
    address = on if isinstance(on, str) else getattr(on, "scheduler_address", "")
    return address if isinstance(address, str) else ""
