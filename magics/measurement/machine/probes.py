"""Probes: the fastest arithmetic, copying and calling that a device shows in a second.

A probe grows its work until the rate no longer depends on it, and stops before the next size
would overrun its share of the time, so slow machines and slow element types end in time too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from magics.measurement.machine import cuda
from magics.measurement.machine.clock import CPU, NANOSECOND, WALL
from magics.theory.roofline import falling

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from magics.measurement.machine.clock import Clock

BUDGET_S = 0.9
"""How long all probes together may take: the promise is one second [s]."""

_SHARES = {"overhead": 0.05, "matmul": 0.3, "conv2d": 0.25, "bandwidth": 0.4}
_REPLICATES = 5
_SHORTEST_S = 50e-6  # a shorter run is repeated, so that reading the clock costs nothing
_EMPTY_CALLS = 20
_WARM_UPS = 2
_LEAST_RUNS = 3  # a probe is worth its while only if it can run so often: two warm-ups and once

_MATMUL_SIZES = (64, 128, 256, 512, 1024, 2048)
_CUDA_MATMUL_SIZES = (512, 1024, 2048, 4096, 8192)
_CONV_CHANNELS = (16, 32, 64, 128, 256)
_CUDA_CONV_CHANNELS = (64, 128, 256, 512)
_CONV_SIZE, _CUDA_CONV_BATCH = 28, 64

WORKING_SETS = tuple(1 << power for power in range(18, 29, 2))
"""Bytes touched by the bandwidth probes: from within a core's cache to beyond all caches."""

_CUDA_WORKING_SETS = tuple(1 << power for power in range(20, 31, 2))

Run = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Setting:
    """What ceilings are measured for.

    Attributes:
        device: Where.
        dtype: Element type of the arithmetic.
        layout: Memory layout of the convolution's input.
        threads: Threads of torch, which the caller has set.
    """

    device: torch.device
    dtype: torch.dtype
    layout: torch.memory_format
    threads: int


