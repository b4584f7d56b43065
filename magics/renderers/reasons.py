"""Which layers cost most, and why: one sentence each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magics import units
from magics.renderers.table import label, what, whole_s
from magics.theory import roofline

if TYPE_CHECKING:
    from magics.records import LayerProfile, Profile

_MOST = 3
_NEARLY = 1 - 1e-9


def most_expensive(profile: Profile) -> list[str]:
    """Say which layers cost most, and why, in one sentence each."""
    timed = [row for row in profile.layers if row.forward and row.forward.median_s > 0]
    if timed and whole_s(profile):
        timed.sort(key=lambda row: -row.forward.median_s if row.forward else 0.0)
        return [_timed(row, profile) for row in timed[:_MOST]]
    counted = sorted((row for row in profile.layers if row.macs), key=lambda row: -row.macs)
    return [_counted(row, profile) for row in counted[:_MOST]]


def _timed(row: LayerProfile, profile: Profile) -> str:
    seconds = row.forward.median_s if row.forward else 0.0
    share = units.percent(seconds / (whole_s(profile) or 1.0))
    total = profile.total.macs
    macs = f"{units.percent(row.macs / total)} of the MACs" if row.macs and total else "no MACs"
    return f"{label(row)} ({what(row)}): {share} of the time, {macs}; {_why(row, profile)}"


def _why(row: LayerProfile, profile: Profile) -> str:
    if profile.ceilings is not None and row.bound and row.roof_s and row.efficiency:
        reached = units.percent(row.efficiency, 0)
        least = profile.ceilings.compute_time_s(roofline.needed_flops(row))
        by_compute = least >= row.roof_s * _NEARLY
        allowed = "the arithmetic units allow" if by_compute else "memory allows"
        sentence = _REASONS.get(row.bound, "{bound}-bound, at {reached} of what {allowed}")
        roof = units.seconds(row.roof_s / row.calls, 2)
        return sentence.format(bound=row.bound, reached=reached, allowed=allowed, roof=roof)
    whole = profile.total
    rate = units.count(row.flops_per_s, "FLOP/s")
    mean = (whole.flops + whole.elementwise_flops) / (whole_s(profile) or 1.0)
    return f"it runs at {rate}, the whole model at {units.count(mean, 'FLOP/s')}"


_REASONS = {
    "compute": "compute-bound, at {reached} of what {allowed}",
    "memory": "memory-bound, at {reached} of what {allowed}: fewer MACs would not help",
    "kernel": "kernel-bound, at {reached} of what {allowed}: another memory layout or kernel may "
    "help",
    "overhead": "overhead-bound: its work needs only {roof}, about what a call costs",
}


def _counted(row: LayerProfile, profile: Profile) -> str:
    share = units.percent(row.macs / profile.total.macs)
    outputs = row.calls
    for size in row.output_shape:
        outputs *= size
    each = f": {units.whole(outputs)} outputs, {units.count(row.macs / outputs)} multiply-adds each"
    return f"{label(row)} ({what(row)}): {share} of the MACs{each if row.output_shape else ''}"
