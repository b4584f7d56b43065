"""Sums over layers, and what they leave out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

    from magics.records.layer import LayerProfile
    from magics.records.measurement import Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncounted:
    """An operation that has no formula: its work is missing from the counts.

    Attributes:
        op: Name of the operation, such as 'aten::topk'.
        layer: Path of the module that called it.
        calls: How often.
    """

    op: str
    layer: str
    calls: int

    def __str__(self) -> str:
        times = "" if self.calls == 1 else f" ({self.calls} calls)"
        return f"{self.op} in {self.layer or 'the model'}{times}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over layers; times are those of the plain model where it is the whole model."""

    calls: int
    params: int
    macs: int
    elementwise_flops: int
    bytes_moved: int
    backward_macs: int = 0
    forward: Measurement | None = None
    backward: Measurement | None = None
    forward_s: float | None = None
    backward_s: float | None = None

    @property
    def flops(self) -> int:
        """FLOPs of the multiply-adds: twice the MACs."""
        return 2 * self.macs

    @property
    def backward_flops(self) -> int:
        """FLOPs of the backward pass' multiply-adds."""
        return 2 * self.backward_macs

    @classmethod
    def of(cls, layers: Iterable[LayerProfile]) -> Self:
        """Return the sums over layers; times are the sums of their medians."""
        rows = list(layers)
        forward = [row.forward.median_s for row in rows if row.forward]
        backward = [row.backward.median_s for row in rows if row.backward]
        return cls(
            calls=sum(row.calls for row in rows),
            params=sum(row.params for row in rows),
            macs=sum(row.macs for row in rows),
            elementwise_flops=sum(row.elementwise_flops for row in rows),
            bytes_moved=sum(row.bytes_moved for row in rows),
            backward_macs=sum(row.backward_macs for row in rows),
            forward_s=sum(forward) if forward else None,
            backward_s=sum(backward) if backward else None,
        )
