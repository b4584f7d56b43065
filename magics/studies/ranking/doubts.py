"""What makes a spread over ranks less certain than its numbers look."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from magics.measurement.parallel.ranks import in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from magics.records import Rank

_CIRCUMSTANCES = ("machine", "torch", "python", "threads", "mode", "dtype", "layout")


def about(ranks: Sequence[Rank]) -> Iterator[str]:
    """Yield what a reader must know before trusting a number, a sentence each."""
    if len(ranks) == 1:
        yield "One rank only: it has nobody to wait for. Start more: --nproc-per-node 2."
    inputs = _by(ranks, lambda rank: rank.profile.inputs)
    if len(inputs) > 1:
        yield f"The inputs differ: {_told(inputs)}."
    clocks = _by(ranks, partial(_known, "clock"))
    if len(clocks) > 1:
        yield (
            f"Layers were timed with different clocks ({_told(clocks)}), as some ranks were "
            f"disturbed by other programs: their times can't be compared well."
        )
    for name in _CIRCUMSTANCES:
        values = _by(ranks, partial(_known, name))
        if len(values) > 1:
            yield f"Ranks differ in {name}: {_told(values)}."
    if ranks[0].profile.environment.get("mode") == "eval":
        yield "The model is in eval mode, in which it is not trained: see mode='train'."
    if any(layer.kind == "sync_batch_norm" for layer in ranks[0].profile.layers):
        yield (
            "SyncBatchNorm asks other ranks in every forward, also within no_sync(): that is "
            "in no layer's time, nor in the time lost to communication."
        )
    said = dict.fromkeys(text for rank in ranks for text in rank.profile.warnings)
    for text in said:
        numbers = [rank.number for rank in ranks if text in rank.profile.warnings]
        everywhere = len(numbers) == len(ranks)
        yield text if everywhere else f"{in_words(numbers).capitalize()}: {text}"


def _known(name: str, rank: Rank) -> str:
    return rank.profile.environment.get(name, "")


def _by(ranks: Sequence[Rank], value: Callable[[Rank], str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for rank in ranks:
        found.setdefault(value(rank), []).append(rank.number)
    return found


def _told(values: dict[str, list[int]]) -> str:
    return ", ".join(f"{text} on {in_words(numbers)}" for text, numbers in values.items())
