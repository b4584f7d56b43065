"""What would make ranks lose less time: read off what was measured, nothing is tried out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magics import units

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magics.records import Spread
    from magics.records.ranks import Communication

_WORTH = 0.05  # share of a step from which on communication is worth a remedy
_STEPS = 4  # steps between two that synchronise, for an example
_HIDDEN = 0.5  # from which on smaller buckets would gain little
_MANY = 8  # buckets, from which on larger ones may do better
_SMALL = 2**20  # a bucket below this is small [bytes]


def remedies(spread: Spread) -> list[str]:
    """Return what would help, a sentence each; what costs little first."""
    found = spread.communication
    if found is None:
        return []
    return [*_of_settings(spread, found), *_of_communication(spread, found), *_of_ranks(spread)]


def _of_settings(spread: Spread, found: Communication) -> Iterator[str]:
    known = spread.settings
    if known.get("find_unused_parameters") == "True" and known.get("static_graph") != "True":
        yield (
            "find_unused_parameters=True walks the graph in every step: if the same parameters "
            "are used in each, static_graph=True looks once."
        )
    if spread.broadcast_bytes and found.ratio.is_gain:
        yield (
            f"broadcast_buffers=False saves sending {units.size(spread.broadcast_bytes)} before "
            f"every forward, if ranks may keep running statistics of their own."
        )
    if known.get("gradient_as_bucket_view") == "False" and spread.reduced_bytes > _SMALL:
        yield (
            f"gradient_as_bucket_view=True lets gradients be the buckets: "
            f"{units.size(spread.reduced_bytes)} less to copy and to keep."
        )


def _of_communication(spread: Spread, found: Communication) -> Iterator[str]:
    if not found.ratio.is_gain or found.share < _WORTH:
        return
    left = found.lost_s / _STEPS
    share = left / (found.alone.median_s + left)
    yield (
        f"Gradient accumulation: within model.no_sync(), a step communicates nothing; with "
        f"{_STEPS - 1} of {_STEPS} steps in it, {units.percent(share)} of the time would be lost "
        f"instead of {units.percent(found.share)}."
    )
    buckets, capacity = len(spread.bucket_bytes), spread.settings.get("bucket_cap_mb", "25")
    if buckets == 1 and spread.reduced_bytes > _SMALL and (found.hidden or 0.0) < _HIDDEN:
        yield (
            f"All gradients are in one bucket, which is sent when the backward ends: a smaller one "
            f"(bucket_cap_mb below {capacity}) starts earlier, beside the backward."
        )
    elif buckets > _MANY and spread.reduced_bytes / buckets < _SMALL:
        yield (
            f"{buckets} buckets of {units.size(spread.reduced_bytes / buckets)} each: fewer and "
            f"larger ones (bucket_cap_mb above {capacity}) cost less in all."
        )
    if spread.reduced_bytes > _SMALL:
        yield (
            "Half the bytes: model.register_comm_hook(None, torch.distributed.algorithms."
            "ddp_comm_hooks.default_hooks.bf16_compress_hook), at the precision of bfloat16."
        )
    yield "Larger batches on each rank: the same bytes for more work."


def _of_ranks(spread: Spread) -> Iterator[str]:
    slow = spread.straggler
    if slow is None:
        return
    rank = spread.ranks[slow.place]
    inputs = {one.profile.inputs for one in spread.ranks}
    look = (
        "its input is another one" if len(inputs) > 1 and _differs(spread, slow.place)
        else "look for other programs, fewer cores or a slower clock there"
    )  # fmt: skip
    yield f"All wait for rank {rank.number} in every step: {look}."


def _differs(spread: Spread, place: int) -> bool:
    own = spread.ranks[place].profile.inputs
    return all(
        rank.profile.inputs != own for rank in spread.ranks if rank is not spread.ranks[place]
    )
