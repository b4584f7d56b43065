"""What would make a model faster, what was found in it, and what does not help: as measured."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003, read when decoding
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Any, ClassVar

from magics.records.measurement import Measurement  # noqa: TC001, read when decoding
from magics.records.ratio import Ratio, of_times
from magics.records.saved import Saved

if TYPE_CHECKING:
    from collections.abc import Iterator

HELPS = "helps"
LOOK_AT = "look at"
NO_GAIN = "no gain"
HURTS = "hurts"
CHANGES = "changes the result"
DOES_NOT_APPLY = "does not apply"
NOT_TRIED = "not tried"

VERDICTS = (HELPS, LOOK_AT, NO_GAIN, HURTS, CHANGES, DOES_NOT_APPLY, NOT_TRIED)
"""What can be said of a change, in the order in which it is listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One change to a model or to how it is called, and what became of trying it.

    Attributes:
        name: What it is, such as 'fold batch norm'.
        verdict: 'helps', 'look at' (a finding that is no matter of time alone), 'no gain',
            'hurts', 'changes the result', 'does not apply' or 'not tried'.
        why: What was found, or why it does not apply or was not tried.
        link: Page of the documentation about it.
        code: The lines that make the change; what was measured is what they do.
        layers: Names of the layers concerned.
        before: Time without the change, replicate by replicate.
        after: Time with it; of the same rounds where `paired`.
        paired: Both were measured in turns.
        claims: How many ratios of times share the level of the intervals.
        error: Largest difference of the outputs over the largest output [1]; in training steps,
            of the gradients as well. `None` where nothing was compared.
        tolerance: Up to which error the result counts as the same [1].
        bytes_before: Most memory taken without the change [bytes].
        bytes_after: Most memory taken with it [bytes].
        cost: What it costs besides.
        once_s: Time it takes once, before the first call gains anything [s].
        disturbed: Others worked on the machine meanwhile, and no clock could leave them out.

    Raises:
        ValueError: If the verdict is none, or a help that nothing measured bears out.
    """

    name: str
    verdict: str
    why: str
    link: str
    code: str = ""
    layers: tuple[str, ...] = ()
    before: Measurement | None = None
    after: Measurement | None = None
    paired: bool = True
    claims: int = 1
    error: float | None = None
    tolerance: float | None = None
    bytes_before: int | None = None
    bytes_after: int | None = None
    cost: str = ""
    once_s: float | None = None
    disturbed: bool = False

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict: not one of {', '.join(VERDICTS)} (got {self.verdict!r})")
        gained = self.gain is not None and self.gain.is_gain
        if self.verdict == HELPS and not (gained or self.saves_memory):
            raise ValueError(f"verdict: {self.name} helps nothing that was measured")

    @property
    def gain(self) -> Ratio | None:
        """Time before over time after, with its interval; `None` where it was not measured."""
        return of_times(self.before, self.after, paired=self.paired, claims=self.claims)

    @property
    def saves_memory(self) -> bool:
        """Whether less memory is taken with the change."""
        return bool(self.bytes_before and self.bytes_after and self.bytes_after < self.bytes_before)

    @property
    def is_same(self) -> bool:
        """Whether the result is the same within the tolerance, as far as it was compared."""
        return self.error is None or self.tolerance is None or self.error <= self.tolerance

    @property
    def break_even(self) -> int | None:
        """Number of calls after which what it takes once is paid back, `None` if never."""
        if self.once_s is None or self.before is None or self.after is None:
            return None
        if self.gain is None or not self.gain.is_gain:
            return None
        saved = self.before.median_s - self.after.median_s
        return ceil(self.once_s / saved) if saved > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice(Saved):
    """What was tried on a model, and what became of it.

    Attributes:
        model: Class of the model.
        inputs: The inputs in words, such as '1x3x224x224 float32'.
        baseline: What the changes are compared with, and how, in sentences.
        suggestions: Everything that was looked at, in the order in which it was.
        environment: Machine, torch, dtype, threads, clock and so on.
        warnings: What a reader must know before trusting a number.
        digits: Significant digits to show; `None` for the usual ones.
    """

    _word: ClassVar[str] = "advice"

    model: str
    inputs: str
    baseline: str
    suggestions: tuple[Suggestion, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    digits: int | None = None

    @property
    def ordered(self) -> tuple[Suggestion, ...]:
        """The suggestions by verdict, as in `VERDICTS`; what helps most comes first."""
        return tuple(
            sorted(self.suggestions, key=lambda one: (VERDICTS.index(one.verdict), -_gain(one))),
        )

    @property
    def helps(self) -> tuple[Suggestion, ...]:
        """What surely helps, the largest gain first."""
        return tuple(one for one in self.ordered if one.verdict == HELPS)

    def __getitem__(self, name: str) -> Suggestion:
        """Return the suggestion of a name.

        Raises:
            KeyError: If there is none.
        """
        for one in self.suggestions:
            if one.name == name:
                return one
        raise KeyError(f"{name}: no such suggestion; there are "
                       f"{', '.join(one.name for one in self.suggestions)}")  # fmt: skip

    def __iter__(self) -> Iterator[Suggestion]:
        """Iterate over the suggestions in the order in which they are shown."""
        return iter(self.ordered)

    def __len__(self) -> int:
        return len(self.suggestions)

    def _lines(self) -> list[dict[str, Any]]:
        """Return one flat dictionary per suggestion: times [s], the gain and its interval."""
        return [
            {
                "name": one.name,
                "verdict": one.verdict,
                "gain": one.gain.value if one.gain else None,
                "gain_low": one.gain.low if one.gain else None,
                "gain_high": one.gain.high if one.gain else None,
                "before_s": one.before.median_s if one.before else None,
                "after_s": one.after.median_s if one.after else None,
                "clock": one.before.clock if one.before else None,
                "error": one.error,
                "tolerance": one.tolerance,
                "bytes_before": one.bytes_before,
                "bytes_after": one.bytes_after,
                "cost": one.cost,
                "once_s": one.once_s,
                "break_even_calls": one.break_even,
                "layers": " ".join(one.layers),
                "why": one.why,
                "code": one.code,
                "link": one.link,
            }
            for one in self.ordered
        ]

    def __repr__(self) -> str:
        """Return one line; all fields would be pages."""
        names = ", ".join(one.name for one in self.helps) or "nothing"
        return f"<Advice for {self.model} on {self.inputs}: {names} of {len(self)} helps>"


def _gain(one: Suggestion) -> float:
    return one.gain.value if one.gain else 0.0
