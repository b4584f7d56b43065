"""Several rows as one: counts and times added up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magics.records.layer import LayerProfile
from magics.records.measurement import Measurement
from magics.records.totals import Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


def together(
    rows: Sequence[LayerProfile], name: str, kind: str = "", **fields: str
) -> LayerProfile:
    """Return the sums over rows, as a row of its own; the peak is the highest of theirs.

    Args:
        rows: What to add up; at least one.
        name: Name of the sum.
        kind: Kind of the sum.
        **fields: Further fields of it.
    """
    sums = Totals.of(rows)
    return LayerProfile(
        name=name,
        kind=kind,
        calls=sums.calls,
        params=sums.params,
        macs=sums.macs,
        useful_macs=sum(row.useful_macs for row in rows),
        elementwise_flops=sums.elementwise_flops,
        bytes_moved=sums.bytes_moved,
        backward_macs=sums.backward_macs,
        backward_elementwise_flops=sum(row.backward_elementwise_flops for row in rows),
        backward_bytes_moved=sum(row.backward_bytes_moved for row in rows),
        forward=_added(row.forward for row in rows),
        backward=_added(row.backward for row in rows),
        saved_bytes=_known(sum, (row.saved_bytes for row in rows)),
        peak_bytes=_known(max, (row.peak_bytes for row in rows)),
        **fields,  # type: ignore[arg-type]  # texts, by the caller's promise
    )


def _added(measured: Iterable[Measurement | None]) -> Measurement | None:
    """Add replicates of the same round, so that the sum's spread is that of whole rounds."""
    known = [item for item in measured if item]
    if not known:
        return None
    replicates = zip(*(item.replicates_s for item in known), strict=False)
    return Measurement(replicates_s=tuple(map(sum, replicates)), clock=known[0].clock)


def _known(combined: Callable[[Iterable[int]], int], sizes: Iterable[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return combined(known) if known else None
