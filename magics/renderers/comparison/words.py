"""The sentences of a comparison: how many times less, how many times faster, and why.

The way from fewer MACs to less time has three steps, each of which can cost some of the gain:
the roofline allows less where intensity falls; kernels stay under their roof; calls, and what
is no layer, take their time whatever the layers do. The ratios of the steps are those of the
times that the profiles would have without what comes later, so they multiply to the measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from magics import units
from magics.renderers.column import clean, printable
from magics.renderers.ratio_words import counted, timed
from magics.renderers.table import label, what

if TYPE_CHECKING:
    from magics.records import Comparison, LayerProfile, Profile, Ratio, Ratios

_ALL_STEPS = 4
_ALIKE = 0.05  # ratios nearer to 1 than this are not worth a sentence


@dataclass(frozen=True, slots=True)
class Step:
    """A gain, after one more reason was taken into account.

    Attributes:
        name: What it is the gain of.
        gain: The first over the other.
        why: Why it is not that of the step before.
        ratio: The measured ratio, for the last step.
    """

    name: str
    gain: float
    why: str = ""
    ratio: Ratio | None = None


def title(comparison: Comparison) -> str:
    """Say what is compared."""
    inputs = dict.fromkeys(profile.inputs for profile in comparison.profiles)
    names = " and ".join(map(printable, dict.fromkeys(comparison.names)))
    return f"{names} on {' and '.join(printable(text, 120) for text in inputs)}"


def entrants(comparison: Comparison) -> list[tuple[str, str]]:
    """Return the letter of each profile, and what it needs in all."""
    found = []
    for letter, name, profile in zip(
        comparison.letters, comparison.names, comparison.profiles, strict=True
    ):
        total = profile.total
        parts = [
            f"{printable(name)}: {units.whole(total.params)} parameters",
            f"{units.count(total.macs)} MACs",
            f"{units.size(total.bytes_moved)} moved",
        ]
        if total.forward_s:
            parts.append(f"one forward {units.seconds(total.forward_s)}")
        if total.backward_s:
            parts.append(f"one backward {units.seconds(total.backward_s)}")
        found.append((letter, ", ".join(parts)))
    return found


def warnings(comparison: Comparison) -> list[str]:
    """Return what to know before trusting a ratio."""
    return [clean(text) for text in comparison.warnings if text]


def verdict(comparison: Comparison, place: int) -> str:
    """Say in one sentence how a profile compares with the first."""
    ratios = comparison.total[place - 1]
    one, first = comparison.letters[place], comparison.letters[0]
    parts = [
        counted(ratio, noun)
        for ratio, noun in (
            (ratios.params, "parameters"),
            (ratios.macs, "MACs"),
            (ratios.bytes_moved, "bytes to move"),
        )
        if ratio is not None
    ]
    parts = [part for part in parts if part] or ["as many parameters and MACs"]
    text = f"{one} has {_listed(parts)} {'as' if 'as many' in parts[0] else 'than'} {first}"
    if ratios.forward is not None:
        text += f"; it is {timed(ratios.forward)}"
    if ratios.backward is not None:
        text += f", its backward {timed(ratios.backward)}"
    return f"{text}{_in_short(comparison, place)}."


def _in_short(comparison: Comparison, place: int) -> str:
    """Say what becomes of fewer MACs, all three steps; nothing where ceilings are not known."""
    taken = steps(comparison, place)
    if len(taken) < _ALL_STEPS:
        return ""
    found = [units.ratio(step.gain, 2) for step in taken]
    pair = [_intensity(comparison.profiles[index]) for index in (place, 0)]
    one, first = map(units.intensity, pair)
    intensity = f"({one} FLOP/byte of intensity instead of {first})"
    macs = taken[0].gain
    if macs >= 1 + _ALIKE:
        return (
            f", because of {found[0]} fewer MACs the roofline leaves {found[1]} {intensity}, "
            f"the kernels {found[2]}, and overhead {found[3]}"
        )
    work = f"{units.ratio(1 / macs, 2)} more MACs" if macs <= 1 - _ALIKE else "as many MACs"
    return (
        f", because with {work} the roofline allows {found[1]} {intensity}, the kernels reach "
        f"{found[2]}, and with overhead it is {found[3]}"
    )


def steps(comparison: Comparison, place: int) -> list[Step]:
    """Return the way from the ratio of MACs to the ratio of times.

    Without times there is none, nor where neither work nor time differ; without ceilings, only
    its two ends are known.
    """
    ratios = comparison.total[place - 1]
    one, other = comparison.profiles[0], comparison.profiles[place]
    if ratios.macs is None or ratios.forward is None or _nothing_to_explain(ratios):
        return []
    letters = comparison.letters[0], comparison.letters[place]
    found = [Step("fewer MACs", ratios.macs.value)]
    parts = [_parts(one), _parts(other)]
    if parts[0] and parts[1]:
        (roof, busy), (other_roof, other_busy) = parts[0], parts[1]
        found += [
            Step("allowed by the roofline", roof / other_roof, _by_intensity(one, other, letters)),
            Step("reached by the kernels", busy / other_busy,
                 _by_kernels((roof / busy, other_roof / other_busy), other, letters)),
        ]  # fmt: skip
    last = _by_overhead(one, other, letters) if parts[0] and parts[1] else ""
    found.append(Step("measured, with calls and the rest", ratios.forward.value, last,
                      ratios.forward))  # fmt: skip
    return found


def _nothing_to_explain(ratios: Ratios) -> bool:
    """Return whether there is as much work as before, and no sure difference in time."""
    macs, forward = ratios.macs, ratios.forward
    if macs is None or forward is None:
        return True
    return abs(macs.value - 1) < _ALIKE and not (forward.is_gain or forward.is_loss)


def reasons(comparison: Comparison, place: int) -> list[str]:
    """Say why the time does not follow the MACs, a sentence for each step that changes much."""
    found = steps(comparison, place)
    if not found:
        return []
    one, other = comparison.profiles[0], comparison.profiles[place]
    if len(found) < _ALL_STEPS:
        letters = comparison.letters[0], comparison.letters[place]
        return [f"{_by_intensity(one, other, letters)}."]
    said = []
    for before, step in pairwise(found):
        change = step.gain / before.gain
        if abs(change - 1) < _ALIKE:
            continue
        was, becomes = units.ratio(before.gain, 2), units.ratio(step.gain, 2)
        does = f"leaves {becomes} of {was}" if change < 1 else f"makes {becomes} of {was}"
        said.append(f"{_SUBJECTS[step.name]} {does}: {step.why}.")
    alike = "intensity, kernels and overhead are alike"
    if abs(found[0].gain - 1) < _ALIKE:  # then there are no fewer MACs to follow
        alike += f", each within {units.percent(_ALIKE, 0)}"
        return said or [f"No step explains the difference: {alike}."]
    return said or [f"The time follows the MACs: {alike}."]


_SUBJECTS = {
    "allowed by the roofline": "Intensity",
    "reached by the kernels": "The kernel",
    "measured, with calls and the rest": "Overhead",
}


def _parts(profile: Profile) -> tuple[float, float] | None:
    """Return the time that the roofline allows the layers, and what kernels take [s].

    What kernels take is the layers' time without what calling them costs, but never less than
    the roofline allows.
    """
    rows = [row for row in profile.layers if row.forward and row.roof_s]
    roof = sum(row.roof_s or 0.0 for row in rows)
    if profile.ceilings is None or not roof:
        return None
    spent = sum(row.forward.median_s for row in rows if row.forward)
    calls = sum(row.calls for row in rows)
    return roof, max(roof, spent - calls * profile.ceilings.call_overhead_s)


def _by_intensity(one: Profile, other: Profile, letters: tuple[str, str]) -> str:
    first, second = _intensity(one), _intensity(other)
    return (
        f"arithmetic intensity is {units.intensity(second)} FLOP/byte in {letters[1]}, "
        f"{units.intensity(first)} in {letters[0]}"
    )


def _intensity(profile: Profile) -> float | None:
    total = profile.total
    if not total.bytes_moved:
        return None
    return (total.flops + total.elementwise_flops) / total.bytes_moved


def _by_kernels(reached: tuple[float, float], other: Profile, letters: tuple[str, str]) -> str:
    text = (
        f"kernels reach {units.percent(reached[1], 0)} of their roof in {letters[1]}, "
        f"{units.percent(reached[0], 0)} in {letters[0]}"
    )
    worst = max(
        (row for row in other.layers if row.forward and row.roof_s),
        key=_lost,
        default=None,
    )
    if worst is not None and worst.efficiency and worst.efficiency < 1:
        name = f", {printable(worst.kernel, 40)}" if worst.kernel else ""
        text += (
            f"; most is lost in {label(worst)} ({what(worst)}{name}), "
            f"at {units.percent(worst.efficiency, 0)} of its roof"
        )
    return text


def _lost(row: LayerProfile) -> float:
    return (row.forward.median_s if row.forward else 0.0) - (row.roof_s or 0.0)


def _by_overhead(one: Profile, other: Profile, letters: tuple[str, str]) -> str:
    shares = []
    for profile in (one, other):
        parts, whole = _parts(profile), profile.total.forward_s
        shares.append(max(0.0, 1 - parts[1] / whole) if parts and whole else None)
    return (
        f"calls and what is no layer take {units.percent(shares[1], 0)} of the time in "
        f"{letters[1]}, {units.percent(shares[0], 0)} in {letters[0]}"
    )


def _listed(parts: list[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def legend(comparison: Comparison) -> str:
    """Explain the columns, and what the intervals mean."""
    what = "A/B: how many times as much A needs as B"
    if not any(profile.plain for profile in comparison.profiles):
        return what
    how = (
        "measured in turns, round by round, so times come in pairs: a ratio is the median of theirs"
        if comparison.interleaved
        else "measured at different times: a ratio is that of the medians"
    )
    return (
        f"{what}; {how}; its interval is that of Student's t "
        f"for the logarithms' trimmed mean, such that in 95 % of comparisons all intervals hold "
        f"at once. 'faster' and 'slower' stand where it does not contain 1"
    )
