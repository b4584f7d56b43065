"""The sentences of a spread over ranks: who took part, what a step loses, who is slow."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from magics import units
from magics.renderers.column import clean, printable
from magics.renderers.ratio_words import ends
from magics.renderers.table import label
from magics.renderers.words import setting

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from magics.records import Spread
    from magics.records.ranks import Communication, SpreadRow

_MOST_BUCKETS = 6
_HIDDEN = 0.05  # less than this is not worth being called hidden


def title(spread: Spread) -> str:
    """Say what was profiled, and on how many ranks."""
    inputs = printable(spread.inputs, 200) or "no input"
    return f"{printable(spread.model)} on {inputs}, on {_count(len(spread.ranks), 'rank')}"


def verdict(spread: Spread) -> str:
    """Say in one sentence what of a training step is communication."""
    found = spread.communication
    if found is None:
        return "The time lost to communication was not measured."
    low, high = found.interval
    step = f"a training step takes {units.seconds(found.step.median_s)}"
    if not found.ratio.is_gain:
        known = f"at most {units.percent(high)}" if isfinite(found.ratio.high) else "too few rounds"
        return f"No time is surely lost to communication ({known}; {step})."
    alone = len(spread.ranks) == 1
    what = "what data parallelism takes by itself" if alone else "communication"
    return (
        f"{units.percent(found.share)} of a training step, {units.seconds(found.lost_s)} of "
        f"{units.seconds(found.step.median_s)}, is {what} "
        f"({units.percent(low)} to {units.percent(high)})."
    )


def facts(spread: Spread) -> list[tuple[str, str]]:
    """Return the header: a word and a sentence each; without those that have nothing to say."""
    found = spread.communication
    known = [
        ("ranks", _ranks(spread)),
        ("step", _step(found) if found else ""),
        ("sent", _sent(spread)),
        ("hidden", _hidden(spread, found) if found else ""),
        ("waiting", _waiting(spread, found) if found and len(spread.ranks) > 1 else ""),
        ("layers", _layers(spread)),
        ("setting", setting(spread.ranks[0].profile.environment)),
    ]
    return [(word, clean(sentence)) for word, sentence in known if sentence]


def warnings(spread: Spread) -> list[str]:
    """Return what to know before trusting a number."""
    return [clean(text) for text in spread.warnings if text]


def _ranks(spread: Spread) -> str:
    """Name every rank with its machine and device; those that are alike together."""
    places: dict[tuple[str, str], list[int]] = {}
    for rank in spread.ranks:
        places.setdefault((rank.host, rank.device), []).append(rank.number)
    named = [
        f"{_named(numbers)} on {printable(host)}, {printable(device)}"
        for (host, device), numbers in places.items()
    ]
    by = f"; gradients go through {printable(spread.backend)}" if spread.backend else ""
    return f"{'; '.join(named)}{by}"


def _named(numbers: Sequence[int]) -> str:
    first, last = numbers[0], numbers[-1]
    if len(numbers) > 2 and last - first == len(numbers) - 1:  # noqa: PLR2004, from which on they are a range
        return f"ranks {first} to {last}"
    return f"rank{'s' * (len(numbers) > 1)} {_listed(list(map(str, numbers)))}"


def _step(found: Communication) -> str:
    return (
        f"forward and backward take {units.seconds(found.step.median_s)}, and "
        f"{units.seconds(found.alone.median_s)} where ranks don't synchronise (no_sync); by the "
        f"wall clock, the slowest rank of each, medians of {found.step.count} in turn"
    )


def _sent(spread: Spread) -> str:
    sizes = spread.bucket_bytes
    if not sizes:
        return ""
    listed = ", ".join(units.size(size) for size in sizes[:_MOST_BUCKETS])
    more = ", ..." if len(sizes) > _MOST_BUCKETS else ""
    text = f"a step reduces {units.size(spread.reduced_bytes)} of gradients"
    text += f" in {len(sizes)} buckets ({listed}{more})" if len(sizes) > 1 else " in one bucket"
    if spread.broadcast_bytes:
        text += f"; a forward broadcasts {units.size(spread.broadcast_bytes)} of buffers"
    return text


def _hidden(spread: Spread, found: Communication) -> str:
    if spread.reduction is None or found.hidden is None:
        return ""
    text = f"with nothing beside it, reducing takes {units.seconds(spread.reduction.median_s)}"
    if not found.ratio.is_gain:
        return text
    if found.hidden >= _HIDDEN:
        return f"{text}; {units.percent(found.hidden, 0)} of that goes on behind the backward"
    if found.lost_s > spread.reduction.median_s:
        text += f", less than the {units.seconds(found.lost_s)} that are lost"
        return f"{text}: none of it is hidden, and copying, buffers and hooks take their time, too"
    return f"{text}; next to none of that goes on behind the backward"


def _waiting(spread: Spread, found: Communication) -> str:
    """Say how long ranks wait for the slowest, and whether that is always the same one."""
    longest = max(found.waiting_s)
    share = longest / found.alone.median_s if found.alone.median_s else 0.0
    who = spread.ranks[found.waiting_s.index(longest)].number
    text = (
        f"rank {who} waits longest for the slowest one, {units.seconds(longest)} in a step without "
        f"synchronising ({units.percent(share)})"
    )
    slow = spread.straggler
    if slow is None:
        return f"{text}; no rank is always the slowest"
    return (
        f"{text}; rank {spread.ranks[slow.place].number} is always slower: in "
        f"{units.percent(slow.rounds, 0)} of the steps it is the last, "
        f"{units.ratio(slow.ratio.value, 2)} the others ({ends(slow.ratio.low, slow.ratio.high)})"
    )


def _layers(spread: Spread) -> str:
    """Name the layers in which the slowest rank surely loses most."""
    losses = sorted(_losses(spread), reverse=True)
    if len(spread.ranks) < 2:  # noqa: PLR2004, one is not compared
        return ""
    if not losses:
        return "no layer surely takes longer on one rank than on another"
    named = [text for _, text in losses[:3]]
    return f"ranks differ most in {_listed(named)}"


def _losses(spread: Spread) -> Iterator[tuple[float, str]]:
    for row in spread.rows:
        for what in ("forward", "backward"):
            extent = getattr(row, what)
            if extent is not None and extent.is_sure:
                lost = max(extent.seconds) - min(extent.seconds)
                rank = spread.ranks[extent.slowest].number
                yield (
                    lost,
                    f"{label(row.layers[0])}, {what} (rank {rank}: {units.seconds(lost)} more)",
                )


def slowest(spread: Spread, row: SpreadRow | None, what: str) -> str:
    """Return the rank that is surely the slowest, of a row or of the whole model; '' for none."""
    extent = getattr(row or spread, what)
    return f"rank {spread.ranks[extent.slowest].number}" if extent and extent.is_sure else ""


def legend(spread: Spread) -> str:
    """Explain the columns."""
    clocks = {rank.profile.environment.get("clock", "") for rank in spread.ranks}
    names = {"cpu": "processor time", "wall": "the wall clock", "cuda": "CUDA events"}
    how = " and ".join(sorted(names.get(clock, "a clock") for clock in clocks))
    return (
        f"fastest, median, slowest: medians of the ranks' times, by {how}, while all ranks worked "
        f"and none waited for another; spread: by how much the slowest takes longer than the "
        f"fastest; a rank is named where it surely is the slowest (95 % for all rows at once)"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _listed(parts: list[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last
