"""A copy of a model, with stand-ins for tensors that can't be copied."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, TypeVar

import torch

from magics.measurement.models import lazy

if TYPE_CHECKING:
    from collections.abc import Collection

    from torch import nn


_Model = TypeVar("_Model")


def copied(model: _Model, modules: Collection[nn.Module]) -> _Model:
    """Return a copy of a model.

    Args:
        model: What to copy.
        modules: All modules within.

    Raises:
        Exception: Whatever the model holds that refuses to be copied.
    """
    return copy.deepcopy(model, lazy.stand_ins(modules) | _computed(modules))


def _computed(modules: Collection[nn.Module]) -> dict[int, torch.Tensor]:
    """Return what stands for tensors that were computed of parameters, by their ids.

    `copy.deepcopy` refuses them. Such is `weight` under the older `torch.nn.utils.weight_norm`,
    which computes it anew in every forward.
    """
    return {
        id(value): value.detach().clone()
        for module in modules
        for value in vars(module).values()
        if isinstance(value, torch.Tensor) and not value.is_leaf
    }
