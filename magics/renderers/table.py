"""The tables of a report, before they are text or HTML: one for the layers, one for the kinds.

All renderers show these columns, so that they say the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from magics import units
from magics.records import Totals
from magics.renderers.column import Column, numbers, printable, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

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
    """Return kind and arguments: 'conv2d k3 s2 p1'; the class, where the kind is 'other'.

    Of a sum it is what it sums up.
    """
    kind = printable(row.type) if row.kind in {"other", ""} else row.kind
    return f"{kind} {settings(row)}".rstrip()


def field(row: LayerProfile) -> str:
    """Return the receptive field in short: '43', '43x7', 'all' for the whole input."""
    seen = row.receptive_field
    if seen is None:
        return ""
    return "all" if seen.whole_input or not seen.size else _short(seen.size)


def columns(
    profile: Profile,
    rows: Sequence[LayerProfile],
    longest: int = 60,
    sums: Sequence[LayerProfile] = (),
) -> list[Column]:
    """Return the columns of the layer table; those without anything to say are left out.

    Args:
        profile: Where the totals stand.
        rows: The layers to show, everything else included.
        longest: Places for a layer's name.
        sums: Sums of groups of rows, which have a line of their own.
    """
    total = profile.total
    saved = sum(row.saved_bytes or 0 for row in rows)
    peak = max(row.peak_bytes or 0 for row in rows)
    none = [""] * (1 + len(sums))
    repeated = any(row.calls > 1 for row in rows if row.kind and row is not profile.other)

    def counted(
        head: str,
        value: Callable[[LayerProfile], int | None],
        whole: int,
        scale: Callable[[Iterable[float | None]], units.Scale] = units.count_scale,
        rank: int = 0,
    ) -> Column:
        below = [whole, *map(value, sums)]
        return numbers(head, [value(row) for row in rows], below, scale, rank=rank)

    def said(
        head: str, text: Callable[[LayerProfile], str], rank: int, *, number: bool = False
    ) -> Column:
        return texts(head, [text(row) for row in rows], none, rank=rank, number=number)

    # What most readers look for comes first: on a narrow screen the rest is out of sight.
    found = [
        texts("layer", [label(row, longest) for row in rows],
              ["total", *(label(row, longest) for row in sums)]),
        texts("kind", [what(row) for row in rows], ["", *(row.type for row in sums)]),
        said("output", _output, 4),
        counted("params", lambda row: row.params, total.params, rank=5),
        counted("MACs", lambda row: row.macs, total.macs),
        *(_calls(profile, rows, sums) if repeated else ()),
        *_times("forward", rows, whole_s(profile), sums),
        said("bound by", lambda row: row.bound or "", 1),
        said("of roof", _reached, 2, number=True),
        *_times("backward", rows, _median_s(profile.plain_backward), sums),
        counted("moved", lambda row: row.bytes_moved, total.bytes_moved, units.bytes_scale, 6),
        said("FLOP/B", _intensity, 9, number=True),
        said("kernel", lambda row: printable(row.kernel or "", 30), 3),
        said("sees", field, 7, number=True),
        counted("saved", lambda row: row.saved_bytes, saved, units.bytes_scale, 10),
        counted("peak", lambda row: row.peak_bytes, peak, units.bytes_scale, 11),
        *_spread("± forward", [row.forward for row in rows], profile.plain, none[1:]),
        *_spread("± backward", [row.backward for row in rows], profile.plain_backward, none[1:]),
    ]  # fmt: skip
    return [column for column in found if column.head == "layer" or any(column.cells)]


def _output(row: LayerProfile) -> str:
    return units.shape(row.output_shape) if row.output_shape else ""


def _intensity(row: LayerProfile) -> str:
    return units.intensity(row.arithmetic_intensity) if row.bytes_moved else ""


def _reached(row: LayerProfile) -> str:
    return units.percent(row.efficiency, 0) if row.bound and row.efficiency else ""


def whole_s(profile: Profile) -> float | None:
    """Return the time that shares of a forward are relative to: the plain model's [s]."""
    return _median_s(profile.plain)


