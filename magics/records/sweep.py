"""One model at many settings: how time, memory and throughput go with a batch size or a width."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003, read when decoding
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from magics.records.measurement import Measurement  # noqa: TC001, read when decoding
from magics.records.saved import Saved
from magics.records.views import formed

if TYPE_CHECKING:
    from collections.abc import Sequence

MEASURED, COUNTED = "measured", "counted"
FAILED, OUT_OF_MEMORY, NOT_RUN = "failed", "out_of_memory", "not_run"
"""What can have become of a point."""

_STATUSES = (MEASURED, COUNTED, FAILED, OUT_OF_MEMORY, NOT_RUN)

WITH_A_KNEE = frozenset({"batch", "threads"})
"""Axes along which a sample takes less and less time, until it takes no less any more."""

KNEE = 0.10
"""How much longer than at best a sample may take at the knee [1]."""

_MOST_AXES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepAxis:
    """What is varied.

    Attributes:
        name: Such as 'batch'.
        values: Its values, in the order asked for.
        open_ended: They were to go on until more is no gain, or does not fit into memory.
    """

    name: str
    values: tuple[int | str, ...]
    open_ended: bool = False

    @property
    def is_numeric(self) -> bool:
        """Whether all values are numbers."""
        return all(isinstance(value, int) for value in self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPoint:
    """The model at one setting.

    Attributes:
        values: The value on each axis, such as {'batch': 8}.
        status: 'measured', 'counted' (its times were not asked for), 'failed', 'out_of_memory' or
            'not_run'.
        reason: Why it was not measured, in a line; '' if it was.
        batch: Samples per call, or `None` where the inputs don't tell.
        forward: One forward of the model as it is.
        backward: The backward, where one was asked for.
        params: Parameters.
        macs: Multiply-adds of a forward.
        bytes_moved: What a forward reads and writes at least [bytes].
        peak_bytes: Most alive at any moment, of what the run makes; parameters, buffers and
            inputs are not in it [bytes].
        predicted_bytes: What `peak_bytes` was said to become, before it ran [bytes].
        allocator_bytes: Most that the allocator handed out, workspace of kernels included,
            where it tells [bytes].
        input_bytes: Size of the inputs [bytes].
        peaks: What is alive after each operator that makes something; predictions go by it
            [bytes].
        runs: How often the model ran for this, forward and, where asked, backward.
        busy_s: All that the point took, on the clock of `forward` [s].
        seconds: All that the point took, on the wall clock [s].
        where: Where it ran, such as 'thishost, cpu'.
        environment: Machine, torch, dtype, threads, clock and so on.
        warnings: What a reader must know of this point, in plain words.

    Raises:
        ValueError: If there is no such status.
    """

    values: Mapping[str, int | str]
    status: str
    reason: str = ""
    batch: int | None = None
    forward: Measurement | None = None
    backward: Measurement | None = None
    params: int | None = None
    macs: int | None = None
    bytes_moved: int | None = None
    peak_bytes: int | None = None
    predicted_bytes: int | None = None
    allocator_bytes: int | None = None
    input_bytes: int | None = None
    peaks: tuple[int, ...] = ()
    runs: int = 0
    busy_s: float = 0.0
    seconds: float = 0.0
    where: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.status not in _STATUSES:
            raise ValueError(f"status: unknown (got {self.status!r}); one of {_STATUSES}")
        if (self.status == MEASURED) != (self.forward is not None):
            raise ValueError(f"forward: there is one if measured (got {self.status!r})")

    @property
    def seconds_per_call(self) -> float | None:
        """Time of a forward and, where asked for, its backward [s]."""
        if self.forward is None:
            return None
        return self.forward.median_s + (self.backward.median_s if self.backward else 0.0)

    @property
    def seconds_per_sample(self) -> float | None:
        """The same for one sample of the batch [s]."""
        whole = self.seconds_per_call
        return whole / self.batch if whole is not None and self.batch else None

    @property
    def samples_per_s(self) -> float | None:
        """Throughput [samples/s]."""
        return 1 / self.seconds_per_sample if self.seconds_per_sample else None

    @property
    def bytes_per_sample(self) -> float | None:
        """Peak memory for one sample of the batch [bytes]."""
        if self.peak_bytes is None or not self.batch:
            return None
        return self.peak_bytes / self.batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep(Saved):
    """One model at many settings.

    Attributes:
        model: Class of the model.
        inputs: The inputs in words, before any axis changed them.
        axes: What was varied, one axis or two.
        points: The model at each setting, in the order of the axes, the last one fastest.
        environment: What is the same at all measured points: machine, torch, threads and so on.
        options: What a resumed sweep must have alike.
        warnings: What a reader must know before trusting a number.
        overhead: Time beyond the forwards (and backwards) of measured points, as a share of
            theirs: 0.05 is 5 % more.
        digits: Significant digits to show; `None` for the usual ones.

    Raises:
        ValueError: If the parts don't fit together.
    """

    _word: ClassVar[str] = "sweep"

    model: str
    inputs: str
    axes: tuple[SweepAxis, ...]
    points: tuple[SweepPoint, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, int | float | str | bool | None] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    overhead: float | None = None
    digits: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.axes) <= _MOST_AXES:
            raise ValueError(f"axes: not one or two (got {len(self.axes)})")
        names = {axis.name for axis in self.axes}
        if len(names) != len(self.axes):
            raise ValueError(f"axes: one twice (got {[axis.name for axis in self.axes]})")
        for point in self.points:
            if point.values.keys() != names:
                raise ValueError(f"points: not on the axes (got {dict(point.values)})")

    @property
    def main(self) -> SweepAxis:
        """The axis that lines run along: the first with numbers, or else the first."""
        return next((axis for axis in self.axes if axis.is_numeric), self.axes[0])

    def lines(self) -> tuple[tuple[SweepPoint, ...], ...]:
        """Return the points in lines along the main axis, one for each value of the other.

        Points are in ascending order where the axis has numbers.
        """
        main = self.main
        lines: dict[tuple[int | str, ...], list[SweepPoint]] = {}
        for point in self.points:
            rest = tuple(value for name, value in point.values.items() if name != main.name)
            lines.setdefault(rest, []).append(point)
        if main.is_numeric:
            for line in lines.values():
                line.sort(key=lambda point: point.values[main.name])
        return tuple(map(tuple, lines.values()))

    @property
    def knees(self) -> tuple[SweepPoint | None, ...]:
        """The point at the knee of each line: from there on, more is hardly a gain.

        It is the first point at which a sample takes at most `KNEE` longer than at best. There
        is none along other axes than the batch size and the number of threads.
        """
        if self.main.name not in WITH_A_KNEE or not self.main.is_numeric:
            return tuple(None for _ in self.lines())
        return tuple(map(knee, self.lines()))

    def plot(self, kind: str = "throughput") -> Any:  # noqa: ANN401, matplotlib is an optional extra
        """Return a figure of matplotlib.

        Args:
            kind: 'throughput' (samples per second), 'time' (of a sample) or 'memory' (of a run,
                as measured and as predicted); knees are marked.

        Raises:
            InputError: If there is no such picture.
            RecordError: If no point was measured.
            ModuleNotFoundError: If matplotlib is not installed.
        """
        return formed(self, "figure", kind)

    def _lines(self) -> list[dict[str, Any]]:
        """Return one flat dictionary per point: its values, times [s], bytes, counts."""
        knees = [point for point in self.knees if point is not None]
        return [
            {
                **point.values,
                "status": point.status,
                "samples": point.batch,
                "forward_s": point.forward.median_s if point.forward else None,
                "forward_iqr_s": point.forward.iqr_s if point.forward else None,
                "backward_s": point.backward.median_s if point.backward else None,
                "backward_iqr_s": point.backward.iqr_s if point.backward else None,
                "seconds_per_sample": point.seconds_per_sample,
                "samples_per_s": point.samples_per_s,
                "peak_bytes": point.peak_bytes,
                "predicted_bytes": point.predicted_bytes,
                "bytes_per_sample": point.bytes_per_sample,
                "params": point.params,
                "macs": point.macs,
                "bytes_moved": point.bytes_moved,
                "knee": any(point is other for other in knees),
                "where": point.where,
                "reason": point.reason,
            }
            for point in self.points
        ]

    def __repr__(self) -> str:
        """Return one line; all fields would be pages."""
        done = sum(point.status == MEASURED for point in self.points)
        names = " and ".join(axis.name for axis in self.axes)
        return f"<Sweep of {self.model} over {names}: {done} of {len(self.points)} points measured>"


def knee(line: Sequence[SweepPoint]) -> SweepPoint | None:
    """Return the first point of an ascending line at which a sample takes hardly any longer.

    That is at most `KNEE` longer than at the best point; `None` where nothing was measured.
    """
    times = [point.seconds_per_sample for point in line]
    known = [time for time in times if time is not None]
    if not known:
        return None
    limit = min(known) * (1 + KNEE)
    return next(
        point
        for point, time in zip(line, times, strict=True)
        if time is not None and time <= limit
    )  # fmt: skip
