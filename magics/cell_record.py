"""What was seen of a cell, joined into the record of a profile."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from magics import units
from magics.joining import geometry, work
from magics.measurement.environment import settings
from magics.measurement.machine.clock import NANOSECOND
from magics.measurement.machine.contention import CONTENDED
from magics.records import LayerProfile, Measurement, Profile, Uncounted
from magics.theory import Cost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magics.measurement.cells.tally import Entry, Seen


def joined(seen: Seen, error: BaseException | None, threads: int, *, measure: bool) -> Profile:
    """Return the record of a cell.

    Args:
        seen: What was seen of it.
        error: What it raised, if it did.
        threads: Threads of torch in it.
        measure: Tell times.
    """
    layers = tuple(_layer(key[1], entry, measure) for key, entry in numbered(seen))
    rows = list(seen.entries.values())
    in_rows = sum(entry.forward.total_ns for entry in rows)
    back_in_rows = sum(entry.backward_ns for entry in rows)
    backwards = max(seen.backward_ns, back_in_rows) if measure else 0
    outside = max(seen.whole_ns - backwards, in_rows)
    other = LayerProfile(
        name="everything else",
        kind="other",
        params=max(0, seen.params - sum(entry.params for entry in rows)),
        saved_bytes=seen.other_saved_bytes or None,
        forward=_once(outside - in_rows) if measure else None,
        backward=_once(backwards - back_in_rows) if backwards else None,
        **work(seen.other, Cost()),
    )
    shown = next(iter(sorted(seen.devices)), "cpu")
    return Profile(
        model="Cell",
        inputs="one run",
        layers=layers,
        other=other,
        params=max(seen.params, sum(entry.params for entry in rows)),
        uncounted=tuple(_uncounted(seen)),
        warnings=tuple(_warnings(seen, rows, error, measure=measure)),
        environment=settings(seen.modes, shown)
        | {"threads": str(threads)}
        | ({"contention": units.ratio(seen.contention, 2)} if measure else {}),
        memory=_memory(seen),
        plain=_once(outside) if measure else None,
        plain_backward=_once(backwards) if backwards else None,
        once=True,
    )


def numbered(seen: Seen) -> Iterator[tuple[tuple[str, int], Entry]]:
    """Yield the layers, each by its name and the number of earlier ones that have it."""
    met: Counter[str] = Counter()
    for entry in seen.entries.values():
        yield (entry.name, met[entry.name]), entry
        met[entry.name] += 1


def _uncounted(seen: Seen) -> Iterator[Uncounted]:
    for (name, path), calls in seen.uncounted.items():
        yield Uncounted(op=name, layer=path, calls=calls)
    for entry in seen.entries.values():
        if entry.uncounted:
            yield Uncounted(op=entry.type, layer=entry.name, calls=entry.uncounted)


def _memory(seen: Seen) -> dict[str, int]:
    """Return sizes: of what was called, and of what one call of each keeps for the backward."""
    known = [entry.saved_bytes for entry in seen.entries.values() if entry.saved_bytes is not None]
    sizes = {"parameters": seen.parameter_bytes, "saved": sum(known) + seen.other_saved_bytes}
    return {name: size for name, size in sizes.items() if size}


def _layer(number: int, entry: Entry, measure: bool) -> LayerProfile:  # noqa: FBT001, of `joined`
    times, several = entry.forward, len(entry.shapes)
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
        params=entry.params,
        saved_bytes=entry.saved_bytes,
        output_bytes=entry.output_bytes,
        forward=_once(times.total_ns) if measure else None,
        backward=_once(entry.backward_ns) if measure and entry.backwards else None,
        per_call=_sample(times.sample) if measure and times.sample else None,
        note=note,
        **geometry(entry.layer),
        **work(entry.cost, entry.backward if entry.backwards else Cost()),
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
        clocks = f"{units.seconds(seen.looking_ns * NANOSECOND)} for {calls:,} call"
        clocks = f", and so is the cost of the clocks (some {clocks}{'' if calls == 1 else 's'})"
        found.append(
            f"The cell ran once: times are of this one run, first calls and what else ran "
            f"on this machine included{clocks if calls else ''}.",
        )
        if seen.contention >= CONTENDED and seen.devices == {"cpu"}:
            found.append(
                f"Other programs kept this machine busy: layers took {seen.contention:.1f} times "
                f"the processor time of their thread, so that what bounds them is uncertain; run "
                f"the cell again on a quiet machine.",
            )
    if seen.compiled:
        names = ", ".join(sorted(seen.compiled))
        found.append(
            f"Not seen: layers of what is compiled ({names}). Its time is in everything else, as "
            f"far as no row has it; profile the model itself: %convprofile MODEL INPUT",
        )
    if not rows:
        found.append("The cell called no convolution, pooling, batch norm or matrix product.")
    return found
