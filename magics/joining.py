"""Rows and what was measured of them, joined into the record of a profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magics.measurement.machine.contention import CONTENDED
from magics.records import LayerProfile, Profile, Uncounted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from magics.measurement.models.modules import Target
    from magics.measurement.rows import Plan, Row
    from magics.measurement.timing.timings import Series, Timings
    from magics.theory import Cost, Layer


def joined(
    aim: Target,
    inputs: str,
    rows: Plan,
    timings: Timings | None,
    environment: Mapping[str, str],
) -> Profile:
    """Return the record of a profile.

    Args:
        aim: The model.
        inputs: What it was called with, in words.
        rows: Its rows, counted.
        timings: Their times, if they were measured.
        environment: Where they were measured.
    """
    forward, backward = _Times(timings, "forward"), _Times(timings, "backward")
    return Profile(
        model=aim.title,
        inputs=inputs,
        layers=tuple(_layer(row, forward, backward) for row in rows.rows),
        other=LayerProfile(
            name="everything else",
            kind="other",
            params=rows.other_params,
            forward=forward.other,
            backward=backward.other,
            **work(rows.other, rows.other_backward),
        ),
        params=sum(parameter.numel() for parameter in aim.parameters().values()),
        uncounted=tuple(
            Uncounted(op=op, layer=path, calls=calls)
            for (op, path), calls in rows.uncounted.items()
        ),
        warnings=(*aim.notes, *rows.notes, *(time_warnings(timings) if timings else ())),
        environment=environment,
        plain=forward.plain,
        instrumented=forward.instrumented,
        plain_backward=backward.plain,
        instrumented_backward=backward.instrumented,
    )


class _Times:
    """Replicates of one pass as records; `None` for what was not measured."""

    def __init__(self, timings: Timings | None, name: str) -> None:
        self._timings = timings
        self._series: Series | None = getattr(timings, name, None)
        self.other = self._measurement("other")
        self.plain = self._measurement("plain")
        self.instrumented = self._measurement("instrumented")

    def _measurement(self, name: str) -> Any:  # noqa: ANN401, a Measurement or None
        if self._timings is None:
            return None
        return self._timings.measurement(getattr(self._series, name))

    def row(self, row: Row) -> Any:  # noqa: ANN401, a Measurement or None
        if self._timings is None or self._series is None or not row.timed:
            return None
        return self._timings.measurement(self._series.rows.get(row.key))


def _layer(row: Row, forward: _Times, backward: _Times) -> LayerProfile:
    call = row.call
    return LayerProfile(
        name=row.name,
        kind=row.kind,
        type=row.type,
        call_index=row.call_index,
        input_shape=call.input_shape,
        output_shape=call.output_shape,
        dtype=call.dtype,
        params=row.params,
        output_bytes=call.output_bytes,
        forward=forward.row(row),
        backward=backward.row(row),
        note=row.note,
        **geometry(row.layer),
        **work(row.cost, row.backward),
    )


def geometry(layer: Layer | None) -> dict[str, Any]:
    """Return what a record says of a layer's windows, by the names of its fields."""
    if layer is None:
        return {}
    return {
        "kernel_size": layer.kernel_size,
        "stride": layer.stride,
        "padding": layer.padding,
        "dilation": layer.dilation,
        "groups": layer.groups,
    }


def work(cost: Cost, backward: Cost) -> dict[str, Any]:
    """Return what a record says of work, by the names of its fields."""
    return {
        "macs": cost.macs,
        "useful_macs": cost.useful_macs,
        "elementwise_flops": cost.elementwise_flops,
        "bytes_moved": cost.bytes_moved,
        "backward_macs": backward.macs,
        "backward_elementwise_flops": backward.elementwise_flops,
        "backward_bytes_moved": backward.bytes_moved,
    }


def time_warnings(timings: Timings) -> Sequence[str]:
    """Return what a reader must know before trusting these times."""
    warnings = []
    rounds = f"{timings.rounds} round{'' if timings.rounds == 1 else 's'}"
    if timings.contention >= CONTENDED and timings.clock.name == "wall":
        warnings.append(
            f"Other programs kept this machine busy (wall time {timings.contention:.1f} times "
            f"the processor time), and times are wall times: repeat this on a quiet machine.",
        )
    elif timings.contention >= CONTENDED:
        threads = timings.threads
        how = "with one thread" if threads == 1 else f"of all {threads} threads together"
        warnings.append(
            f"Other programs kept this machine busy (wall time {timings.contention:.1f} times "
            f"the processor time). Times are processor time {how}: fit for comparing layers, "
            f"not for saying how long a user waits.",
        )
    if timings.no_backward:
        warnings.append(
            "No output of the model can have a gradient (its parameters are frozen, or it has "
            "none): there is no backward to measure.",
        )
    if timings.interrupted and not timings.rounds:
        warnings.append("Interrupted before the first round ended: there are no times.")
    elif timings.interrupted:
        warnings.append(f"Interrupted after {rounds}: times are preliminary.")
    elif not timings.stable:
        warnings.append(
            f"The time budget ended after {rounds}, before every layer was "
            f"stable; give a larger budget for surer times.",
        )
    return warnings
