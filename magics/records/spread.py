"""One model on several ranks: how much its layers differ between them, and what waiting costs."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003, read when decoding
from dataclasses import dataclass, field
from math import comb
from typing import TYPE_CHECKING, ClassVar

from magics.records.measurement import Measurement  # noqa: TC001, read when decoding
from magics.records.profile import Profile  # noqa: TC001, read when decoding
from magics.records.ranks import SpreadRow, communication, extent, straggler
from magics.records.saved import Saved

if TYPE_CHECKING:
    from magics.records.ranks import Communication, Extent, Straggler


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """One process of those that train together.

    Attributes:
        number: Its rank.
        host: Name of its machine.
        device: Where its model ran: 'cpu', 'cuda:1'.
        profile: The profile of the model there, without communication.
        step: Training steps as they are, with communication; one per round.
        alone: Training steps that don't synchronise; one per round.
    """

    number: int
    host: str
    device: str
    profile: Profile
    step: Measurement | None = None
    alone: Measurement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread(Saved):
    """One model on several ranks.

    Attributes:
        ranks: Every rank, each with the same layers.
        backend: What carries the gradients: 'gloo', 'nccl'.
        reduction: Reducing as many bytes with nothing beside it, the longest of all ranks.
        bucket_bytes: What each step reduces, bucket by bucket [bytes].
        broadcast_bytes: Buffers that each forward broadcasts from the first rank [bytes].
        settings: How the model is made data-parallel: bucket size and so on.
        warnings: What a reader must know before trusting a number.
        digits: Significant digits to show; `None` for the usual ones.

    Raises:
        ValueError: If the parts don't fit together.
    """

    _word: ClassVar[str] = "spread"

    ranks: tuple[Rank, ...]
    backend: str
    reduction: Measurement | None = None
    bucket_bytes: tuple[int, ...] = ()
    broadcast_bytes: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    digits: int | None = None

    def __post_init__(self) -> None:
        numbers = [rank.number for rank in self.ranks]
        if not numbers or len(set(numbers)) < len(numbers):
            raise ValueError(f"ranks: none, or one of them twice (got {numbers})")
        first = _names(self.ranks[0].profile)
        for rank in self.ranks[1:]:
            if _names(rank.profile) != first:
                raise ValueError(f"ranks: other layers than the first one's (got {rank.number})")
        for name in ("step", "alone"):
            counts = {_rounds(getattr(rank, name)) for rank in self.ranks}
            if len(counts | {_rounds(self.ranks[0].step)}) > 1:
                raise ValueError(f"{name}: not as many on every rank (got {sorted(counts)})")

    @property
    def model(self) -> str:
        """What was profiled."""
        return self.ranks[0].profile.model

    @property
    def inputs(self) -> str:
        """The inputs in words; several, where ranks had different ones."""
        return " and ".join(dict.fromkeys(rank.profile.inputs for rank in self.ranks))

    @property
    def reduced_bytes(self) -> int:
        """What each step reduces [bytes]."""
        return sum(self.bucket_bytes)

    @property
    def rows(self) -> tuple[SpreadRow, ...]:
        """The layers and, last, everything else."""
        layers = list(zip(*(rank.profile.rows for rank in self.ranks), strict=True))
        claims = 2 * len(layers) * max(1, comb(len(self.ranks), 2))
        return tuple(
            SpreadRow(
                row,
                extent([layer.forward for layer in row], claims),
                extent([layer.backward for layer in row], claims),
            )
            for row in layers
        )

    @property
    def forward(self) -> Extent | None:
        """The forward of the whole model, without communication."""
        return extent([rank.profile.plain for rank in self.ranks], self._wholes)

    @property
    def backward(self) -> Extent | None:
        """The backward of the whole model, without communication."""
        return extent([rank.profile.plain_backward for rank in self.ranks], self._wholes)

    @property
    def _wholes(self) -> int:
        return 2 * max(1, comb(len(self.ranks), 2))

    @property
    def communication(self) -> Communication | None:
        """What of a step is communication, or `None` where that was not measured."""
        steps = [rank.step.replicates_s for rank in self.ranks if rank.step]
        alone = [rank.alone.replicates_s for rank in self.ranks if rank.alone]
        return communication(steps, alone, self.reduction) if steps and alone else None

    @property
    def straggler(self) -> Straggler | None:
        """The rank that is always slower than the others, if there is one."""
        return straggler([rank.alone.replicates_s for rank in self.ranks if rank.alone])

    def _lines(self) -> list[dict[str, object]]:
        """Return one flat dictionary per row: counts, times [s], ranks by their numbers."""
        lines = []
        for row in self.rows:
            layer = row.layers[0]
            line: dict[str, object] = {
                name: getattr(layer, name)
                for name in ("name", "kind", "call_index", "params", "macs")
            }
            for what in ("forward", "backward"):
                extent: Extent | None = getattr(row, what)
                line |= {
                    f"{what}_fastest_s": min(extent.seconds) if extent else None,
                    f"{what}_median_s": extent.median_s if extent else None,
                    f"{what}_slowest_s": max(extent.seconds) if extent else None,
                    f"{what}_slowest_rank": self.ranks[extent.slowest].number if extent else None,
                    f"{what}_spread": extent.spread if extent else None,
                    f"{what}_sure": extent.is_sure if extent else None,
                }
                for place, rank in enumerate(self.ranks):
                    key = f"{what}_rank{rank.number}_s"
                    line[key] = extent.seconds[place] if extent else None
            lines.append(line)
        return lines

    def __repr__(self) -> str:
        """Return one line; all fields would be pages."""
        return f"<Spread of {self.model} over {len(self.ranks)} ranks with {self.backend}>"


def _names(profile: Profile) -> list[tuple[str, str, int]]:
    return [(layer.name, layer.kind, layer.call_index) for layer in profile.layers]


def _rounds(measured: Measurement | None) -> int:
    return measured.count if measured else 0
