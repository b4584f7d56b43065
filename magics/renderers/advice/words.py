"""The sentences of advice: what each change gains, at what error and cost, and what to type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from magics import units
from magics.records.advice import (
    CHANGES,
    DOES_NOT_APPLY,
    HELPS,
    HURTS,
    LOOK_AT,
    NO_GAIN,
    NOT_TRIED,
)
from magics.renderers.column import clean, printable
from magics.renderers.ratio_words import timed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from magics.records import Advice, Suggestion


@dataclass(frozen=True, slots=True)
class Entry:
    """What is said of one change.

    Attributes:
        name: What it is.
        measured: What was measured, in words; '' where nothing was.
        why: What was found.
        cost: What it costs besides, '' for nothing.
        code: The lines to type, as they are.
        link: Page of the documentation.
    """

    name: str
    measured: str
    why: str
    cost: str
    code: tuple[str, ...]
    link: str


_LOST = "lost"
"""Stands for no gain where the interval tells next to nothing."""

_FULL = ((HELPS, "What helps"), (LOOK_AT, "Worth a look"))
_SHORT = ((NO_GAIN, "What does not help here"), (_LOST, "What is lost in noise here"),
          (HURTS, "What hurts here"), (CHANGES, "What changes the result"))  # fmt: skip
_FOLDED = ((DOES_NOT_APPLY, "Does not apply"), (NOT_TRIED, "Not tried"))


def title(advice: Advice) -> str:
    """Say what the advice is for."""
    return f"Advice for {printable(advice.model)} on {printable(advice.inputs, 120)}"


def circumstances(advice: Advice) -> str:
    """Say what changes were compared with, and where."""
    facts = [advice.environment.get(name, "") for name in ("machine", "torch")]
    where = ", ".join(filter(None, [facts[0], f"torch {facts[1]}" if facts[1] else ""]))
    return clean(f"{advice.baseline}{f' {where}.' if where else ''}".strip())


def warnings(advice: Advice) -> list[str]:
    """Return what to know before trusting a number."""
    return [clean(text) for text in advice.warnings if text]


def verdict(advice: Advice) -> str:
    """Say in one sentence what helps most."""
    best = next(iter(advice.helps), None)
    if best is None:
        looks = sum(one.verdict == LOOK_AT for one in advice.suggestions)
        more = f"; {looks} thing{' is' if looks == 1 else 's are'} worth a look" if looks else ""
        return f"Nothing that was tried makes it surely faster{more}."
    if best.gain is None or not best.gain.is_gain:
        return f"Nothing that was tried makes it surely faster; {clean(best.name)} saves memory."
    return f"What helps most: {clean(best.name)}, {timed(best.gain)}."


def full(advice: Advice) -> list[tuple[str, list[Entry]]]:
    """Return, under its heading, what helps and what is worth a look."""
    return _under(advice, _FULL)


def short(advice: Advice) -> list[tuple[str, list[Entry]]]:
    """Return, under its heading, what was tried and is no help."""
    return _under(advice, _SHORT)


def folded(advice: Advice) -> list[tuple[str, list[Entry]]]:
    """Return, under its heading, what does not apply or was not tried, and why."""
    return _under(advice, _FOLDED)


def _under(advice: Advice, heads: Iterable[tuple[str, str]]) -> list[tuple[str, list[Entry]]]:
    found = [
        (head, [_entry(one) for one in advice.ordered if _word(one) == word])
        for word, head in heads
    ]
    return [(head, entries) for head, entries in found if entries]


def _word(one: Suggestion) -> str:
    is_lost = one.verdict == NO_GAIN and one.gain is not None and one.gain.is_vague
    return _LOST if is_lost else one.verdict


def _entry(one: Suggestion) -> Entry:
    measured = [_time(one), _memory(one), _error(one)]
    # What was not measured in turns is about other inputs than the model was given.
    why = clean(one.why)
    if not one.paired and one.gain is not None:
        measured, why = [*measured, why], ""
    return Entry(
        name=clean(one.name),
        measured="; ".join(filter(None, measured)),
        why=why,
        cost="; ".join(filter(None, [clean(one.cost), _once(one)])),
        code=tuple(clean(line) for line in one.code.splitlines()),
        link=clean(one.link),
    )


def _time(one: Suggestion) -> str:
    if one.gain is None:
        return ""
    return f"{timed(one.gain)}{_WHILE_BUSY if one.disturbed else ''}"


_WHILE_BUSY = (
    " while other programs kept the machine busy, where threads wait for one another: "
    "try it again on a quiet one"
)


def _memory(one: Suggestion) -> str:
    if one.bytes_before is None or one.bytes_after is None:
        return ""
    return (
        f"{units.size(one.bytes_after)} of memory at most instead of {units.size(one.bytes_before)}"
    )


def _error(one: Suggestion) -> str:
    if one.error is None:
        return ""
    if one.error == 0:
        return "the result is the same bit for bit"
    text = f"the result differs by {units.power(one.error)} of the largest output"
    if one.tolerance is None:
        return text
    within = "within" if one.is_same else "more than"
    return f"{text}, {within} the {one.tolerance:g} that counts as the same"


def _once(one: Suggestion) -> str:
    if one.once_s is None or one.once_s < _WORTH_A_WORD_S:
        return ""
    text = f"{units.seconds(one.once_s)} once"
    calls = one.break_even
    return f"{text}, paid back after {units.whole(calls)} calls" if calls else text


_WORTH_A_WORD_S = 0.05


def legend(advice: Advice) -> str:
    """Explain how a gain was found, and what its interval means."""
    if not any(one.gain is not None for one in advice.suggestions):
        return "Nothing was timed"
    return (
        "Each change was made by the lines shown, on a copy, and measured in turns with the model, "
        "round by round: a gain is the median of the pairs' ratios, its interval that of Student's "
        "t for the logarithms' trimmed mean, such that in 95 % of such advice all intervals hold "
        "at once; where it contains 1, nothing is gained"
    )
