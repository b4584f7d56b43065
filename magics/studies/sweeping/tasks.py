"""What is to be measured at one point of a sweep."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003, read when a task is made
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One point to measure; it can be pickled if the model and its inputs can.

    Attributes:
        values: The value on each axis, such as {'batch': 8}.
        model: The model as the user gave it, or what makes one.
        inputs: What to call it with, before any axis changes it.
        kwargs: Keyword arguments of the model.
        options: Options of a profile that hold for all points.
        fixed: Values like those of axes, the same for all points.
        budget_s: How long to measure times at most, `None` for a default [s].
        predicted_bytes: What the peak is said to become [bytes].
        needed_bytes: What the run is said to need, inputs and workspace included [bytes].
        most_bytes: What it can need at most, where no more is known [bytes].
        undisturbed: Others were seen to work on this machine: use the processor's clock.
    """

    values: Mapping[str, int | str]
    model: object
    inputs: tuple[object, ...]
    kwargs: Mapping[str, object] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, int | str] = field(default_factory=dict)
    budget_s: float | None = None
    predicted_bytes: int | None = None
    needed_bytes: int | None = None
    most_bytes: int | None = None
    undisturbed: bool = False

    @property
    def settings(self) -> Mapping[str, int | str]:
        """All that is set by value, on axes or for all points."""
        return {**self.fixed, **self.values}
