"""Processes that work together: who they are, what one says to all, what becomes of failures.

What they say to one another goes through a group of its own, with gloo, whatever the gradients
go through: it works without a GPU, and it notices soon that a process is gone. A piece of work
in which processes don't wait for one another may fail on one of them; then all are told, and
all end. Where they do wait, one that fails leaves word in the store.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import torch.distributed as dist

from magics import errors
from magics.errors import ConvProfileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch._C._distributed_c10d import Store

_Result = TypeVar("_Result")

PATIENCE = timedelta(minutes=5)
"""How long one process waits for another before it counts as gone."""

_WORD = timedelta(seconds=2)  # how long word of a failure may take


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong on one rank.

    Attributes:
        rank: Where.
        kind: Name of the exception's class.
        message: What it said, in one line.
    """

    rank: int
    kind: str
    message: str

    @classmethod
    def of(cls, rank: int, error: BaseException) -> Failure:
        """Return an exception as what can be told to other processes."""
        text = " ".join(str(error).split()) or "no message"
        if not isinstance(error, ConvProfileError):
            text = f"{type(error).__name__}: {text}"
        return cls(rank, type(error).__name__, text)


class Ranks:
    """The processes that work together, seen from one of them.

    Attributes:
        number: The rank of this one.
        numbers: The ranks of all.
        made: They were not together before.
    """

    def __init__(self, group: dist.ProcessGroup, store: Store, *, made: bool) -> None:
        self._group, self._store, self.made = group, store, made
        self._said = 0
        self.number = dist.get_rank()
        self.numbers: list[int] = dist.get_process_group_ranks(group)

    @property
    def leads(self) -> bool:
        """Whether this is the one that collects and decides."""
        return self.number == self.numbers[0]

    def told(self, value: _Result) -> list[_Result]:
        """Tell all others a value, and return everybody's.

        Raises:
            ConvProfileError: If one of them is gone.
        """
        found: list[Any] = [None] * len(self.numbers)
        with self._noticing():
            dist.all_gather_object(found, value, group=self._group)
        return found

    def collected(self, value: _Result) -> list[_Result] | None:
        """Return everybody's value to the one that leads, `None` to the others."""
        found: list[Any] | None = [None] * len(self.numbers) if self.leads else None
        with self._noticing():
            dist.gather_object(value, found, dst=self.numbers[0], group=self._group)
        return found

    def line_up(self) -> None:
        """Wait until all are here, and go on at the same time."""
        dist.barrier(group=self._group)

    def each(self, work: Callable[[], _Result]) -> _Result:
        """Do what needs no other process; go on where it has succeeded on all of them.

        Raises:
            ConvProfileError: If it failed on one of them, the same everywhere.
            KeyboardInterrupt: If one of them was interrupted.
        """
        caught: BaseException | None = None
        try:
            result = work()
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001, all must hear of it
            caught = error
        mine = Failure.of(self.number, caught) if caught else None
        failures = [failure for failure in self.told(mine) if failure]
        if not failures:
            return result
        if any(issubclass(_kind(failure), KeyboardInterrupt) for failure in failures):
            raise KeyboardInterrupt from caught
        raise _joint(failures, len(self.numbers)) from caught

    def busy_until_all(self, name: str, work: Callable[[], object]) -> None:
        """Repeat a piece of work until all have come to this point.

        Args:
            name: Name of the point.
            work: Needs no other process.
        """
        self.arrive(name)
        end = time.monotonic() + PATIENCE.total_seconds()
        while self._store.add(name, 0) < len(self.numbers) and time.monotonic() < end:
            work()

    def arrive(self, name: str) -> None:
        """Leave word of having come to a point."""
        self._store.add(name, 1)

    @contextmanager
    def in_step(self) -> Iterator[None]:
        """Do what all do at once, waiting for one another.

        Raises:
            ConvProfileError: If it fails, here or elsewhere.
        """
        try:
            yield
        except ConvProfileError:
            raise
        except Exception as error:
            raise _joint([self._cause(error)], len(self.numbers)) from error

    def _cause(self, error: Exception) -> Failure:
        """Find out who failed first; who notices that another did, fails as well."""
        mine = Failure.of(self.number, error)
        with suppress(RuntimeError):
            if self._store.add("failed", 1) == 1:
                self._store.set("cause", repr((mine.rank, mine.kind, mine.message)))
                if not _says_that_another_is_gone(error):
                    return mine
            else:
                self._store.wait(["cause"], _WORD)
                return Failure(*_read(self._store.get("cause")))
        if _says_that_another_is_gone(error):
            return Failure(
                self.number, "", f"another rank is gone (got {_start(error)!r}); {_LOOK}"
            )
        return mine

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        """Notice that a process is gone.

        Raises:
            ConvProfileError: If it is.
        """
        self._said += 1
        try:
            self._store.set(f"said/{self._said}/{self.number}", "")
            yield
        except RuntimeError as error:
            missing = [rank for rank in self.numbers if not self._has_said(rank)]
            who = in_words(missing) if missing else "one of the ranks"
            raise ConvProfileError(
                f"{who}: gone, or silent for {PATIENCE.total_seconds() / 60:.0f} minutes "
                f"(got {_start(error)!r}); {_LOOK}",
            ) from error

    def _has_said(self, rank: int) -> bool:
        """Return whether a rank had come to the same point; yes, if nobody knows."""
        try:
            return bool(self._store.check([f"said/{self._said}/{rank}"]))
        except RuntimeError:
            return True


_LOOK = "look for what it said last"
_LONGEST = 160


def _start(error: Exception) -> str:
    """Return how a message starts that goes on about what may have caused it, without its place."""
    text = " ".join(str(error).split()).partition(". This is")[0]
    return text.rpartition("] ")[2] if text.startswith("[") else text[:_LONGEST]


def _says_that_another_is_gone(error: Exception) -> bool:
    text = str(error).lower()
    return any(
        word in text for word in ("closed by peer", "reset by peer", "timed out", "broken pipe")
    )


def _read(text: bytes) -> tuple[int, str, str]:
    import ast  # noqa: PLC0415, only after a failure

    number, kind, message = ast.literal_eval(text.decode())
    return int(number), str(kind), str(message)


def _kind(failure: Failure) -> type[BaseException]:
    if failure.kind in {"KeyboardInterrupt", "Interrupted"}:
        return KeyboardInterrupt
    found = getattr(errors, failure.kind, ConvProfileError)
    return found if issubclass(found, ConvProfileError) else ConvProfileError


def _joint(failures: Sequence[Failure], count: int) -> BaseException:
    """Return what to raise everywhere; what is the same on all ranks is said as on one."""
    messages: dict[str, list[int]] = {}
    for failure in failures:
        messages.setdefault(failure.message, []).append(failure.rank)
    if len(messages) == 1 and len(failures) == count:
        text = failures[0].message
    else:
        text = "; ".join(f"{in_words(ranks)}: {said}" for said, ranks in messages.items())
    return _kind(failures[0])(text)


def in_words(ranks: Sequence[int]) -> str:
    """Return ranks as words: 'rank 1', 'ranks 0 and 2'."""
    *first, last = map(str, ranks)
    return f"ranks {', '.join(first)} and {last}" if first else f"rank {last}"
