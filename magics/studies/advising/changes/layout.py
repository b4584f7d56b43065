"""Where the channels lie in memory: of the whole model, or of what pools take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from magics.studies.advising.changes.context import Context, Variation
from magics.studies.advising.changes.telling import listed, literal

if TYPE_CHECKING:
    from magics.records import LayerProfile

_FORMATS = {
    4: ("channels_last", torch.channels_last),
    5: ("channels_last_3d", torch.channels_last_3d),
}
"""By the number of dimensions of a batch of images or volumes."""

_SLIDING = ("conv", "max_pool", "avg_pool", "lp_pool", "adaptive", "batch_norm")
_POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveMaxPool2d, nn.AdaptiveAvgPool2d)


class ChannelsLast:
    """The weights and inputs of the whole model with their channels last."""

    name = "channels_last"
    link = "https://docs.pytorch.org/tutorials/intermediate/memory_format_tutorial.html"

    def variation(self, context: Context) -> Variation | str:
        """Return the lines, or why they don't apply."""
        if context.model is None:
            return "a function was given: pass the module to have its weights in another layout"
        axes = {layer.kind[-2:]: len(layer.input_shape) for layer in _sliding(context)}
        dimensions = 4 if axes.get("2d") == 4 else 5 if axes.get("3d") == 5 else 0  # noqa: PLR2004, batch and channels too
        if not dimensions:
            return "no layer works on a batch of images or volumes"
        word, layout = _FORMATS[dimensions]
        inputs = context.tensors(dimensions)
        tensors = [context.inputs[name] for name in inputs]
        tensors += [p for p in context.target.parameters().values() if p.dim() == dimensions]
        if all(tensor.is_contiguous(memory_format=layout) for tensor in tensors):
            return f"weights and inputs are {word} already"
        to = f".to(memory_format=torch.{word})"
        return Variation(
            code="\n".join(f"{name} = {name}{to}" for name in ("model", *inputs)),
            why="kernels that work channel by channel of a pixel need not reorder what they are "
            "given" if context.device.type == "cpu" else "tensor cores work on channels of a pixel",
            cost="the output is channels_last as well: reshape() instead of view() on it",
        )  # fmt: skip


def _sliding(context: Context) -> list[LayerProfile]:
    return [layer for layer in context.profile.layers
            if layer.kind.startswith(_SLIDING) and layer.input_shape]  # fmt: skip


class PoolsChannelsLast:
    """What pools take, with its channels last; all else stays."""

    name = "channels_last for pools"
    link = "https://docs.pytorch.org/docs/stable/tensor_attributes.html#torch.memory_format"

    def variation(self, context: Context) -> Variation | str:
        """Return the lines, or why they don't apply."""
        if context.device.type != "cpu":
            return "pools are slow channel by channel on processors only"
        kinds = [layer for layer in context.profile.layers if layer.kind in
                 {"max_pool2d", "avg_pool2d", "adaptive_max_pool2d"}]  # fmt: skip
        if not kinds:
            return "no layer pools images"
        names = tuple(
            layer.name
            for layer in kinds
            if isinstance(context.modules.get(layer.name), _POOLS) and len(layer.input_shape) == 4  # noqa: PLR2004, a batch of images
        )
        if not names:
            return "its pools are calls of functions: convert what they are given"
        given = context.pooled_last
        names = tuple(dict.fromkeys(name for name in names if name not in given))
        if not names:
            return "its pools get channels_last already"
        return Variation(
            code=(
                f"for name in {literal(names)}:\n"
                "    model.get_submodule(name).register_forward_pre_hook(\n"
                "        lambda pool, given: "
                "(given[0].contiguous(memory_format=torch.channels_last),)\n"
                "    )"
            ),
            why=f"{listed(names)} pool{'s' if len(names) == 1 else ''} images whose channels come "
            "first, one number at a time",
            cost="a copy of what each pool is given",
            layers=names,
        )
