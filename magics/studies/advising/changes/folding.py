"""Batch norms that a layer before them can take over, and biases that they undo."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, cast

from torch import nn

from magics.measurement.calling.followers import TRANSPOSED
from magics.studies.advising.changes.context import Context, Variation
from magics.studies.advising.changes.layout import ChannelsLast
from magics.studies.advising.changes.telling import listed, literal

if TYPE_CHECKING:
    from magics.measurement.calling.followers import Follower

_FUNCTION = (
    "    model.set_submodule(layer, {call})\n    model.set_submodule(norm, torch.nn.Identity())"
)
_PAIR = "model.get_submodule(layer), model.get_submodule(norm)"


class FoldBatchNorm:
    """Weights that do a batch norm's work as well."""

    name = "fold batch norm"
    link = (
        "https://docs.pytorch.org/docs/stable/generated/"
        "torch.nn.utils.fusion.fuse_conv_bn_eval.html"
    )

    def variation(self, context: Context) -> Variation | str:
        """Return the lines, or why they don't apply."""
        if context.backward:
            return "in training a batch norm follows the batch, which no weight can"
        if context.model is None:
            return "a function was given: pass the module itself"
        pairs = foldable(context)
        if not pairs:
            return _why_none(context)
        names = tuple(pair.norm for pair in pairs)
        return Variation(
            code=_code(context, pairs),
            why=f"{_many(names, 'batch norm')} ({listed(names)}) can be part of the layer before, "
            "and then costs nothing",
            cost="the model can't be trained any further",
            layers=names,
        )


class FoldAndChannelsLast:
    """Both at once, which can gain where neither does alone."""

    name = "fold batch norm and channels_last"
    link = FoldBatchNorm.link

    def variation(self, context: Context) -> Variation | str:
        """Return the lines, or why they don't apply."""
        folded, moved = FoldBatchNorm().variation(context), ChannelsLast().variation(context)
        for one in (folded, moved):
            if isinstance(one, str):
                return one
        first, second = cast("Variation", folded), cast("Variation", moved)
        return Variation(
            code=f"{first.code}\n{second.code}",
            why="both together can gain more than each by itself",
            cost=first.cost,
            layers=first.layers,
        )


def foldable(context: Context) -> list[Follower]:
    """Return the batch norms that can be folded, with the layers that take them over."""
    return [pair for pair in context.followers if not _obstacle(context, pair)]


def _obstacle(context: Context, pair: Follower) -> str:
    layer, norm = (context.modules[name] for name in (pair.layer, pair.norm))
    if norm.training or layer.training:
        return "works with the statistics of the batch, in train mode"
    if norm.running_mean is None:
        return "keeps no running statistics"
    if not pair.channels_first:
        return "norms another axis than the layer's outputs"
    if isinstance(layer, nn.Linear) and norm.weight is None:
        return "has no weight, which torch's folding of linear layers needs"
    if isinstance(layer, TRANSPOSED) and layer.groups > 1:
        return "follows a transposed convolution in groups, which torch doesn't fold"
    return ""


def _why_none(context: Context) -> str:
    if not any("batch_norm" in layer.kind for layer in context.profile.layers):
        return "there is no batch norm"
    for pair in context.followers:
        return f"{pair.norm!r} {_obstacle(context, pair)}"
    return "no batch norm takes the output of one layer as it is, and alone"


def _code(context: Context, pairs: list[Follower]) -> str:
    """Return the lines that fold: by a rule where that finds these pairs and no others."""
    found = {(pair.layer, pair.norm) for pair in pairs}
    if len(found) >= _MANY and found == _by_rule(context):
        return _RULE
    return _listed(context, pairs)


_MANY = 4
"""Pairs from which on a rule is easier to read than a list."""

_RULE = """\
from itertools import pairwise
from torch.nn.utils.fusion import fuse_conv_bn_eval
leaves = [(name, module) for name, module in model.named_modules() if not list(module.children())]
for (layer, conv), (norm, bn) in pairwise(leaves):
    if isinstance(conv, torch.nn.Conv2d) and isinstance(bn, torch.nn.BatchNorm2d):
        model.set_submodule(layer, fuse_conv_bn_eval(conv, bn))
        model.set_submodule(norm, torch.nn.Identity())"""


def _by_rule(context: Context) -> set[tuple[str, str]]:
    """Return the pairs that the rule would find in the model."""
    leaves = [(name, module) for name, module in context.modules.items()
              if not list(module.children())]  # fmt: skip
    return {
        (layer, norm)
        for (layer, conv), (norm, bn) in pairwise(leaves)
        if isinstance(conv, nn.Conv2d) and isinstance(bn, nn.BatchNorm2d)
    }


def _listed(context: Context, pairs: list[Follower]) -> str:
    """Return one loop for each kind of layer, with the names of all."""
    kinds: dict[str, list[tuple[str, str]]] = {}
    for pair in pairs:
        layer = context.modules[pair.layer]
        call = f"fuse_conv_bn_eval({_PAIR})"
        if isinstance(layer, nn.Linear):
            call = f"fuse_linear_bn_eval({_PAIR})"
        elif isinstance(layer, TRANSPOSED):
            call = f"fuse_conv_bn_eval({_PAIR}, transpose=True)"
        kinds.setdefault(call, []).append((pair.layer, pair.norm))
    functions = ", ".join(sorted({call.partition("(")[0] for call in kinds}))
    loops = (
        f"for layer, norm in {literal(found)}:\n{_FUNCTION.format(call=call)}"
        for call, found in kinds.items()
    )
    return "\n".join([f"from torch.nn.utils.fusion import {functions}", *loops])


class BiasBeforeBatchNorm:
    """Layers without the bias that the batch norm behind them subtracts again."""

    name = "bias before batch norm"
    link = (
        "https://docs.pytorch.org/tutorials/recipes/recipes/tuning_guide.html"
        "#disable-bias-for-convolutions-directly-followed-by-a-batch-norm"
    )

    def variation(self, context: Context) -> Variation | str:
        """Return the lines, or why they don't apply."""
        if context.model is None:
            return "a function was given: pass the module itself"
        pairs = [
            pair
            for pair in context.followers
            if pair.channels_first and context.modules[pair.layer].bias is not None
        ]
        if not pairs:
            return "no layer has a bias right before a batch norm"
        tracked = [context.modules[pair.norm].running_mean is not None for pair in pairs]
        kept = "if norm.running_mean is not None:\n        " if not all(tracked) else ""
        names = tuple(pair.layer for pair in pairs)
        count = sum(cast("nn.Parameter", context.modules[name].bias).numel() for name in names)
        return Variation(
            code=(
                f"for layer, norm in {literal([(pair.layer, pair.norm) for pair in pairs])}:\n"
                "    layer, norm = model.get_submodule(layer), model.get_submodule(norm)\n"
                f"    {kept}norm.running_mean -= layer.bias.detach()\n"
                "    layer.bias = None  # where the model is defined: bias=False"
            ),
            why=f"the batch norm behind {listed(names)} subtracts the bias again: "
            f"{count:,} parameters do nothing, and their gradient is zero",
            cost="saved weights still hold the biases: save them again",
            layers=names,
            tolerance=context.same,
        )


def _many(names: tuple[str, ...], noun: str) -> str:
    return f"{len(names)} {noun}{'' if len(names) == 1 else 's'}"
