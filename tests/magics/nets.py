"""What the small cases are made of: see `cases`.

Two published networks come from the demo's library.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrize

import nbimport

_LIBRARY = nbimport.load(Path(__file__).parents[2] / "demo_notebooks" / "lib" / "nets.ipynb")
resnet18, mobilenet_v2 = _LIBRARY.resnet18, _LIBRARY.mobilenet_v2


@dataclass(frozen=True)
class Case:
    """A model, its input, and what it costs.

    Attributes:
        build: Returns the model.
        inputs: Returns the arguments of the call.
        macs: Multiply-adds of convolutions and matrix products, worked out by hand.
        kinds: Kinds of the rows that are layers, in order.
        kwargs: Returns the keyword arguments of the call.
    """

    build: Callable[[], nn.Module]
    inputs: Callable[[], tuple]
    macs: int
    kinds: tuple[str, ...]
    kwargs: Callable[[], dict] = dict


def image(*shape, dtype=torch.float32):
    """Return a function that makes one random tensor, in a tuple."""

    def make():
        generator = torch.Generator().manual_seed(1)
        return (torch.randn(shape, generator=generator).to(dtype),)

    return make


class Calls(nn.Module):
    """Runs a function of itself: ``Calls(lambda m, x: m.conv(x), conv=nn.Conv2d(...))``."""

    def __init__(self, function, **children):
        super().__init__()
        self._function = function
        for name, child in children.items():
            setattr(self, name, child)

    def forward(self, *args, **kwargs):
        return self._function(self, *args, **kwargs)


class Functional(nn.Module):
    """A convolution that no module knows: `call` is given input, weight and bias."""

    def __init__(self, call, *shape):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(shape))
        self.bias = nn.Parameter(torch.randn(shape[0]))
        self._call = call

    def forward(self, x):
        return self._call(x, self.weight, self.bias)


class Standardized(nn.Conv2d):
    """A subclass with a forward of its own, as weight standardisation has."""

    def forward(self, x):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return functional.conv2d(x, weight, self.bias, self.stride, self.padding)


class Doubled(nn.Module):
    """A parametrization."""

    def forward(self, weight):
        return 2 * weight


class Plain(nn.Module):
    """Layers in a plain list, which `parameters()` doesn't see."""

    def __init__(self):
        super().__init__()
        self.layers = [nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)]

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


@dataclass
class Answer:
    """An output that is neither a tensor nor a container."""

    logits: torch.Tensor
    words: str = "yes"


def parametrized():
    conv = nn.Conv2d(3, 4, 3)
    parametrize.register_parametrization(conv, "weight", Doubled())
    return conv


def frozen_norm():
    """Return a network in train mode whose batch norm is in eval mode, as fine-tuning has it."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3))
    net.train()
    net[1].eval()
    return net


CONV = partial(nn.Conv2d, 3, 4, 3)
SQUARE = image(1, 3, 8, 8)
CONV_MACS = 4 * 36 * 27
"""CONV on SQUARE: 4 x 6 x 6 outputs, 27 taps each."""
