"""The networks that profiling is measured on, with random weights."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50 import ResNet50

import nbimport

if TYPE_CHECKING:
    from torch import nn

_LIBRARY = Path(__file__).parents[1] / "demo_notebooks" / "lib" / "nets.ipynb"
_PYTORCHCV = {"densenet121": "densenet"}

THREE = ("resnet18", "mobilenet_v2", "densenet121")
"""Few large layers, many small ones, and many connections."""


def build(name: str) -> nn.Module:
    """Return a network by name, in eval mode."""
    if name == "resnet50":
        model: nn.Module = ResNet50()
    elif name in _PYTORCHCV:
        # The package's own list of models needs torchvision; a single family doesn't.
        family = import_module(f"pytorchcv.models.{_PYTORCHCV[name]}")
        model = getattr(family, name)()
    else:
        model = getattr(nbimport.load(_LIBRARY), name)()
    return model.eval()
