"""What a device can do at best: its arithmetic rate, its bandwidth, the price of a call."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from math import exp, isfinite, log


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What a device can do at best, measured or from its data sheet.

    Attributes:
        flops_per_s: Highest arithmetic rate [FLOP/s].
        bandwidth: Points (working set [bytes], bandwidth [byte/s]), at least one.
        call_overhead_s: Time of a call that does no work [s].
        peak_by: What reached the arithmetic rate: a probe ('matmul', 'conv2d') or a layer's name.
        dtype: Element type that the rate holds for; 'tf32' for float32 on tensor cores.
        measured: When it was measured.
        disturbed: Others kept the machine busy meanwhile, so the device may do better.

    Raises:
        ValueError: If a rate is not positive, or no bandwidth is given.
    """

    flops_per_s: float
    bandwidth: tuple[tuple[int, float], ...]
    call_overhead_s: float = 0.0
    peak_by: str = ""
    dtype: str = ""
    measured: str = ""
    disturbed: bool = False

    def __post_init__(self) -> None:
        rates = [self.flops_per_s, *(rate for _, rate in self.bandwidth)]
        sizes = [size for size, _ in self.bandwidth]
        if (
            not self.bandwidth
            or min(rates) <= 0
            or min(sizes) <= 0
            or not all(map(isfinite, (*rates, self.call_overhead_s)))
            or self.call_overhead_s < 0
        ):
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

    def compute_time_s(self, flops: float) -> float:
        """Return the shortest time for the arithmetic [s]."""
        return flops / self.flops_per_s

    def memory_time_s(self, bytes_moved: float, repeat_bytes: float = 0) -> float:
        """Return the shortest time for the traffic [s].

        Args:
            bytes_moved: Traffic of the layer, each tensor once: its working set too [bytes].
            repeat_bytes: What is read a second time; from a cache, if it fits into one [bytes].
        """
        once = bytes_moved / self.bytes_per_s(bytes_moved)
        return once + repeat_bytes / self.bytes_per_s(repeat_bytes)

    def roof_time_s(self, flops: float, bytes_moved: float, repeat_bytes: float = 0) -> float:
        """Return the shortest time that both ceilings allow [s].

        Args:
            flops: Arithmetic of the layer [FLOP].
            bytes_moved: Memory traffic of the layer, each tensor once [bytes].
            repeat_bytes: What is read a second time [bytes].
        """
        return max(self.compute_time_s(flops), self.memory_time_s(bytes_moved, repeat_bytes))
