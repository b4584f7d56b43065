"""Whether ranks have the same model: if they don't, they wait for one another for ever."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from magics.errors import InputError
from magics.measurement.parallel import steps
from magics.measurement.parallel.ranks import in_words

if TYPE_CHECKING:
    from torch import nn

    from magics.measurement.parallel.ranks import Ranks
    from magics.measurement.timing.stopwatch import Stopwatch


def ensured(ranks: Ranks, watch: Stopwatch, model: nn.Module, title: str) -> None:
    """Complain where layers or parameters are others than on the first rank.

    Args:
        ranks: All of them; each calls this at once.
        watch: Times the layers here.
        model: What the parameters are of.
        title: Name of the model, and of what it came in.

    Raises:
        InputError: If they are, on all ranks.
    """
    layers = [title, *(f"layer {name!r}, {kind}" for name, _, kind in steps.layers(watch))]
    parameters = [
        f"parameter {name!r} of {tuple(item.shape)}{'' if item.requires_grad else ', frozen'}"
        for name, item in model.named_parameters()
    ]
    first, *others = ranks.told((layers, parameters))
    for number, theirs in zip(ranks.numbers[1:], others, strict=True):
        for lists in zip(first, theirs, strict=True):
            for here, there in zip_longest(*lists, fillvalue="nothing"):
                if here != there:
                    raise InputError(
                        f"{in_words([number])}: another model than on rank {ranks.numbers[0]} "
                        f"(got {there} instead of {here}); build the same one on every rank",
                    )
