"""What dilated kernels miss: taps beside the map, and gaps in what an output sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from torch import nn

from magics import units
from magics.studies.advising.changes.telling import each, look_at, none, sizes
from magics.theory.geometry import useful_taps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from magics.records import LayerProfile, Suggestion
    from magics.studies.advising.changes.context import Context

_USEFUL = 0.5
"""Share of a kernel's taps that should fall on the map, not beside it [1]."""

_HYBRID = (1, 2, 5)
"""Dilations that leave no gaps. Source: Wang and others, arXiv:1702.08502, 2018."""


def wide_dilation(context: Context) -> Suggestion:
    """Find dilated convolutions most of whose taps fall beside the map."""
    name = "dilation wider than its map"
    link = "https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html"
    dilated = [layer for layer in context.layers if _is_dilated(layer)]
    if not dilated:
        return none(name, "no convolution is dilated", link)
    wide = [layer for layer in dilated if layer.useful_taps < _USEFUL]
    if not wide:
        least = min(layer.useful_taps for layer in dilated)
        share = units.percent(least, 0)
        return none(name, f"at least {share} of the taps of dilated kernels fall on the map", link)
    worst = min(wide, key=lambda layer: layer.useful_taps)
    return look_at(
        name,
        wide,
        f"of the taps of {worst.name!r} {units.percent(worst.useful_taps, 0)} fall on its "
        f"{sizes(worst.input_shape[2:])} map, the others on padding; with dilation "
        f"{sizes(worst.dilation)} it does little more than a 1x1 kernel",
        code=each(wide, lambda layer: _narrower(context, layer)),
        cost="another receptive field: train the layer on",
        link=link,
    )


def _narrower(context: Context, layer: LayerProfile) -> str:
    """Return the line that gives a layer the widest dilation that its map has room for."""
    module = context.modules.get(layer.name)
    if not _is_resizable(module):
        return ""
    widest = max(layer.dilation)
    for wanted in range(widest - 1, 0, -1):
        dilation = tuple(min(wanted, old) for old in layer.dilation)
        padding = _padding(layer, dilation)
        if padding is None:
            return ""
        share = 1.0
        for axis, size in enumerate(layer.input_shape[2:]):
            taps = useful_taps(layer.output_shape[2 + axis], size, layer.kernel_size[axis],
                               stride=layer.stride[axis], padding=padding[axis],
                               dilation=dilation[axis])  # fmt: skip
            share *= taps / (layer.output_shape[2 + axis] * layer.kernel_size[axis])
        if share >= _USEFUL:
            return _redilated(layer.name, dilation, padding)
    return ""


def gridding(context: Context, covered: Callable[[str], dict[str, float]]) -> Suggestion:
    """Find dilated convolutions whose outputs leave gaps in what they see.

    Args:
        context: What is known of the model.
        covered: Runs lines of code on a copy, and returns the coverage of every layer then.
    """
    name, link = "gridding", "https://arxiv.org/abs/1702.08502"
    dilated = [layer for layer in context.layers if _is_dilated(layer)]
    if not dilated:
        return none(name, "no convolution is dilated", link)
    known = [layer for layer in dilated if layer.receptive_field is not None]
    gaps = [layer for layer in known if _coverage(layer) < 1]
    if not gaps:
        return none(name, "what dilated convolutions see has no gaps" if known
                     else "no receptive field is known", link)  # fmt: skip
    last = gaps[-1]
    field, share = last.receptive_field, _coverage(last)
    size = sizes(field.size) if field else ""
    code = _hybrid(context, gaps)
    found = f"an output of {last.name!r} sees only "
    found += f"{units.percent(share, 0)} of its {size} receptive field, a grid of points"
    if code:
        after = covered(code).get(last.name)
        found += (
            f"; with these dilations it sees {units.percent(after, 0)}" if after is not None else ""
        )
    return look_at(
        name,
        gaps,
        found,
        code=code,
        cost="another receptive field: train the layers on",
        link=link,
    )


def _coverage(layer: LayerProfile) -> float:
    return layer.receptive_field.coverage if layer.receptive_field else 1.0


def _hybrid(context: Context, layers: Sequence[LayerProfile]) -> str:
    lines = []
    for place, layer in enumerate(layers):
        wanted = _HYBRID[place % len(_HYBRID)]
        dilation = tuple(wanted if old > 1 else 1 for old in layer.dilation)
        padding = _padding(layer, dilation)
        if padding is None or not _is_resizable(context.modules.get(layer.name)):
            return ""
        lines.append(_redilated(layer.name, dilation, padding))
    return "\n".join(lines)


def _is_dilated(layer: LayerProfile) -> bool:
    return (
        layer.kind.startswith("conv")
        and "transpose" not in layer.kind
        and any(d > 1 and k > 1 for d, k in zip(layer.dilation, layer.kernel_size, strict=True))
    )


def _is_resizable(module: nn.Module | None) -> bool:
    return type(module) in {nn.Conv1d, nn.Conv2d, nn.Conv3d} and (
        cast("nn.Conv2d", module).padding_mode == "zeros"
    )


def _padding(layer: LayerProfile, dilation: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the padding that keeps the output's size, `None` if none does."""
    found = []
    for (before, after), old, new, size in zip(
        layer.padding, layer.dilation, dilation, layer.kernel_size, strict=True
    ):
        less = (old - new) * (size - 1)
        if before != after or less % 2 or before < less // 2:
            return None
        found.append(before - less // 2)
    return tuple(found)


def _redilated(name: str, dilation: tuple[int, ...], padding: tuple[int, ...]) -> str:
    place = f"model.get_submodule({name!r})"
    return f"{place}.dilation, {place}.padding = {dilation}, {padding}"
