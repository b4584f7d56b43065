"""What was measured, round by round: replicates of one pass, and of a whole measurement."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from magics.records import RELEVANT_SHARE, Measurement

if TYPE_CHECKING:
    from magics.measurement.machine.clock import Clock
    from magics.measurement.rows import Key
    from magics.measurement.timing.runs import Pass, Passes

STABLE = 0.05
"""Split-half difference under which a row counts as stable [1]."""

_MIN_STABLE_ROUNDS = 4
_CHECKS_PER_DOUBLING = 8


@dataclass(slots=True)
class Series:
    """Replicates of one pass, forward or backward; one of each per round.

    Attributes:
        rows: Per row [s].
        other: Everything else [s].
        plain: The plain run [s].
        instrumented: The instrumented run, its own cost included [s].
    """

    rows: dict[Key, list[float]] = field(default_factory=dict)
    other: list[float] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)
    instrumented: list[float] = field(default_factory=list)

    def add(self, plain: Pass, instrumented: Pass) -> None:
        """Add a round."""
        self.plain.append(plain.whole)
        self.instrumented.append(instrumented.whole)
        self.other.append(instrumented.other)
        for key, spent in instrumented.rows.items():
            self.rows.setdefault(key, []).append(spent)

    def is_stable(self) -> bool:
        """Return whether every row that matters is known to `STABLE`."""
        if len(self.plain) < _MIN_STABLE_ROUNDS:
            return False
        whole = Measurement(replicates_s=tuple(self.plain)).median_s
        rows = [Measurement(replicates_s=tuple(row)) for row in (*self.rows.values(), self.other)]
        return not any(
            row.split_half is not None and row.split_half >= STABLE
            for row in rows
            if row.median_s >= RELEVANT_SHARE * whole
        )


@dataclass(slots=True)
class Timings:
    """What was measured.

    Attributes:
        clock: The clock read.
        threads: Threads that torch ran with.
        forward: The forward's replicates.
        backward: The backward's; without any where there was none.
        contention: Wall over processor time; 1 on a quiet machine.
        stable: Whether every row that matters became stable.
        interrupted: Whether Ctrl-C ended it.
        no_backward: A backward was asked for, and no output can have a gradient.
    """

    clock: Clock
    threads: int
    forward: Series = field(default_factory=Series)
    backward: Series = field(default_factory=Series)
    contention: float = 1.0
    stable: bool = False
    interrupted: bool = False
    no_backward: bool = False

    @property
    def rounds(self) -> int:
        """Number of whole rounds."""
        return len(self.forward.plain)

    def add(self, plain: Passes, instrumented: Passes) -> None:
        """Add a round."""
        self.forward.add(plain[0], instrumented[0])
        if plain[1] is not None and instrumented[1] is not None:
            self.backward.add(plain[1], instrumented[1])
        if self.rounds % max(1, self.rounds // _CHECKS_PER_DOUBLING) == 0:
            self.stable = self.forward.is_stable() and (
                not self.backward.plain or self.backward.is_stable()
            )

    def measurement(self, replicates: list[float] | None) -> Measurement | None:
        """Return replicates as a record, or `None` where there are none."""
        if not replicates:
            return None
        return Measurement(replicates_s=tuple(replicates), clock=self.clock.name)
