"""Small models, one for each way in which a layer can hide from a profiler, counted by hand.

The published networks are in the demo's library: ``from demo_lib.nets import resnet18``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from torch.nn import functional
from torch.nn.functional import conv2d as conv2d_by_name
from torch.nn.utils import parametrizations, parametrize, spectral_norm, weight_norm
from torch.utils.checkpoint import checkpoint


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


CONV = partial(nn.Conv2d, 3, 4, 3)  # on 3x8x8: 4 x 6 x 6 outputs, 27 taps each
CONV_MACS = 4 * 36 * 27
SQUARE = image(1, 3, 8, 8)

CASES = {
    "conv1d": Case(lambda: nn.Conv1d(2, 4, 3, stride=2), image(1, 2, 9), 4 * 4 * 6, ("conv1d",)),
    "conv2d": Case(CONV, SQUARE, CONV_MACS, ("conv2d",)),
    "conv3d": Case(
        lambda: nn.Conv3d(2, 4, 3, groups=2), image(1, 2, 5, 5, 5), 4 * 27 * 27, ("conv3d",)
    ),
    "depthwise": Case(lambda: nn.Conv2d(4, 4, 3, groups=4), image(2, 4, 8, 8), 2 * 4 * 36 * 9,
                      ("conv2d",)),  # fmt: skip
    "dilated": Case(lambda: CONV(dilation=2), SQUARE, 4 * 16 * 27, ("conv2d",)),
    "same": Case(lambda: CONV(padding="same"), SQUARE, 4 * 64 * 27, ("conv2d",)),
    "same, even kernel": Case(
        lambda: nn.Conv2d(3, 4, (4, 2), padding="same"), SQUARE, 4 * 64 * 24, ("conv2d",)
    ),
    "circular": Case(lambda: CONV(padding=1, padding_mode="circular"), SQUARE, 4 * 64 * 27,
                     ("conv2d",)),  # fmt: skip
    "reflect": Case(lambda: CONV(padding=2, padding_mode="reflect"), SQUARE, 4 * 100 * 27,
                    ("conv2d",)),  # fmt: skip
    "same, replicate": Case(
        lambda: CONV(padding="same", padding_mode="replicate"), SQUARE, 4 * 64 * 27, ("conv2d",)
    ),
    "conv_transpose1d": Case(lambda: nn.ConvTranspose1d(2, 4, 3, 2), image(1, 2, 5), 2 * 5 * 12,
                             ("conv_transpose1d",)),  # fmt: skip
    "conv_transpose2d": Case(
        lambda: nn.ConvTranspose2d(4, 6, 4, 2, 1, groups=2), image(1, 4, 5, 5),
        4 * 25 * 3 * 16, ("conv_transpose2d",),
    ),
    "conv_transpose3d": Case(
        lambda: nn.ConvTranspose3d(2, 3, 2, 2, output_padding=1), image(1, 2, 3, 3, 3),
        2 * 27 * 3 * 8, ("conv_transpose3d",),
    ),
    "unbatched": Case(CONV, image(3, 8, 8), CONV_MACS, ("conv2d",)),
    "linear": Case(lambda: nn.Linear(5, 7), image(3, 5), 105, ("linear",)),
    "linear on a sequence": Case(
        lambda: nn.Linear(5, 7, bias=False), image(2, 3, 5), 210, ("linear",)
    ),
    "shared": Case(
        lambda: Calls(lambda m, x: m.twice(m.conv(m.conv(x))), conv=nn.Conv2d(3, 3, 3),
                      twice=nn.Identity()),
        SQUARE, 3 * 36 * 27 + 3 * 16 * 27, ("conv2d", "conv2d"),
    ),
    "in a loop": Case(
        lambda: Calls(lambda m, x: [x := m.conv(x) for _ in range(3)][-1],
                      conv=nn.Conv2d(3, 3, 3, padding=1)),
        SQUARE, 3 * 3 * 64 * 27, ("conv2d",) * 3,
    ),
    "two names for one layer": Case(
        lambda: (lambda conv: nn.Sequential(conv, nn.ReLU(), conv))(nn.Conv2d(3, 3, 1)),
        SQUARE, 2 * 3 * 64 * 3, ("conv2d", "conv2d"),
    ),
    "functional": Case(lambda: Functional(functional.conv2d, 4, 3, 3, 3), SQUARE, CONV_MACS,
                       ("conv2d",)),  # fmt: skip
    "functional, by its own name": Case(
        lambda: Functional(conv2d_by_name, 4, 3, 3, 3), SQUARE, CONV_MACS, ("conv2d",)
    ),
    "torch.conv2d": Case(lambda: Functional(torch.conv2d, 4, 3, 3, 3), SQUARE, CONV_MACS,
                         ("conv2d",)),  # fmt: skip
    "torch.ops.aten": Case(
        lambda: Functional(
            lambda x, w, b: torch.ops.aten.convolution(
                x, w, b, [1, 1], [0, 0], [1, 1], False, [0, 0], 1  # noqa: FBT003, its schema
            ), 4, 3, 3, 3),
        SQUARE, CONV_MACS, ("conv2d",),
    ),
    "functional with keywords and lists": Case(
        lambda: Functional(
            lambda x, w, b: functional.conv2d(input=x, weight=w, bias=b, stride=[2, 2],
                                              padding=[1]), 4, 3, 3, 3),
        SQUARE, 4 * 16 * 27, ("conv2d",),
    ),
    "two functional layers": Case(
        lambda: Functional(
            lambda x, w, b: functional.max_pool2d(functional.relu(functional.conv2d(x, w, b)), 2),
            4, 3, 3, 3),
        SQUARE, CONV_MACS, ("conv2d", "max_pool2d"),
    ),
    "matmul in glue": Case(
        lambda: Calls(lambda m, x: m.fc(x) @ x.transpose(0, 1), fc=nn.Linear(5, 5)),
        image(3, 5), 75 + 45, ("linear", "matmul"),
    ),
    "einsum": Case(
        lambda: Calls(lambda m, x: torch.einsum("bij,bkj->bik", x, x)),
        image(2, 3, 5), 2 * 9 * 5, ("matmul",),
    ),
    "attention": Case(
        lambda: nn.MultiheadAttention(8, 2, batch_first=True),
        lambda: image(1, 5, 8)() * 3,
        4 * 5 * 64 + 2 * 25 * 8, ("matmul",),
    ),
    "lstm": Case(lambda: nn.LSTM(4, 6, batch_first=True), image(2, 5, 4), 10 * 24 * 10,
                 ("matmul",)),  # fmt: skip
    "gru": Case(lambda: nn.GRU(4, 6, bidirectional=True), image(5, 2, 4), 2 * 10 * 18 * 10,
                ("matmul",)),  # fmt: skip
    "rnn, two layers": Case(lambda: nn.RNN(4, 6, num_layers=2), image(5, 2, 4),
                            10 * (6 * 10 + 6 * 12), ("matmul",)),  # fmt: skip
    "lstm cell": Case(lambda: nn.LSTMCell(4, 6), image(2, 4), 2 * 24 * 10, ("matmul",)),
    "subclass": Case(lambda: Standardized(3, 4, 3), SQUARE, CONV_MACS, ("conv2d",)),
    "weight norm": Case(lambda: parametrizations.weight_norm(CONV()), SQUARE, CONV_MACS,
                        ("conv2d",)),  # fmt: skip
    "old weight norm": Case(lambda: weight_norm(CONV()), SQUARE, CONV_MACS, ("conv2d",)),
    "parametrization": Case(parametrized, SQUARE, CONV_MACS, ("conv2d",)),
    "spectral norm in eval mode": Case(
        lambda: spectral_norm(CONV()).eval(), SQUARE, CONV_MACS + 108 + 4,
        ("matmul", "matmul", "conv2d"),
    ),
    "plain list": Case(Plain, SQUARE, CONV_MACS + 4 * 16 * 36, ("conv2d", "conv2d")),
    "dict input": Case(
        lambda: Calls(lambda m, batch: m.conv(batch["image"]), conv=CONV()),
        lambda: ({"image": SQUARE()[0], "words": "none"},), CONV_MACS, ("conv2d",),
    ),
    "list input": Case(
        lambda: Calls(lambda m, pair: m.conv(pair[0]) + m.conv(pair[1]), conv=CONV()),
        lambda: ([*SQUARE(), *SQUARE()],), 2 * CONV_MACS, ("conv2d", "conv2d"),
    ),
    "keyword input": Case(
        lambda: Calls(lambda m, x, *, scale, flag=False: m.conv(x) * scale if flag else x,
                      conv=CONV()),
        SQUARE, CONV_MACS, ("conv2d",), lambda: {"scale": 2.0, "flag": True},
    ),
    "nested output": Case(
        lambda: Calls(lambda m, x: {"out": [m.conv(x)], "count": 3, "none": None}, conv=CONV()),
        SQUARE, CONV_MACS, ("conv2d",),
    ),
    "object as output": Case(
        lambda: Calls(lambda m, x: Answer(m.conv(x)), conv=CONV()), SQUARE, CONV_MACS, ("conv2d",)
    ),
    "number as output": Case(
        lambda: Calls(lambda m, x: m.conv(x).sum().item(), conv=CONV()), SQUARE, CONV_MACS,
        ("conv2d",),
    ),
    "complex": Case(lambda: nn.Conv2d(3, 4, 3, dtype=torch.complex64),
                    image(1, 3, 8, 8, dtype=torch.complex64), CONV_MACS, ("conv2d",)),  # fmt: skip
    "integers": Case(
        lambda: Calls(lambda m, x: functional.conv2d(x, torch.ones(4, 3, 3, 3, dtype=torch.int64))),
        lambda: (torch.arange(192).view(1, 3, 8, 8),), CONV_MACS, ("conv2d",),
    ),
    "double": Case(lambda: CONV(dtype=torch.float64), image(1, 3, 8, 8, dtype=torch.float64),
                   CONV_MACS, ("conv2d",)),  # fmt: skip
    "bfloat16": Case(lambda: CONV(dtype=torch.bfloat16), image(1, 3, 8, 8, dtype=torch.bfloat16),
                     CONV_MACS, ("conv2d",)),  # fmt: skip
    "embedding": Case(
        lambda: nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 2)),
        lambda: (torch.tensor([[1, 2, 3]]),), 3 * 8, ("linear",),
    ),
    "frozen batch norm": Case(frozen_norm, SQUARE, CONV_MACS + 4 * 16 * 36,
                              ("conv2d", "batch_norm", "conv2d")),  # fmt: skip
    "batch norm in train mode": Case(
        lambda: nn.Sequential(CONV(), nn.BatchNorm2d(4)).train(), image(2, 3, 8, 8),
        2 * CONV_MACS, ("conv2d", "batch_norm"),
    ),
    "synchronised batch norm": Case(
        lambda: nn.Sequential(CONV(), nn.SyncBatchNorm(4)).eval(), SQUARE, CONV_MACS,
        ("conv2d", "sync_batch_norm"),
    ),
    "pools": Case(
        lambda: nn.Sequential(
            nn.MaxPool2d(2, ceil_mode=True), nn.AvgPool2d(2, 1), nn.LPPool2d(2, 2, 1),
            nn.AdaptiveMaxPool2d(3), nn.AdaptiveAvgPool2d((2, None)), nn.FractionalMaxPool2d(2, 1),
        ),
        image(1, 3, 17, 17), 0,
        ("max_pool2d", "avg_pool2d", "lp_pool2d", "adaptive_max_pool2d", "adaptive_avg_pool2d",
         "fractional_max_pool2d"),
    ),
    "pools along one axis": Case(
        lambda: nn.Sequential(nn.MaxPool1d(2), nn.AvgPool1d(2), nn.LPPool1d(2, 2),
                              nn.AdaptiveMaxPool1d(3), nn.AdaptiveAvgPool1d(2)),
        image(1, 3, 40), 0,
        ("max_pool1d", "avg_pool1d", "lp_pool1d", "adaptive_max_pool1d", "adaptive_avg_pool1d"),
    ),
    "pools along three axes": Case(
        lambda: nn.Sequential(nn.MaxPool3d(2), nn.AvgPool3d(2, 1), nn.LPPool3d(2, 2, 1),
                              nn.AdaptiveMaxPool3d(3), nn.AdaptiveAvgPool3d(2),
                              nn.FractionalMaxPool3d(1, 1)),
        image(1, 3, 16, 16, 16), 0,
        ("max_pool3d", "avg_pool3d", "lp_pool3d", "adaptive_max_pool3d", "adaptive_avg_pool3d",
         "fractional_max_pool3d"),
    ),
    "in place": Case(
        lambda: nn.Sequential(CONV(), nn.ReLU(inplace=True), nn.Hardtanh(inplace=True)),
        SQUARE, CONV_MACS, ("conv2d",),
    ),
    "writes to its input": Case(
        lambda: Calls(lambda m, x: m.conv(x.mul_(2)), conv=CONV()), SQUARE, CONV_MACS, ("conv2d",)
    ),
    "checkpointed": Case(
        lambda: Calls(lambda m, x: checkpoint(m.conv, x, use_reentrant=False), conv=CONV()),
        SQUARE, CONV_MACS, ("conv2d",),
    ),
    "vmapped": Case(
        lambda: Calls(lambda m, x: torch.vmap(m.conv)(x), conv=CONV()), image(2, 1, 3, 8, 8),
        2 * CONV_MACS, ("conv2d",),
    ),
    "random numbers": Case(
        lambda: nn.Sequential(CONV(), nn.Dropout(0.5)).train(), SQUARE, CONV_MACS, ("conv2d",)
    ),
    "branch never run": Case(
        lambda: Calls(lambda m, x: m.conv(x) if x.sum() < 1e9 else m.unused(x), conv=CONV(),
                      unused=CONV()),
        SQUARE, CONV_MACS, ("conv2d",),
    ),
    "traced by torch.fx": Case(
        lambda: torch.fx.symbolic_trace(nn.Sequential(CONV(), nn.ReLU())), SQUARE, CONV_MACS,
        ("conv2d",),
    ),
    "scripted": Case(lambda: torch.jit.script(nn.Sequential(CONV(), nn.ReLU())), SQUARE, CONV_MACS,
                     ("conv2d",)),  # fmt: skip
    "traced": Case(
        lambda: torch.jit.trace(nn.Sequential(CONV(), nn.ReLU()), SQUARE()), SQUARE, CONV_MACS,
        ("conv2d",),
    ),
    "compiled, eager": Case(
        lambda: torch.compile(nn.Sequential(CONV(), nn.ReLU()), backend="eager"), SQUARE,
        CONV_MACS, ("conv2d",),
    ),
    "DataParallel": Case(lambda: nn.DataParallel(CONV()), SQUARE, CONV_MACS, ("conv2d",)),
    "lazy": Case(lambda: nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d()).eval(), SQUARE,
                 CONV_MACS, ("conv2d", "batch_norm")),  # fmt: skip
}  # fmt: skip