def _median_s(measured: Measurement | None) -> float | None:
    return measured.median_s if measured else None


def _calls(
    profile: Profile, rows: Sequence[LayerProfile], sums: Sequence[LayerProfile]
) -> list[Column]:
    """Return how often rows were called, and how long one call takes."""
    counts = [
        [_left_out_calls(profile) if row is profile.other else str(row.calls) if row.kind else ""
         for row in some]
        for some in (rows, sums)
    ]  # fmt: skip
    medians = [row.per_call.median_s if row.per_call else None for row in rows]
    none = [None] * (1 + len(sums))
    return [
        texts("calls", counts[0], [str(profile.total.calls), *counts[1]], number=True, rank=12),
        numbers("per call", medians, none, units.time_scale, rank=3),
    ]


def _left_out_calls(profile: Profile) -> str:
    """Return how many calls of layers a view has put into everything else; nothing for none."""
    return str(profile.other_calls) if profile.other_calls else ""


def _times(
    head: Literal["forward", "backward"],
    rows: Sequence[LayerProfile],
    whole: float | None,
    sums: Sequence[LayerProfile],
) -> list[Column]:
    if whole is None:
        return []
    medians, below = (
        [item.median_s if (item := getattr(row, head)) else None for row in some]
        for some in (rows, sums)
    )
    scale = units.time_scale(medians)
    return [
        Column(head, scale.unit, tuple(map(scale.text, medians)), scale.text(whole),
               tuple(map(scale.text, below))),
        _shares(medians, whole, below),
    ]  # fmt: skip


def _spread(
    head: str,
    measured: Sequence[Measurement | None],
    whole: Measurement | None,
    none: Sequence[str],
) -> list[Column]:
    if whole is None or whole.count == 1:
        return []
    scale = units.time_scale(item.median_s if item else None for item in measured)
    cells = tuple(scale.text(item.iqr_s) if item else "" for item in measured)
    return [Column(head, scale.unit, cells, scale.text(whole.iqr_s), tuple(none), rank=8)]


def _shares(
    seconds: Sequence[float | None], whole: float, sums: Sequence[float | None] = ()
) -> Column:
    shares, below = (
        tuple((value or 0.0) / whole if whole else 0.0 for value in some)
        for some in (seconds, sums)
    )
    cells = tuple(
        "" if value is None else units.percent(share)
        for value, share in zip(seconds, shares, strict=True)
    )
    return Column("share", "", cells, sums=tuple(map(units.percent, below)), share=shares)


def by_kind(profile: Profile) -> list[Column]:
    """Return the columns of the summary by kind, everything else included."""
    kinds = profile.by_kind()
    if not kinds:
        return []
    total, rest = profile.total, profile.other
    sums = [*kinds.values(), Totals.of([rest])]
    macs = [item.macs for item in sums]
    whole = whole_s(profile)
    seconds = [item.forward_s for item in sums]
    calls = [*(str(item.calls) for item in kinds.values()), _left_out_calls(profile)]
    parts = [_part(value, total.macs) for value in macs]
    moved = [item.bytes_moved for item in sums]
    found = [
        texts("kind", [*kinds, rest.name], ["total"]),
        texts("calls", calls, [str(total.calls)], number=True, rank=1),
        numbers("params", [item.params for item in sums], [total.params], units.count_scale,
                rank=3),
        numbers("MACs", macs, [total.macs], units.count_scale),
        texts("of MACs", parts, number=True, rank=2),
        numbers("moved", moved, [total.bytes_moved], units.bytes_scale, rank=4),
    ]  # fmt: skip
    if whole:
        found += [numbers("forward", seconds, [whole], units.time_scale), _shares(seconds, whole)]
    return [column for column in found if any(column.cells)]


def _part(value: int, whole: int) -> str:
    return units.percent(value / whole) if value and whole else ""
