"""What a report says, before it is text or HTML: sentences, columns, cells.

Both renderers say the same, because both take it from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from magics import units

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from magics.records import LayerProfile, Profile, Totals

_CLOCKS = {
    "wall": "wall clock",
    "cpu": "processor time",
    "cuda": "CUDA events",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column, its numbers in one unit.

    Attributes:
        head: What the numbers are.
        unit: Their unit, or ''.
        cells: One text per row.
        total: What stands below, or ''.
        number: Whether to align to the right.
        share: For a bar: one share of 1 per row, or empty.
    """

    head: str
    unit: str
    cells: tuple[str, ...]
    total: str = ""
    number: bool = True
    share: tuple[float, ...] = ()

    @property
    def title(self) -> str:
        """Head and unit."""
        return f"{self.head} [{self.unit}]" if self.unit else self.head


def settings(row: LayerProfile) -> str:
    """Return a layer's arguments in short: 'k3 s2 p1'."""
    if not row.kernel_size:
        return ""
    words = [f"k{_short(row.kernel_size)}"]
    if any(step != 1 for step in row.stride):
        words.append(f"s{_short(row.stride)}")
    if any(map(any, row.padding)):
        before = tuple(side[0] for side in row.padding)
        after = tuple(side[1] for side in row.padding)
        words.append(f"p{_short(before)}" + ("" if before == after else f":{_short(after)}"))
    if any(step != 1 for step in row.dilation):
        words.append(f"d{_short(row.dilation)}")
    if row.groups != 1:
        words.append(f"g{row.groups}")
    return " ".join(words)


def _short(numbers: tuple[int, ...]) -> str:
    return str(numbers[0]) if len(set(numbers)) == 1 else "x".join(map(str, numbers))


def label(row: LayerProfile) -> str:
    """Return a layer's name, with its number where it is called again."""
    name = row.name or f"({row.type})"
    return f"{name} (call {row.call_index + 1})" if row.call_index else name


def columns(profile: Profile) -> list[Column]:
    """Return the columns of the layer table; those without anything to say are left out."""
    rows, total = profile.rows, profile.total
    last = len(rows) - 1
    found = [
        Column("layer", "", tuple(label(row) for row in rows), "total", number=False),
        Column("kind", "", (*(_kind(row) for row in rows[:last]), ""), number=False),
        Column("arguments", "", tuple(settings(row) for row in rows), number=False),
        Column("output", "", tuple(_shape(row) for row in rows), number=False),
        _numbers("params", rows, lambda row: row.params, total.params, units.count_scale),
        _numbers("MACs", rows, lambda row: row.macs, total.macs, units.count_scale),
        _numbers("moved", rows, lambda row: row.bytes_moved, total.bytes_moved, units.bytes_scale),
        Column("FLOP/B", "", tuple(units.intensity(row.arithmetic_intensity) for row in rows)),
        *_times(profile),
    ]
    if any(row.bound for row in rows):
        found.append(
            Column("bound by", "", tuple(row.bound or "" for row in rows), number=False),
        )
        reached = tuple(units.percent(row.efficiency, 0) if row.efficiency else "" for row in rows)
        found.append(Column("of roof", "", reached))
    return found


def _kind(row: LayerProfile) -> str:
    return row.type or row.kind if row.kind == "other" else row.kind


def _shape(row: LayerProfile) -> str:
    return units.shape(row.output_shape) if row.output_shape else ""


def _numbers(
    head: str,
    rows: Iterable[LayerProfile],
    read: Callable[[LayerProfile], float | None],
    total: float | None,
    scale_for: Callable[[Iterable[float | None]], units.Scale],
) -> Column:
    values = [read(row) for row in rows]
    scale = scale_for(values)
    cells = tuple("" if value == 0 else scale.text(value) for value in values)
    return Column(head, scale.unit, cells, scale.text(total))


