"""One profile of a cell that runs once: look on, add up, join into a record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from magics import units
from magics.measurement.bystander import Bystander
from magics.measurement.clock import NANOSECOND
from magics.measurement.environment import settings
from magics.records import LayerProfile, Measurement, Profile, Uncounted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from magics.measurement.tally import Entry, Seen


@dataclass(frozen=True, slots=True)
class CellRun:
    """What came of a cell.

    Attributes:
        profile: What its layers cost, until its end or until it raised.
        error: What it raised, if it did.
    """

    profile: Profile
    error: BaseException | None


def profile_cell(
    run: Callable[[], object],
    namespace: Mapping[str, Any],
    *,
    threads: int | None = None,
    measure: bool = True,
) -> CellRun:
    """Run a cell once, and say what every layer in it cost.

    Args:
        run: Runs the cell.
        namespace: Where its models have their names.
        threads: Threads for torch meanwhile; as they are by default.
        measure: Tell times; otherwise count only.
    """
    bystander = Bystander(namespace)
    before = torch.get_num_threads()
    error = None
    if threads is not None:
        torch.set_num_threads(threads)
    used = torch.get_num_threads()
    try:
        with bystander.looking_on():
            run()
    except BaseException as raised:  # noqa: BLE001, the caller raises it again
        error = raised
    finally:
        if threads is not None:
            torch.set_num_threads(before)
    return CellRun(_profile(bystander.seen, error, used, measure=measure), error)


def _profile(seen: Seen, error: BaseException | None, threads: int, *, measure: bool) -> Profile:
    layers = tuple(_layer(key, entry, measure) for key, entry in _numbered(seen))
    rows = [entry for _, entry in _numbered(seen)]
    in_rows = sum(entry.forward.total_ns for entry in rows)
    back_in_rows = sum(entry.backward_ns for entry in rows)
    backwards = max(seen.backward_ns, back_in_rows) if measure else 0
    outside = max(seen.whole_ns - backwards, in_rows)
    other = LayerProfile(
        name="everything else",
        kind="other",
        params=max(0, seen.params - sum(entry.params for entry in rows)),
        forward=_once(outside - in_rows) if measure else None,
        backward=_once(backwards - back_in_rows) if backwards else None,
    )
    shown = next(iter(sorted(seen.devices)), "cpu")
    return Profile(
        model="Cell",
        inputs="one run",
        layers=layers,
        other=other,
        params=max(seen.params, sum(entry.params for entry in rows)),
        uncounted=tuple(
            Uncounted(op=entry.type, layer=entry.name, calls=entry.uncounted)
            for entry in rows
            if entry.uncounted
        ),
        warnings=tuple(_warnings(seen, rows, error, measure=measure)),
        environment=settings(seen.modes, shown) | {"threads": str(threads)},
        plain=_once(outside) if measure else None,
        plain_backward=_once(backwards) if backwards else None,
        once=True,
    )


def _numbered(seen: Seen) -> list[tuple[int, Entry]]:
    """Return the layers, each with the number of earlier ones that have its name."""
    met: dict[str, int] = {}
    found = []
    for entry in seen.entries.values():
        number = met.get(entry.name, 0)
        met[entry.name] = number + 1
        found.append((number, entry))
    return found


def _layer(number: int, entry: Entry, measure: bool) -> LayerProfile:  # noqa: FBT001, of `_profile`
    layer, times = entry.layer, entry.forward
    backward = entry.backward if entry.backwards else None
    several = len(entry.shapes)
    note = entry.note
    if several > 1:
        note = f"inputs of several sizes ({several} at least); the first is shown"
    if number:
        note = "another layer under a name that was met before"
    return LayerProfile(
        name=entry.name,
        kind=entry.kind,
        type=entry.type,
        call_index=number,
        calls=times.count,
        input_shape=entry.input_shape,
        output_shape=entry.output_shape,
        dtype=entry.dtype,
        kernel_size=layer.kernel_size if layer else (),
        stride=layer.stride if layer else (),
        padding=layer.padding if layer else (),
        dilation=layer.dilation if layer else (),
        groups=layer.groups if layer else 1,
        params=entry.params,
        output_bytes=entry.output_bytes,
        macs=entry.cost.macs,
        useful_macs=entry.cost.useful_macs,
        elementwise_flops=entry.cost.elementwise_flops,
        bytes_moved=entry.cost.bytes_moved,
        backward_macs=backward.macs if backward else 0,
        backward_elementwise_flops=backward.elementwise_flops if backward else 0,
        backward_bytes_moved=backward.bytes_moved if backward else 0,
        forward=_once(times.total_ns) if measure else None,
        backward=_once(entry.backward_ns) if measure and entry.backwards else None,
        per_call=_sample(times.sample) if measure and times.sample else None,
        note=note,
    )


def _once(nanoseconds: int) -> Measurement:
    return Measurement(replicates_s=(max(0, nanoseconds) * NANOSECOND,))


def _sample(sample: list[int]) -> Measurement:
    return Measurement(replicates_s=tuple(spent * NANOSECOND for spent in sample))


def _warnings(
    seen: Seen, rows: list[Entry], error: BaseException | None, *, measure: bool
) -> list[str]:
    found = []
    if error is not None:
        what = "was interrupted" if isinstance(error, KeyboardInterrupt) else "raised"
        kind = "" if isinstance(error, KeyboardInterrupt) else f" {type(error).__name__}"
        found.append(f"The cell {what}{kind}: these are the layers that ran until then.")
    if measure:
        calls = sum(entry.forward.count for entry in rows)
        found.append(
            f"The cell ran once: times are of this one run, first calls and what else ran "
            f"on this machine included, and so is the cost of the clocks (some "
            f"{units.seconds(seen.looking_ns * NANOSECOND)} for {calls:,} calls).",
        )
    if not rows:
        found.append("The cell called no convolution, pooling, batch norm or matrix product.")
    return found
