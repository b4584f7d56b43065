"""Several stopwatches that go on together, until the last one has enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magics.measurement.timing.stopwatch import Stopwatch

_MOST = 1.5
"""How much longer watches may take together than each would have taken alone [1]."""


class Company:
    """Knows who still waits for stable times, and what the others' company has cost.

    One that has become stable stays so while it keeps the others company.
    """

    def __init__(self, watches: Sequence[Stopwatch]) -> None:
        self.waiting = list(watches)
        self._spent = dict.fromkeys(watches, 0)
        self._alone: dict[Stopwatch, int] = {}

    def spend(self, watch: Stopwatch, length: int) -> None:
        """Note what a round of one took [ns]."""
        self._spent[watch] += length

    def settle(self) -> None:
        """See who has become stable."""
        for watch in self.waiting:
            if watch.timings.stable:
                self._alone[watch] = self._spent[watch]
        self.waiting = [watch for watch in self.waiting if watch not in self._alone]
        for watch in self._alone:
            watch.timings.stable = True

    @property
    def is_dear(self) -> bool:
        """Whether those that have enough have kept the others company for too long."""
        alone = sum(self._alone.get(watch, spent) for watch, spent in self._spent.items())
        return bool(self._alone) and sum(self._spent.values()) > _MOST * alone
