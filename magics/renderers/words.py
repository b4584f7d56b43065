"""The sentences of a report: what was measured, on what, how well; what costs most, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast, get_args

from magics import units
from magics.renderers.column import clean, printable
from magics.renderers.table import label, what
from magics.theory import roofline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magics.records import Ceilings, LayerProfile, Profile
    from magics.renderers.column import Column

_CLOCKS = {"wall": "wall clock", "cpu": "processor time", "cuda": "CUDA events"}
_MOST = 3
_FEW_NAMES = 3
_NEARLY = 1 - 1e-9


def title(profile: Profile) -> str:
    """Say what was profiled."""
    return f"{printable(profile.model)} on {printable(profile.inputs, 200)}"


def facts(profile: Profile) -> list[tuple[str, str]]:
    """Return the header: a word and a sentence each; without those that have nothing to say."""
    found = [
        ("time", _time(profile)),
        ("quality", _quality(profile)),
        ("work", _work(profile)),
        ("ceilings", _ceilings(profile.ceilings)),
        ("memory", _memory(profile)),
        ("setting", _setting(profile)),
    ]
    return [(word, clean(sentence)) for word, sentence in found if sentence]


def warnings(profile: Profile) -> list[str]:
    """Return what to know before trusting a number."""
    return [clean(text) for text in profile.warnings if text]


def _time(profile: Profile) -> str:
    plain, back = profile.plain, profile.plain_backward
    if plain is None:
        return "not measured: these are counts only"
    clock = _CLOCKS.get(plain.clock, plain.clock)
    text = f"one forward of the model as it is takes {units.seconds(plain.median_s)}"
    if back is not None:
        text += f", one backward {units.seconds(back.median_s)}"
    spread = f", quartiles {units.seconds(plain.iqr_s)} apart" if plain.count > 1 else ""
    return f"{text} ({clock}; median of {plain.count}{spread})"


def _quality(profile: Profile) -> str:
    if profile.plain is None:
        return ""
    parts = [f"the rows add up to {units.percent(profile.coverage)} of the forward"]
    if profile.backward_coverage is not None:
        parts[0] += f" and {units.percent(profile.backward_coverage)} of the backward"
    if profile.overhead is not None:
        change = profile.overhead - 1
        slower = "slower" if change >= 0 else "faster, which is noise"
        parts.append(f"with a clock at every layer it is {units.percent(abs(change))} {slower}")
    if profile.noise is not None:
        parts.append(f"repeated, a layer's time differs by {units.percent(profile.noise)}")
    return "; ".join(parts)


def _work(profile: Profile) -> str:
    total = profile.total
    return (
        f"{units.whole(total.params)} parameters; {units.count(total.macs)} MACs of convolutions "
        f"and matrix products, which is {units.count(total.flops)} FLOPs (one multiply-add is two "
        f"FLOPs); {units.count(total.elementwise_flops)} other operations; at least "
        f"{units.size(total.bytes_moved)} moved"
    )


def _ceilings(ceilings: Ceilings | None) -> str:
    if ceilings is None:
        return ""
    by = ", ".join(word for word in (ceilings.peak_by, ceilings.dtype) if word)
    (small, fast), (large, slow) = ceilings.bandwidth[0], ceilings.bandwidth[-1]
    text = f"this device does at best {units.count(ceilings.flops_per_s, 'FLOP/s')}"
    text += f" ({printable(by)})" if by else ""
    text += f" and moves {units.count(slow, 'B/s')}"
    if large > small:
        text += f" with {units.size(large)}, {units.count(fast, 'B/s')} with {units.size(small)}"
    if ceilings.call_overhead_s:
        text += f"; a call costs {units.seconds(ceilings.call_overhead_s)}"
    return text


def _memory(profile: Profile) -> str:
    return ", ".join(
        f"{name.removesuffix('_bytes').replace('_', ' ')} {units.size(size)}"
        for name, size in profile.memory.items()
        if size
    )


def _setting(profile: Profile) -> str:
    known = profile.environment
    threads = known.get("threads", "")
    parts = [
        f"{known['mode']} mode" if known.get("mode") else "",
        f"gradients {known['gradients']}" if known.get("gradients") else "",
        known.get("device", ""),
        f"{threads} thread{'' if threads == '1' else 's'}" if threads else "",
        known.get("machine", ""),
        f"torch {known['torch']}" if known.get("torch") else "",
        known.get("date", ""),
    ]
    return ", ".join(part for part in parts if part)


def most_expensive(profile: Profile) -> list[str]:
    """Say which layers cost most, and why, in one sentence each."""
    timed = [row for row in profile.layers if row.forward and row.forward.median_s > 0]
    if timed and profile.plain and profile.plain.median_s:
        timed.sort(key=lambda row: -row.forward.median_s if row.forward else 0.0)
        return [_timed(row, profile) for row in timed[:_MOST]]
    counted = sorted((row for row in profile.layers if row.macs), key=lambda row: -row.macs)
    return [_counted(row, profile) for row in counted[:_MOST]]


def _timed(row: LayerProfile, profile: Profile) -> str:
    if row.forward is None or profile.plain is None:
        return ""
    share = units.percent(row.forward.median_s / profile.plain.median_s)
    total = profile.total.macs
    macs = f"{units.percent(row.macs / total)} of the MACs" if row.macs and total else "no MACs"
    return f"{label(row)} ({what(row)}): {share} of the time, {macs}; {_why(row, profile)}"


def _why(row: LayerProfile, profile: Profile) -> str:
    found = _bound(row, profile.ceilings)
    if found is not None:
        return roofline.explain(found).removesuffix(".")
    whole = profile.total
    rate = units.count(row.flops_per_s, "FLOP/s")
    moved = units.count(row.bytes_per_s, "B/s")
    mean = (whole.flops + whole.elementwise_flops) / (whole.forward_s or 1.0)
    compared = f"the whole model runs at {units.count(mean, 'FLOP/s')}"
    return f"it runs at {rate} and moves {moved}; {compared}"


def _bound(row: LayerProfile, ceilings: Ceilings | None) -> roofline.Bound | None:
    """Return the verdict on a row as it was reached, or `None` where there is none."""
    if ceilings is None or row.roof_s is None or not row.efficiency or not row.bytes_moved:
        return None
    if row.bound not in get_args(roofline.Verdict):
        return None
    flops = roofline.needed_flops(row)
    by_compute = ceilings.compute_time_s(flops) >= row.roof_s * _NEARLY
    return roofline.Bound(
        verdict=cast("roofline.Verdict", row.bound),
        roof="compute" if by_compute else "memory",
        efficiency=row.efficiency,
        roof_time_s=row.roof_s,
        intensity=flops / row.bytes_moved,
        ridge_point=ceilings.ridge_point(row.bytes_moved),
    )


def _counted(row: LayerProfile, profile: Profile) -> str:
    share = units.percent(row.macs / profile.total.macs)
    outputs = 1
    for size in row.output_shape:
        outputs *= size
    each = f": {units.whole(outputs)} outputs, {units.count(row.macs / outputs)} multiply-adds each"
    return f"{label(row)} ({what(row)}): {share} of the MACs{each if outputs else ''}"


def notes(profile: Profile) -> list[str]:
    """Return what to know about single rows; the same words once, with the rows they are about."""
    about: dict[str, list[str]] = {}
    for row in profile.rows:
        if row.note:
            about.setdefault(row.note, []).append(label(row))
    return [f"{_names(names)}: {printable(note, 500)}" for note, names in about.items()]


def _names(names: list[str]) -> str:
    more = len(names) - _FEW_NAMES
    return ", ".join(names[:_FEW_NAMES]) + (f" and {more} more" if more > 0 else "")


def uncounted(profile: Profile) -> str:
    """Say what is missing from the counts, or nothing."""
    if not profile.uncounted:
        return ""
    names = ", ".join(printable(str(item), 120) for item in profile.uncounted)
    return f"Not counted, for want of a formula: {names}"


def legend(shown: Sequence[Column]) -> str:
    """Explain the columns that are shown and not plain from their heads."""
    heads = {column.head.partition(" ")[0] for column in shown} | {c.head for c in shown}
    meanings = [meaning for head, meaning in _MEANINGS.items() if head in heads]
    return "; ".join(["k kernel size, s stride, p padding, d dilation, g groups", *meanings])


_MEANINGS = {
    "±": "±: distance of the quartiles of a time",
    "kernel": "kernel: the implementation that ran",
    "sees": "sees: positions of the input that one output depends on, per axis",
    "moved": "moved: input, weights and output, each once",
    "FLOP/B": "FLOP/B: operations per byte moved",
    "share": "share: of one forward (or backward) of the model as it is",
    "bound by": "bound by: what keeps the layer from being faster",
    "of roof": "of roof: its speed relative to the highest that this machine allows it",
    "saved": "saved: kept for the backward",
    "peak": "peak: most memory of tensors at that time",
}