def _times(profile: Profile) -> list[Column]:
    found = []
    rows = profile.rows
    for head, whole, measured in (
        ("forward", profile.plain, [row.forward for row in rows]),
        ("backward", profile.plain_backward, [row.backward for row in rows]),
    ):
        if whole is None:
            continue
        scale = units.time_scale(item.median_s if item else None for item in measured)
        shares = tuple(
            max(0.0, item.median_s / whole.median_s) if item and whole.median_s else 0.0
            for item in measured
        )
        found += [
            Column(head, scale.unit,
                   tuple(scale.text(item.median_s) if item else units.MISSING for item in measured),
                   scale.text(whole.median_s)),
            Column("± IQR", "", tuple(scale.text(item.iqr_s) if item else "" for item in measured),
                   scale.text(whole.iqr_s)),
            Column("share", "",
                   tuple(units.percent(share) if item else ""
                         for share, item in zip(shares, measured, strict=True)),
                   share=shares),
        ]  # fmt: skip
    return found


def by_kind(profile: Profile) -> list[Column]:
    """Return the columns of the summary by kind."""
    kinds = profile.by_kind()
    if not kinds:
        return []
    sums = list(kinds.values())
    total = profile.total
    found = [
        Column("kind", "", tuple(kinds), number=False),
        Column("calls", "", tuple(str(item.calls) for item in sums)),
        _sums("params", sums, lambda item: item.params, units.count_scale),
        _sums("MACs", sums, lambda item: item.macs, units.count_scale),
        Column("of MACs", "", tuple(_part(item.macs, total.macs) for item in sums)),
    ]
    if total.forward_s:
        shares = tuple((item.forward_s or 0.0) / total.forward_s for item in sums)
        found += [
            _sums("forward", sums, lambda item: item.forward_s, units.time_scale),
            Column("of time", "", tuple(map(units.percent, shares)), share=shares),
        ]
    return found


def _sums(
    head: str,
    sums: list[Totals],
    read: Callable[[Totals], float | None],
    scale_for: Callable[[Iterable[float | None]], units.Scale],
) -> Column:
    values = [read(item) for item in sums]
    scale = scale_for(values)
    return Column(head, scale.unit, tuple("" if v == 0 else scale.text(v) for v in values))


def _part(value: int, whole: int) -> str:
    return units.percent(value / whole) if value and whole else ""


def title(profile: Profile) -> str:
    """Say what was profiled."""
    return f"{profile.model} on {profile.inputs}"


def sentences(profile: Profile) -> list[str]:
    """Say what was measured, on what, and how well."""
    facts, total = profile.environment, profile.total
    counts = (
        f"{units.whole(total.params)} parameters, {units.count(total.macs)} MACs of convolutions "
        f"and matrix products ({units.count(total.flops)} FLOPs at 2 per MAC), "
        f"{units.count(total.elementwise_flops)} other operations, "
        f"{units.size(total.bytes_moved)} moved at least."
    )
    where = [
        f"{facts['mode']} mode" if facts.get("mode") else "",
        f"gradients {facts['gradients']}" if facts.get("gradients") else "",
        f"device {facts['device']}" if facts.get("device") else "",
        f"threads {facts['threads']}" if facts.get("threads") else "",
        facts.get("machine", ""),
        f"torch {facts['torch']}" if facts.get("torch") else "",
        facts.get("date", ""),
    ]
    lines = [counts, ", ".join(word for word in where if word) + "."]
    if profile.plain is not None:
        lines.append(_quality(profile))
    return [line for line in lines if line != "."]


def _quality(profile: Profile) -> str:
    plain = profile.plain
    if plain is None:
        return ""
    clock = _CLOCKS.get(plain.clock, plain.clock)
    text = (
        f"One forward takes {units.seconds(plain.median_s)} ({clock}, median of {plain.count}, "
        f"IQR {units.seconds(plain.iqr_s)})"
    )
    if profile.plain_backward is not None:
        text += f", one backward {units.seconds(profile.plain_backward.median_s)}"
    text += f". The rows add up to {units.percent(profile.coverage)} of it"
    overhead = profile.overhead
    if overhead is not None:
        text += f"; measuring changed it by {100 * (overhead - 1):+.1f} %"
    if profile.noise is not None:
        text += f"; two halves of the rounds differ by {units.percent(profile.noise)} per layer"
    return text + "."


def uncounted(profile: Profile) -> str:
    """Say what is missing from the counts, or nothing."""
    if not profile.uncounted:
        return ""
    names = ", ".join(str(item) for item in profile.uncounted)
    return f"Not counted, for want of a formula: {names}."
