"""How long to measure one model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to measure one model, where no budget tells.

    Attributes:
        limits_s: At least and at most [s].
        runs: How many runs, within those limits.
        enough_s: How long rounds go on at least, even if all is stable before [s].
        runs_always: For how many runs there is time, whatever the budget.
    """

    limits_s: tuple[float, float] = (1.0, 10.0)
    # Five rounds and a first run: with what else a profile runs, it stays within 15 forwards.
    runs: int = 11
    enough_s: float = 0.0
    runs_always: int = 0
