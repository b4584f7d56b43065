"""The sentences of a report: what was measured, on what, how well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magics import units
from magics.renderers.column import clean, printable
from magics.renderers.table import label

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from magics.records import Ceilings, Profile
    from magics.renderers.column import Column

CLOCKS = {"wall": "wall clock", "cpu": "processor time", "cuda": "CUDA events"}
_BUSY = 1.1  # wall over processor time from which on others are noticed
_FEW_NAMES = 3


def title(profile: Profile) -> str:
    """Say what was profiled."""
    inputs = printable(profile.inputs, 200) or "no input"
    return f"{printable(profile.model)} on {inputs}"


def facts(profile: Profile) -> list[tuple[str, str]]:
    """Return the header: a word and a sentence each; without those that have nothing to say."""
    found = [
        ("time", _time(profile)),
        ("quality", _quality(profile)),
        ("work", _work(profile)),
        ("ceilings", _ceilings(profile.ceilings)),
        ("memory", _memory(profile)),
        ("setting", setting(profile.environment)),
    ]
    return [(word, clean(sentence)) for word, sentence in found if sentence]


def warnings(profile: Profile) -> list[str]:
    """Return what to know before trusting a number."""
    return [clean(text) for text in profile.warnings if text]


def _time(profile: Profile) -> str:
    plain, back = profile.plain, profile.plain_backward
    if profile.once and plain is not None:
        whole = plain.median_s + (back.median_s if back else 0.0)
        part = f", {units.seconds(back.median_s)} of it in backward passes" if back else ""
        return f"the cell ran once and took {units.seconds(whole)}{part}; clocks included"
    if plain is None:
        return "not measured: these are counts only"
    clock = CLOCKS.get(plain.clock, plain.clock)
    text = f"one forward of the model as it is takes {units.seconds(plain.median_s)}"
    if back is not None:
        text += f", one backward {units.seconds(back.median_s)}"
    spread = f", quartiles {units.seconds(plain.iqr_s)} apart" if plain.count > 1 else ""
    return f"{text} ({clock}; median of {plain.count}{spread})"


def _quality(profile: Profile) -> str:
    if profile.plain is None or profile.once:
        return ""
    parts = [f"the rows add up to {units.percent(profile.coverage)} of the forward"]
    if profile.backward_coverage is not None:
        parts[0] += f" and {units.percent(profile.backward_coverage)} of the backward"
    if profile.overhead is not None:
        change = profile.overhead - 1
        slower = "slower" if change >= 0 else "faster, which is noise"
        parts.append(
            f"reading a clock at every layer made it {units.percent(abs(change))} {slower}"
        )
    if profile.noise is not None:
        parts.append(f"repeated, a layer's time differs by {units.percent(profile.noise)}")
    parts += contention([profile.environment])
    return "; ".join(parts)


def contention(environments: Iterable[Mapping[str, str]]) -> list[str]:
    """Say how busy the machine was, at the worst of several times; nothing if none tells."""
    factors = []
    for environment in environments:
        try:
            factors.append(float(environment["contention"].removesuffix("x")))
        except (KeyError, ValueError):
            continue
    if not factors:
        return []
    how = "quiet" if max(factors) < _BUSY else "kept busy by other programs"
    return [f"the machine was {how} (wall time {max(factors):.2f} times the processor time)"]


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
    text = f"measured on this device: at most {units.count(ceilings.flops_per_s, 'FLOP/s')}"
    text += f" ({printable(by)})" if by else ""
    text += f"; memory moves {units.count(slow, 'B/s')}"
    if large > small:
        text += f" of {units.size(large)}, {units.count(fast, 'B/s')} of {units.size(small)}"
    if ceilings.call_overhead_s:
        text += f"; a call costs {units.seconds(ceilings.call_overhead_s)}"
    if ceilings.disturbed:
        text += "; other programs ran meanwhile, so it may do better"
    return text


def _memory(profile: Profile) -> str:
    """Say what a reader has to find room for: the model, a forward, training."""
    left = {name.removesuffix("_bytes"): size for name, size in profile.memory.items() if size}
    taken = {name: units.size(left.pop(name)) for name in _MEMORY if name in left}

    def said(*names: str, between: str = ", ") -> str:
        return between.join(_MEMORY[name].format(taken[name]) for name in names if name in taken)

    peak, workspace = said("inference_peak", "training_peak"), said("allocator_peak")
    training = [
        said("saved", "gradients"),
        said("momentum_state", "adam_state", between=" or "),
    ]
    parts = [
        said("parameters", "buffers", "inputs"),
        f"{peak} ({workspace})" if peak and workspace else peak or workspace,
        "training needs " + ", ".join(filter(None, training)) if any(training) else "",
        *(f"{name.replace('_', ' ')} {units.size(size)}" for name, size in left.items()),
    ]
    return "; ".join(filter(None, parts))


_MEMORY = {
    "parameters": "{} of parameters",
    "buffers": "{} of buffers",
    "inputs": "{} of inputs",
    "inference_peak": "a forward makes {} of tensors at its peak",
    "training_peak": "a training step makes {} of tensors at its peak",
    "allocator_peak": "{} with the kernels' workspace",
    "saved": "{} kept for the backward",
    "gradients": "{} of gradients",
    "momentum_state": "{} of momentum",
    "adam_state": "{} of Adam's moments",
}


def setting(known: Mapping[str, str]) -> str:
    """Say what a model ran on and how, as far as an environment tells."""
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
    kinds = [cell for column in shown if column.head == "kind" for cell in column.cells]
    windows = ["k kernel size, s stride, p padding, d dilation, g groups"]
    return "; ".join(
        [
            *(windows if any(" k" in cell for cell in kinds) else ()),
            *(meaning for head, meaning in _MEANINGS.items() if head in heads),
        ],
    )


_MEANINGS = {
    "per call": "per call: median time of one call",
    "±": "±: distance of the quartiles of a time",
    "kernel": "kernel: the implementation that ran",
    "sees": "sees: positions of the input that one output depends on, per axis",
    "moved": "moved: input, weights and output, each once",
    "FLOP/B": "FLOP/B: operations per byte moved",
    "share": "share: of the total",
    "bound by": "bound by: what keeps the layer from being faster",
    "of roof": "of roof: its speed relative to the highest that this machine allows it",
    "saved": "saved: kept for the backward",
    "peak": "peak: most memory of tensors at that time",
}