class Probes:
    """Measures one setting; each method takes no longer than its share of the time."""

    def __init__(self, setting: Setting, wall: Clock = WALL, work: Clock | None = None) -> None:
        """Prepare the probes.

        Args:
            setting: What to measure.
            wall: Tells when to stop.
            work: Tells how long a probe took: the device's clock by default. With one thread
                of a processor that is the thread's own time, which is the same on a quiet
                machine and stays right on a busy one.
        """
        self._setting, self._wall = setting, wall
        self._cuda = setting.device.type == "cuda"
        if work is None:
            work = cuda.clock() if self._cuda else CPU if setting.threads == 1 else wall
        self._work = work
        self._deadline = 0.0

    def peak(self) -> tuple[float, str]:
        """Return the highest arithmetic rate [FLOP/s] and the probe that reached it.

        Raises:
            RuntimeError: If neither matmul nor convolution runs in this element type.
        """
        rates: list[tuple[float, str]] = []
        for name, probes in (("matmul", self._matmuls), ("conv2d", self._convolutions)):
            self._start(name)
            try:
                rates.append((self._highest(probes()), name))
            except RuntimeError as error:  # not for this element type, or not enough memory
                failure = error
        if not rates:
            raise failure
        return max(rates)

    def bandwidth(self) -> tuple[tuple[int, float], ...]:
        """Return the bandwidth of copying and adding [byte/s] for each working set [bytes]."""
        self._start("bandwidth")
        sets = _CUDA_WORKING_SETS if self._cuda else WORKING_SETS
        points: dict[int, float] = {}
        empty = 0.0
        try:
            memory = self._empty(sets[0] // 2)
            empty = self._fastest(lambda: memory[:1].copy_(memory[1:2]))
            for size in sets:
                memory = torch.empty(0)  # the old one goes before the new one comes
                memory = self._empty(size)
                spent = 0.0
                for run in self._movers(memory):
                    time_s = self._fastest(run)
                    spent += time_s
                    # Without the price of the call, which says nothing about memory; at most half,
                    # because it is known only roughly.
                    rate = size / max(time_s - empty, time_s / 2)
                    points[size] = max(points.get(size, 0.0), rate)
                if self._left() < _LEAST_RUNS * spent * (sets[1] // sets[0]):
                    break
        except RuntimeError:  # not enough memory: what is known is enough
            if not points:
                raise
        return falling(points.items())

    def overhead(self) -> float:
        """Return the time of a convolution that has nothing to do [s]."""
        self._start("overhead")
        image, weight = self._values(1, 1, 1, 1), self._values(1, 1, 1, 1)

        def calls() -> None:
            for _ in range(_EMPTY_CALLS):
                functional.conv2d(image, weight)

        return self._fastest(calls) / _EMPTY_CALLS

    def _start(self, name: str) -> None:
        self._deadline = self._wall.read() * NANOSECOND + _SHARES[name] * BUDGET_S

    def _left(self) -> float:
        return self._deadline - self._wall.read() * NANOSECOND

    def _values(self, *shape: int) -> torch.Tensor:
        """Return numbers between -1 and 1, which no kernel has a shorter way for."""
        count = 1
        for size in shape:
            count *= size
        values = torch.linspace(-1, 1, count, device=self._setting.device).reshape(shape)
        values = values.to(self._setting.dtype)
        if values.dim() == _IMAGE_DIMS:
            values = values.contiguous(memory_format=self._setting.layout)
        return values

    def _empty(self, nbytes: int) -> torch.Tensor:
        itemsize = self._setting.dtype.itemsize
        empty = torch.empty(
            nbytes // itemsize, dtype=self._setting.dtype, device=self._setting.device
        )
        return empty.fill_(0.5)  # until written to, it is no memory

    def _movers(self, memory: torch.Tensor) -> Iterator[Run]:
        half, third = memory.numel() // 2, memory.numel() // 3
        first, second = memory[:half], memory[half : 2 * half]
        yield lambda: second.copy_(first)
        one, two, three = (memory[i * third : (i + 1) * third] for i in range(3))
        yield lambda: torch.add(one, two, out=three)

    def _matmuls(self) -> Iterator[tuple[int, Run]]:
        for size in _CUDA_MATMUL_SIZES if self._cuda else _MATMUL_SIZES:
            first, second = self._values(size, size), self._values(size, size)
            yield 2 * size**3, lambda a=first, b=second: a @ b  # type: ignore[misc]  # mypy can't tell a default's type

    def _convolutions(self) -> Iterator[tuple[int, Run]]:
        """Yield 3x3 convolutions without padding, so that every MAC is done."""
        side, batch = _CONV_SIZE, _CUDA_CONV_BATCH if self._cuda else 1
        for channels in _CUDA_CONV_CHANNELS if self._cuda else _CONV_CHANNELS:
            image = self._values(batch, channels, side + 2, side + 2)
            weight = self._values(channels, channels, 3, 3)
            flops = 2 * batch * side**2 * channels**2 * 9
            yield flops, lambda x=image, w=weight: functional.conv2d(x, w)  # type: ignore[misc]  # mypy can't tell a default's type

    def _highest(self, probes: Iterable[tuple[int, Run]]) -> float:
        """Return the highest rate of probes that grow [FLOP/s]."""
        best, flop_s = 0.0, 0.0
        for flops, run in probes:
            if self._left() < _LEAST_RUNS * flops * flop_s:
                break
            begin = self._wall.read()
            best = max(best, flops / self._fastest(run))
            # By the wall clock, others' share of the processor included: it is what runs out.
            flop_s = (self._wall.read() - begin) * NANOSECOND / (_WARM_UPS + _REPLICATES) / flops
        return best

    def _fastest(self, run: Run) -> float:
        """Return the shortest of some replicates [s]: what disturbs only adds.

        The first two runs choose and prepare kernels; the second tells how many fill a
        replicate. After the deadline there is one replicate.
        """
        for _ in range(_WARM_UPS):
            once = self._seconds(run, 1)
        count = max(1, int(_SHORTEST_S / once)) if once else _EMPTY_CALLS
        best = self._seconds(run, count) / count
        for _ in range(_REPLICATES - 1):
            if self._left() < count * best:
                break
            best = min(best, self._seconds(run, count) / count)
        return max(best, NANOSECOND)

    def _seconds(self, run: Run, count: int) -> float:
        begin = self._work.read()
        for _ in range(count):
            run()
        return self._work.seconds(begin, self._work.read())[0]


_IMAGE_DIMS = 4
