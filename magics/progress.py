"""How far a long piece of work is: told here by whoever works, shown by whoever wants to.

Nobody shows anything unless asked to; telling costs less than a microsecond then. Which layers
a profile has is told, too, as soon as it is known: whoever asked for others can end it there.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager


class Named(Protocol):
    """A layer, as far as layers are chosen by it."""

    @property
    def name(self) -> str:
        """Its path."""

    @property
    def kind(self) -> str:
        """Kind of layer."""


class Receiver(Protocol):
    """Is told how far the work is."""

    def report(self, done: float, text: str) -> None:
        """Take note that a share of the work is done.

        Args:
            done: From 0 to 1.
            text: What is being done.
        """

    def close(self) -> None:
        """Take note that the work has ended, one way or another."""


@dataclass(slots=True)
class _Way:
    """How far the work has come: what begins anew half way doesn't undo what was done."""

    receiver: Receiver
    furthest: float = 0.0

    def report(self, done: float, text: str) -> None:
        self.furthest = max(self.furthest, done)
        self.receiver.report(self.furthest, text)


@dataclass(frozen=True, slots=True)
class _Part:
    way: _Way
    begin: float
    end: float
    text: str = ""


_current: ContextVar[_Part | None] = ContextVar("progress", default=None)


@contextmanager
def reported_to(receiver: Receiver | None) -> Iterator[None]:
    """Let the work inside be reported; `None` reports to nobody."""
    if receiver is None:
        yield
        return
    before = _current.set(_Part(_Way(receiver), 0.0, 1.0))
    try:
        yield
    finally:
        _current.reset(before)
        receiver.close()


@contextmanager
def part(begin: float, end: float, text: str = "") -> Iterator[None]:
    """Let what is reported inside be about a part of the work.

    Args:
        begin: Where the part begins, from 0 to 1.
        end: Where it ends.
        text: What is being done all the while; '' as it is told inside.
    """
    whole = _current.get()
    if whole is None:
        yield
        return
    length = whole.end - whole.begin
    inner = _Part(
        whole.way,
        whole.begin + begin * length,
        whole.begin + end * length,
        whole.text or text,
    )
    before = _current.set(inner)
    try:
        yield
    finally:
        _current.reset(before)


def piece(number: int, count: int, begin: float, end: float) -> AbstractContextManager[None]:
    """Let what is reported inside be about one of equal pieces between two points of the work.

    Args:
        number: Which one, from 0.
        count: How many there are.
        begin: Where the first begins, from 0 to 1.
        end: Where the last ends.
    """
    length = (end - begin) / count
    return part(begin + number * length, begin + (number + 1) * length)


def report(done: float, text: str) -> None:
    """Tell how much of the part is done.

    Args:
        done: From 0 to 1; what lies outside is cut off.
        text: What is being done, in a word or two.
    """
    here = _current.get()
    if here is not None:
        share = min(1.0, max(0.0, done))
        done = here.begin + share * (here.end - here.begin)
        here.way.report(done, here.text or text)


_check: ContextVar[Callable[[Sequence[Named]], None] | None] = ContextVar("check", default=None)


@contextmanager
def counted_to(check: Callable[[Sequence[Named]], None]) -> Iterator[None]:
    """Let every profile inside tell its layers before it measures them.

    Args:
        check: Is told the layers; what it raises ends the profile.
    """
    before = _check.set(check)
    try:
        yield
    finally:
        _check.reset(before)


def counted(layers: Sequence[Named]) -> None:
    """Tell which layers a profile has, in the order of their calls."""
    check = _check.get()
    if check is not None:
        check(layers)
