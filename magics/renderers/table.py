"""The tables of a report, before they are text or HTML: one for the layers, one for the kinds.

All renderers show these columns, so that they say the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from magics import units
from magics.renderers.column import Column, numbers, printable, texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magics.records import LayerProfile, Measurement, Profile


def settings(row: LayerProfile) -> str:
    """Return a layer's arguments in short: 'k3 s2 p1'; what is left out is the default."""
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


def _short(sizes: Sequence[float]) -> str:
    return f"{sizes[0]:g}" if len(set(sizes)) == 1 else "x".join(f"{size:g}" for size in sizes)


def label(row: LayerProfile, longest: int = 60) -> str:
    """Return a layer's name, with its number where it is called again."""
    again = f" (call {row.call_index + 1})" if row.call_index else ""
    return printable(row.name or f"({row.type or row.kind})", longest - len(again)) + again


def what(row: LayerProfile) -> str:
    """Return kind and arguments: 'conv2d k3 s2 p1'; the class, where the kind is 'other'."""
    kind = printable(row.type) if row.kind == "other" else row.kind
    return f"{kind} {settings(row)}".rstrip()


def field(row: LayerProfile) -> str:
    """Return the receptive field in short: '43', '43x7', 'all' for the whole input."""
    seen = row.receptive_field
    if seen is None:
        return ""
    return "all" if seen.whole_input or not seen.size else _short(seen.size)


def columns(profile: Profile, rows: Sequence[LayerProfile], longest: int = 60) -> list[Column]:
    """Return the columns of the layer table; those without anything to say are left out.

    Args:
        profile: Where the totals stand.
        rows: The layers to show, everything else included.
        longest: Places for a layer's name.
    """
    total = profile.total
    saved = sum(row.saved_bytes or 0 for row in rows)
    peak = max(row.peak_bytes or 0 for row in rows)
    forward = [row.forward for row in rows]
    backward = [row.backward for row in rows]
    # What most readers look for comes first: on a narrow screen the rest is out of sight.
    found = [
        texts("layer", [label(row, longest) for row in rows], total="total"),
        texts("kind", [what(row) for row in rows]),
        texts("output", [_output(row) for row in rows], rank=4),
        numbers("params", [row.params for row in rows], total.params, units.count_scale, rank=5),
        numbers("MACs", [row.macs for row in rows], total.macs, units.count_scale),
        *_times("forward", forward, profile.plain),
        texts("bound by", [row.bound or "" for row in rows], rank=1),
        texts("of roof", [_reached(row) for row in rows], rank=2, number=True),
        *_times("backward", backward, profile.plain_backward),
        numbers("moved", [row.bytes_moved for row in rows], total.bytes_moved,
                units.bytes_scale, rank=6),
        texts("FLOP/B", [_intensity(row) for row in rows], rank=9, number=True),
        texts("kernel", [printable(row.kernel or "", 30) for row in rows], rank=3),
        texts("sees", [field(row) for row in rows], rank=7, number=True),
        numbers("saved", [row.saved_bytes for row in rows], saved, units.bytes_scale, rank=10),
        numbers("peak", [row.peak_bytes for row in rows], peak, units.bytes_scale, rank=11),
        *_spread("± forward", forward, profile.plain),
        *_spread("± backward", backward, profile.plain_backward),
    ]  # fmt: skip
    return [column for column in found if column.head == "layer" or any(column.cells)]


def _output(row: LayerProfile) -> str:
    return units.shape(row.output_shape) if row.output_shape else ""


def _intensity(row: LayerProfile) -> str:
    return units.intensity(row.arithmetic_intensity) if row.bytes_moved else ""


def _reached(row: LayerProfile) -> str:
    return units.percent(row.efficiency, 0) if row.bound and row.efficiency else ""


def _times(
    head: str,
    measured: Sequence[Measurement | None],
    whole: Measurement | None,
) -> list[Column]:
    if whole is None:
        return []
    medians = [item.median_s if item else None for item in measured]
    scale = units.time_scale(medians)
    return [
        Column(head, scale.unit, tuple(map(scale.text, medians)), scale.text(whole.median_s)),
        _shares(medians, whole.median_s),
    ]


def _spread(
    head: str,
    measured: Sequence[Measurement | None],
    whole: Measurement | None,
) -> list[Column]:
    if whole is None:
        return []
    scale = units.time_scale(item.median_s if item else None for item in measured)
    cells = tuple(scale.text(item.iqr_s) if item else "" for item in measured)
    return [Column(head, scale.unit, cells, scale.text(whole.iqr_s), rank=8)]


def _shares(seconds: Sequence[float | None], whole: float) -> Column:
    shares = tuple((value or 0.0) / whole if whole else 0.0 for value in seconds)
    cells = tuple(
        "" if value is None else units.percent(share)
        for value, share in zip(seconds, shares, strict=True)
    )
    return Column("share", "", cells, share=shares)


def by_kind(profile: Profile) -> list[Column]:
    """Return the columns of the summary by kind, everything else included."""
    kinds = profile.by_kind()
    if not kinds:
        return []
    total, rest = profile.total, profile.other
    sums = list(kinds.values())
    seconds = [item.forward_s for item in sums] + [rest.forward.median_s if rest.forward else None]
    macs = [item.macs for item in sums] + [rest.macs]
    moved = [item.bytes_moved for item in sums] + [rest.bytes_moved]
    params = [item.params for item in sums] + [rest.params]
    found = [
        texts("kind", [*kinds, rest.name], total="total"),
        texts("calls", [*(str(item.calls) for item in sums), ""], str(total.calls), number=True),
        numbers("params", params, total.params, units.count_scale),
        numbers("MACs", macs, total.macs, units.count_scale),
        texts("of MACs", [_part(value, total.macs) for value in macs], number=True),
        numbers("moved", moved, total.bytes_moved, units.bytes_scale),
    ]
    if total.forward_s:
        found += [
            numbers("forward", seconds, total.forward_s, units.time_scale),
            _shares(seconds, total.forward_s),
        ]
    return [column for column in found if any(column.cells)]


def _part(value: int, whole: int) -> str:
    return units.percent(value / whole) if value and whole else ""
