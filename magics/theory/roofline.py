"""The roofline: how fast a layer could run, and which ceiling keeps it from it.

Two ceilings bound a layer: the machine's arithmetic rate and its memory bandwidth, which
depends on how much memory the layer touches. The time under the lower of the two is the roof
time; a layer well over it is held up by something else, by the kernel or by the overhead of
the call. Measuring the ceilings is not done here.

Source: Williams, Waterman and Patterson, "Roofline", CACM 52(4), 2009.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Literal

from magics import units
from magics.records import RELEVANT_SHARE, Ceilings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from magics.records import LayerProfile, Profile

__all__ = ["Bound", "Ceilings", "bound", "explain", "judged", "lifted"]

Verdict = Literal["compute", "memory", "kernel", "overhead"]

NEAR_ROOF = 0.5
"""Share of the roof rate from which a layer counts as bound by the roof it is under.

Kernels that the roofline explains ran at 79 to 102 % of it (convolution, ReLU, batch norm on
large maps), those it doesn't at 1 to 40 % (depthwise and max pool in NCHW): 50 % lies between.
"""

OVERHEAD_FACTOR = 2.0
"""A roof time below this many call overheads means that the call costs more than the work.

With a factor of 2 the overhead is at least a third of what the layer must take.
"""

_SURE_CALLS = 2.0
"""A layer raises a ceiling only if it takes this many call overheads: below, its rate is noise."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What keeps a layer from running faster.

    Attributes:
        verdict: 'compute', 'memory', 'kernel' or 'overhead'.
        roof: The lower of the two ceilings, whatever the verdict: 'compute' or 'memory'.
        efficiency: Roof time over measured time; 1 is at the roof.
        roof_time_s: Shortest time that the ceilings allow [s].
        intensity: Arithmetic intensity of the layer [FLOP/byte].
        ridge_point: Arithmetic intensity at which the ceilings meet [FLOP/byte].
    """

    verdict: Verdict
    roof: Literal["compute", "memory"]
    efficiency: float
    roof_time_s: float
    intensity: float
    ridge_point: float

    @property
    def distance(self) -> float:
        """Measured time over roof time: how many times slower than the roof allows."""
        return 1 / self.efficiency if self.efficiency else float("inf")

    @property
    def word(self) -> str:
        """The verdict as it is written: 'compute-bound', 'memory-bound', ...."""
        return f"{self.verdict}-bound"


def bound(
    flops: float,
    bytes_moved: float,
    time_s: float,
    ceilings: Ceilings,
    repeat_bytes: float = 0,
) -> Bound:
    """Say what bounds a layer.

    A layer near the roof is bound by it. Further away, it is overhead-bound when the roof time
    is no more than `OVERHEAD_FACTOR` call overheads, so that no kernel could do better, and
    kernel-bound otherwise.

    Args:
        flops: Arithmetic of the layer, elementwise work included [FLOP].
        bytes_moved: Memory traffic of the layer, each tensor once: its working set [bytes].
        time_s: Measured time [s].
        ceilings: What the device can do.
        repeat_bytes: What is read a second time, such as the input of a batch norm in
            training [bytes].

    Raises:
        ValueError: If `time_s` is not positive.
    """
    if time_s <= 0:
        raise ValueError(f"bound: time_s must be positive (got {time_s!r}); measure again")
    roof_time_s = ceilings.roof_time_s(flops, bytes_moved, repeat_bytes)
    by_compute = ceilings.compute_time_s(flops) >= ceilings.memory_time_s(bytes_moved, repeat_bytes)
    roof: Literal["compute", "memory"] = "compute" if by_compute else "memory"
    efficiency = roof_time_s / time_s
    verdict: Verdict = roof
    if efficiency < NEAR_ROOF:
        small = roof_time_s < OVERHEAD_FACTOR * ceilings.call_overhead_s
        verdict = "overhead" if small else "kernel"
    return Bound(
        verdict=verdict,
        roof=roof,
        efficiency=efficiency,
        roof_time_s=roof_time_s,
        intensity=flops / bytes_moved if bytes_moved else 0.0,
        ridge_point=ceilings.ridge_point(bytes_moved),
    )


def explain(found: Bound) -> str:
    """Return one sentence that says why a layer takes as long as it does."""
    intensity, ridge_point = map(units.intensity, (found.intensity, found.ridge_point))
    balance = f"{intensity} FLOP per byte, ridge point {ridge_point}"
    share = f"{units.percent(found.efficiency, 0)} of its {found.roof} roof"
    sentences = {
        "compute": f"compute-bound: {balance}, so the arithmetic units set the pace, and it "
        f"reaches {share}.",
        "memory": f"memory-bound: {balance}, so it waits for memory whatever its MACs, and it "
        f"reaches {share}.",
        "overhead": f"overhead-bound: the work needs {units.seconds(found.roof_time_s, 2)} at the "
        f"roof, about what calling a kernel costs, so fewer MACs can't make it faster.",
        "kernel": f"kernel-bound: it reaches {share} ({balance}), so neither arithmetic nor "
        f"memory but the kernel holds it up; another memory layout or kernel may help.",
    }
    return sentences[found.verdict]


def falling(points: Iterable[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    """Return bandwidth points where a smaller working set is never the slower one.

    What moves a large set at some rate can move a small one at least as fast, once the price
    of the call is paid; a point that says otherwise was disturbed.
    """
    descending = sorted(points, reverse=True)
    rates = accumulate((rate for _, rate in descending), max)
    return tuple(sorted(zip((size for size, _ in descending), rates, strict=True)))


def lifted(
    ceilings: Ceilings, layers: Iterable[LayerProfile], whole_s: float, repeats: Repeats
) -> Ceilings:
    """Return the ceilings, raised to what the layers of a profile reached.

    Probes are a few kernels, and a layer may have a better one, or work in place. Layers that
    are hardly longer than a call are not believed, and for the arithmetic rate, which holds for
    all, only those that matter (`RELEVANT_SHARE` of the whole).

    Args:
        ceilings: What the probes reached.
        layers: Layers with their times.
        whole_s: Time of the whole forward [s].
        repeats: Bytes read a second time, by name and call index.
    """
    shortest = _SURE_CALLS * ceilings.call_overhead_s
    peak, peak_by = ceilings.flops_per_s, ceilings.peak_by
    points = dict(ceilings.bandwidth)
    for layer in layers:
        time_s = _time(layer)
        if time_s is None or time_s < shortest:
            continue
        matters = time_s >= RELEVANT_SHARE * whole_s
        if matters and needed_flops(layer) / time_s > peak:
            peak, peak_by = needed_flops(layer) / time_s, layer.name
        size, repeat = layer.bytes_moved, repeats.get((layer.name, layer.call_index), 0)
        excess = ceilings.memory_time_s(size, repeat) / time_s
        if excess > 1:
            points[size] = max(points.get(size, 0), excess * ceilings.bytes_per_s(size))
    return replace(
        ceilings, flops_per_s=peak, peak_by=peak_by, bandwidth=falling(points.items())
    )  # fmt: skip


def judged(profile: Profile, probed: Ceilings, repeats: Repeats, known: Known) -> Profile:
    """Return the profile with the roof of each timed layer and what bounds it.

    Args:
        profile: A profile with times.
        probed: What the probes reached; what layers reached is added here.
        repeats: Bytes read a second time, by name and call index.
        known: Names and call indices of the layers whose work is counted in full.
    """
    whole_s = profile.plain.median_s if profile.plain else 0.0
    counted = [layer for layer in profile.layers if (layer.name, layer.call_index) in known]
    ceilings = lifted(probed, counted, whole_s, repeats)
    layers = []
    for layer in profile.layers:
        key, time_s = (layer.name, layer.call_index), _time(layer)
        if time_s is not None and key in known:
            found = bound(
                needed_flops(layer), layer.bytes_moved, time_s, ceilings, repeats.get(key, 0)
            )
            layers.append(replace(layer, bound=found.verdict, roof_s=found.roof_time_s))
        else:
            layers.append(layer)
    return replace(profile, layers=tuple(layers), ceilings=ceilings)


def needed_flops(layer: LayerProfile) -> int:
    """Return the arithmetic that no kernel can leave out [FLOP].

    MACs on zero padding are left out, because kernels skip them. A formula that doesn't tell
    them apart needs them all.
    """
    return 2 * (layer.useful_macs or layer.macs) + layer.elementwise_flops


def _time(layer: LayerProfile) -> float | None:
    """Return the time of a layer that moves something, or `None` [s]."""
    if layer.forward is None or layer.forward.median_s <= 0 or not layer.bytes_moved:
        return None
    return layer.forward.median_s


if TYPE_CHECKING:
    Key = tuple[str, int]
    Repeats = Mapping[Key, int]
    Known = set[Key]
