"""What a look at layers finds: nothing is timed, and mending it changes what a model learns."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, cast

from torch import nn

from magics.records.advice import LOOK_AT, Suggestion
from magics.studies.advising.changes.settings import UNLIKE_IN_TRAINING
from magics.studies.advising.changes.telling import each, listed, look_at, none, sizes

if TYPE_CHECKING:
    from magics.records import LayerProfile
    from magics.studies.advising.changes.context import Context

_FEW_SAMPLES = 32
"""Values per channel from which on their mean and variance are thought to be good enough.

Source: Wu and Johnson, "Rethinking 'Batch' in BatchNorm", arXiv:2105.07576, 2021.
"""


def checkerboard(context: Context) -> Suggestion:
    """Find transposed convolutions whose kernels overlap unevenly."""
    name, link = "checkerboard", "https://distill.pub/2016/deconv-checkerboard/"
    upsampling = [layer for layer in context.layers if layer.kind.startswith("conv_transpose")]
    if not upsampling:
        return none(name, "there is no transposed convolution", link)
    prone = [layer for layer in upsampling if _uneven(layer)]
    if not prone:
        return none(name, "kernels of transposed convolutions are multiples of their strides",
                     link)  # fmt: skip
    first = prone[0]
    overlaps = [_overlaps(*axis) for axis in zip(first.kernel_size, first.stride, strict=True)]
    least, most = (prod(ends) for ends in zip(*overlaps, strict=True))
    return look_at(
        name,
        prone,
        f"kernel {sizes(first.kernel_size)} at stride {sizes(first.stride)} adds up {least} to "
        f"{most} taps, changing from one output to the next, which shows as a checkerboard; a "
        f"kernel that is a multiple of the stride is even",
        code=each(prone, lambda layer: _even(context, layer)),
        cost="the layer has to be trained anew",
        link=link,
    )


def _uneven(layer: LayerProfile) -> bool:
    return any(
        dilation == 1 and size % stride
        for size, stride, dilation in zip(
            layer.kernel_size, layer.stride, layer.dilation, strict=True
        )
    )


def _overlaps(size: int, stride: int) -> tuple[int, int]:
    """Return the least and most taps that meet at one output, along an axis."""
    return size // stride, -(-size // stride)


def _even(context: Context, layer: LayerProfile) -> str:
    """Return the line that puts an even layer in its place, with an output of the same size."""
    module = context.modules.get(layer.name)
    if not isinstance(module, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        return ""
    evens, paddings, more = [], [], []
    for axis, (size, step) in enumerate(zip(layer.kernel_size, layer.stride, strict=True)):
        spread = module.dilation[axis]
        even = size if spread > 1 else -(-size // step) * step
        # Of the output, (I - 1) s is the same: what is left is the size, less the padding.
        extent = spread * (size - 1) + 1
        before = cast("tuple[int, ...]", module.padding)[axis]  # no transposed one takes text
        left = extent - 2 * before + module.output_padding[axis]
        extent = spread * (even - 1) + 1
        padding = max(0, -(-(extent - left) // 2))
        output_padding = left - extent + 2 * padding
        if not 0 <= output_padding < max(step, spread):
            return ""
        evens.append(even)
        paddings.append(padding)
        more.append(output_padding)
    options = {
        "stride": tuple(layer.stride),
        "padding": tuple(paddings),
        "output_padding": tuple(more),
        "groups": module.groups,
        "bias": module.bias is not None,
        "dilation": tuple(module.dilation),
    }
    usual = {"output_padding": (0,) * len(more), "groups": 1, "bias": True,
             "dilation": (1,) * len(more)}  # fmt: skip
    written = "".join(f", {key}={value}" for key, value in options.items()
                      if usual.get(key) != value)  # fmt: skip
    return (
        f"model.set_submodule({layer.name!r}, torch.nn.{type(module).__name__}("
        f"{module.in_channels}, {module.out_channels}, {tuple(evens)}{written}{context.placed}))"
    )


def few_samples(context: Context) -> Suggestion:
    """Find batch norms in train mode whose statistics come from few values."""
    name = "batch norm with few samples"
    link = "https://docs.pytorch.org/docs/stable/generated/torch.nn.GroupNorm.html"
    norms = [layer for layer in context.layers if layer.kind in {"batch_norm", "sync_batch_norm"}]
    if not norms:
        return none(name, "there is no batch norm", link)
    working = [layer for layer in norms if _uses_batch(context.modules.get(layer.name))]
    if not working:
        return none(name, "in eval mode, batch norms don't look at the batch", link)
    few = [layer for layer in working if _samples(layer) < _FEW_SAMPLES]
    if not few:
        return none(name, f"every channel has {min(map(_samples, working)):,} values at least",
                     link)  # fmt: skip
    worst = min(few, key=_samples)
    return look_at(
        name,
        few,
        f"{worst.name!r} takes mean and variance of a channel from {_samples(worst)} values; "
        f"with fewer than {_FEW_SAMPLES} they are noise. "
        f"Take a larger batch, or a norm that doesn't look at the batch",
        code=each(few, lambda layer: _grouped(context, layer)),
        cost="another network: train it anew",
        link=link,
    )


def _uses_batch(module: nn.Module | None) -> bool:
    if module is None:
        return False
    return module.training or getattr(module, "running_mean", None) is None


def _samples(layer: LayerProfile) -> int:
    shape = layer.input_shape
    return shape[0] * prod(shape[2:]) if shape else 0


def _grouped(context: Context, layer: LayerProfile) -> str:
    module = context.modules.get(layer.name)
    channels = getattr(module, "num_features", 0)
    if not channels:
        return ""
    # The usual 32 groups, or as few as have values enough of a single sample.
    values = prod(layer.input_shape[2:])
    groups = next(
        count
        for count in (32, 16, 8, 4, 2, 1)
        if count == 1 or (channels % count == 0 and channels // count * values >= _FEW_SAMPLES)
    )
    return (
        f"model.set_submodule({layer.name!r}, "
        f"torch.nn.GroupNorm({groups}, {channels}{context.placed}))"
    )


def training_in_eval_mode(context: Context) -> Suggestion:
    """Find a model that is trained in eval mode."""
    name = "train mode"
    link = (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.train"
    )
    if not context.backward:
        return none(name, "no training step is asked for", link)
    if context.model is None or context.model.training:
        return none(name, "the model is in train mode", link)
    asleep = [
        name for name, module in context.modules.items() if isinstance(module, UNLIKE_IN_TRAINING)
    ]
    if not asleep:
        return none(name, "nothing in the model works in another way then", link)
    return Suggestion(
        name=name,
        verdict=LOOK_AT,
        why=f"a training step of a model in eval mode: {listed(asleep)} work as in inference. "
        "The weights of a batch norm learn all the same, its statistics stay. If that is meant, "
        "as in fine-tuning, nothing is wrong",
        link=link,
        code="model.train()",
        layers=tuple(asleep),
    )
