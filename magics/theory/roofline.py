"""The roofline: how fast a layer could run, and which ceiling keeps it from it.

Two ceilings bound a layer: the machine's arithmetic rate and its memory bandwidth, which
depends on how much memory the layer touches. The time under the lower of the two is the roof
time; a layer well over it is held up by something else, by the kernel or by the overhead of
the call. Measuring the ceilings is not done here.

Source: Williams, Waterman and Patterson, "Roofline", CACM 52(4), 2009.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from math import exp, log
from typing import Literal

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


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What a device can do at best, measured or from its data sheet.

    Attributes:
        flops_per_s: Highest arithmetic rate [FLOP/s].
        bandwidth: Points (working set [bytes], bandwidth [byte/s]), at least one.
        call_overhead_s: Time of a call that does no work [s].

    Raises:
        ValueError: If a rate is not positive, or no bandwidth is given.
    """

    flops_per_s: float
    bandwidth: tuple[tuple[int, float], ...]
    call_overhead_s: float = 0.0

    def __post_init__(self) -> None:
        rates = [self.flops_per_s, *(rate for _, rate in self.bandwidth)]
        if not self.bandwidth or min(rates) <= 0 or min(size for size, _ in self.bandwidth) <= 0:
            raise ValueError(
                f"Ceilings: rates and working sets must be positive (got {self.flops_per_s!r} "
                f"FLOP/s, bandwidth {self.bandwidth!r}); measure the ceilings again",
            )
        object.__setattr__(self, "bandwidth", tuple(sorted(self.bandwidth)))

    def bytes_per_s(self, working_set: float) -> float:
        """Return the bandwidth for a working set [byte/s].

        Between two measured points the logarithms are interpolated, because caches differ by
        factors; outside them the nearest point holds.

        Args:
            working_set: Bytes that the layer touches.
        """
        sizes = [size for size, _ in self.bandwidth]
        after = bisect_left(sizes, working_set)
        if after == 0:
            return self.bandwidth[0][1]
        if after == len(sizes):
            return self.bandwidth[-1][1]
        (low, slow), (high, fast) = self.bandwidth[after - 1], self.bandwidth[after]
        share = log(working_set / low) / log(high / low)
        return exp(log(slow) + share * (log(fast) - log(slow)))

    def ridge_point(self, working_set: float) -> float:
        """Return the arithmetic intensity at which both ceilings meet [FLOP/byte]."""
        return self.flops_per_s / self.bytes_per_s(working_set)

    def attainable_flops_per_s(self, intensity: float, working_set: float) -> float:
        """Return the highest rate at an arithmetic intensity [FLOP/s].

        Args:
            intensity: Arithmetic intensity [FLOP/byte].
            working_set: Bytes that the layer touches.
        """
        return min(self.flops_per_s, intensity * self.bytes_per_s(working_set))

    def roof_time_s(
        self, flops: float, bytes_moved: float, working_set: float | None = None
    ) -> float:
        """Return the shortest time that both ceilings allow [s].

        Args:
            flops: Arithmetic of the layer [FLOP].
            bytes_moved: Memory traffic of the layer [bytes].
            working_set: Bytes that the layer touches; the traffic when left out.
        """
        reach = bytes_moved if working_set is None else working_set
        return max(flops / self.flops_per_s, bytes_moved / self.bytes_per_s(reach))


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
    working_set: float | None = None,
) -> Bound:
    """Say what bounds a layer.

    A layer near the roof is bound by it. Further away, it is overhead-bound when the roof time
    is no more than `OVERHEAD_FACTOR` call overheads, so that no kernel could do better, and
    kernel-bound otherwise.

    Args:
        flops: Arithmetic of the layer, elementwise work included [FLOP].
        bytes_moved: Memory traffic of the layer [bytes].
        time_s: Measured time [s].
        ceilings: What the device can do.
        working_set: Bytes that the layer touches; the traffic when left out.

    Raises:
        ValueError: If `time_s` is not positive.
    """
    if time_s <= 0:
        raise ValueError(f"bound: time_s must be positive (got {time_s!r}); measure again")
    reach = bytes_moved if working_set is None else working_set
    roof_time_s = ceilings.roof_time_s(flops, bytes_moved, reach)
    by_compute = flops / ceilings.flops_per_s >= bytes_moved / ceilings.bytes_per_s(reach)
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
        ridge_point=ceilings.ridge_point(reach),
    )


def explain(found: Bound) -> str:
    """Return one sentence that says why a layer takes as long as it does."""
    balance = f"{found.intensity:.2g} FLOP per byte, ridge point {found.ridge_point:.2g}"
    share = f"{100 * found.efficiency:.0f} % of its {found.roof} roof"
    sentences = {
        "compute": f"compute-bound: {balance}, so the arithmetic units set the pace, and it "
        f"reaches {share}.",
        "memory": f"memory-bound: {balance}, so it waits for memory whatever its MACs, and it "
        f"reaches {share}.",
        "overhead": f"overhead-bound: the work needs {1e6 * found.roof_time_s:.2g} us at the "
        f"roof, about what calling a kernel costs, so fewer MACs can't make it faster.",
        "kernel": f"kernel-bound: it reaches {share} ({balance}), so neither arithmetic nor "
        f"memory but the kernel holds it up; another memory layout or kernel may help.",
    }
    return sentences[found.verdict]
