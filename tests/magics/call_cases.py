"""One small model for each way in which a layer can hide from a profiler, counted by hand."""

import torch
from nets import (
    CONV,
    CONV_MACS,
    SQUARE,
    Answer,
    Calls,
    Case,
    Functional,
    Plain,
    Standardized,
    image,
    parametrized,
)
from torch import nn
from torch.nn import functional
from torch.nn.functional import conv2d as conv2d_by_name
from torch.nn.utils import parametrizations, spectral_norm, weight_norm
from torch.utils.checkpoint import checkpoint


def repeated():
    conv = nn.Conv2d(3, 3, 1)
    return nn.Sequential(conv, nn.ReLU(), conv)


CASES = {
    "shared": Case(
        lambda: Calls(
            lambda m, x: m.twice(m.conv(m.conv(x))), conv=nn.Conv2d(3, 3, 3), twice=nn.Identity()
        ),
        SQUARE,
        3 * 36 * 27 + 3 * 16 * 27,
        ("conv2d", "conv2d"),
    ),
    "in a loop": Case(
        lambda: Calls(
            lambda m, x: [x := m.conv(x) for _ in range(3)][-1], conv=nn.Conv2d(3, 3, 3, padding=1)
        ),
        SQUARE,
        3 * 3 * 64 * 27,
        ("conv2d",) * 3,
    ),
    "two names for one layer": Case(
        repeated,
        SQUARE,
        2 * 3 * 64 * 3,
        ("conv2d", "conv2d"),
    ),
    "functional": Case(
        lambda: Functional(functional.conv2d, 4, 3, 3, 3), SQUARE, CONV_MACS, ("conv2d",)
    ),
    "functional, by its own name": Case(
        lambda: Functional(conv2d_by_name, 4, 3, 3, 3), SQUARE, CONV_MACS, ("conv2d",)
    ),
    "torch.conv2d": Case(
        lambda: Functional(torch.conv2d, 4, 3, 3, 3), SQUARE, CONV_MACS, ("conv2d",)
    ),
    "torch.ops.aten": Case(
        lambda: Functional(
            lambda x, w, b: torch.ops.aten.convolution(
                x,
                w,
                b,
                [1, 1],
                [0, 0],
                [1, 1],
                False,  # noqa: FBT003, the schema's order
                [0, 0],
                1,
            ),
            4,
            3,
            3,
            3,
        ),
        SQUARE,
        CONV_MACS,
        ("conv2d",),
    ),
    "functional with keywords and lists": Case(
        lambda: Functional(
            lambda x, w, b: functional.conv2d(
                input=x, weight=w, bias=b, stride=[2, 2], padding=[1]
            ),
            4,
            3,
            3,
            3,
        ),
        SQUARE,
        4 * 16 * 27,
        ("conv2d",),
    ),
    "two functional layers": Case(
        lambda: Functional(
            lambda x, w, b: functional.max_pool2d(functional.relu(functional.conv2d(x, w, b)), 2),
            4,
            3,
            3,
            3,
        ),
        SQUARE,
        CONV_MACS,
        ("conv2d", "max_pool2d"),
    ),
    "matmul in glue": Case(
        lambda: Calls(lambda m, x: m.fc(x) @ x.transpose(0, 1), fc=nn.Linear(5, 5)),
        image(3, 5),
        75 + 45,
        ("linear", "matmul"),
    ),
    "einsum": Case(
        lambda: Calls(lambda _, x: torch.einsum("bij,bkj->bik", x, x)),
        image(2, 3, 5),
        2 * 9 * 5,
        ("matmul",),
    ),
    "subclass": Case(lambda: Standardized(3, 4, 3), SQUARE, CONV_MACS, ("conv2d",)),
    "weight norm": Case(
        lambda: parametrizations.weight_norm(CONV()), SQUARE, CONV_MACS, ("conv2d",)
    ),
    "old weight norm": Case(lambda: weight_norm(CONV()), SQUARE, CONV_MACS, ("conv2d",)),
    "parametrization": Case(parametrized, SQUARE, CONV_MACS, ("conv2d",)),
    "spectral norm in eval mode": Case(
        lambda: spectral_norm(CONV()).eval(),
        SQUARE,
        CONV_MACS + 108 + 4,
        ("matmul", "matmul", "conv2d"),
    ),
    "plain list": Case(Plain, SQUARE, CONV_MACS + 4 * 16 * 36, ("conv2d", "conv2d")),
    "dict input": Case(
        lambda: Calls(lambda m, batch: m.conv(batch["image"]), conv=CONV()),
        lambda: ({"image": SQUARE()[0], "words": "none"},),
        CONV_MACS,
        ("conv2d",),
    ),
    "list input": Case(
        lambda: Calls(lambda m, pair: m.conv(pair[0]) + m.conv(pair[1]), conv=CONV()),
        lambda: ([*SQUARE(), *SQUARE()],),
        2 * CONV_MACS,
        ("conv2d", "conv2d"),
    ),
    "keyword input": Case(
        lambda: Calls(
            lambda m, x, *, scale, flag=False: m.conv(x) * scale if flag else x, conv=CONV()
        ),
        SQUARE,
        CONV_MACS,
        ("conv2d",),
        lambda: {"scale": 2.0, "flag": True},
    ),
    "nested output": Case(
        lambda: Calls(lambda m, x: {"out": [m.conv(x)], "count": 3, "none": None}, conv=CONV()),
        SQUARE,
        CONV_MACS,
        ("conv2d",),
    ),
    "object as output": Case(
        lambda: Calls(lambda m, x: Answer(m.conv(x)), conv=CONV()), SQUARE, CONV_MACS, ("conv2d",)
    ),
    "number as output": Case(
        lambda: Calls(lambda m, x: m.conv(x).sum().item(), conv=CONV()),
        SQUARE,
        CONV_MACS,
        ("conv2d",),
    ),
    "in place": Case(
        lambda: nn.Sequential(CONV(), nn.ReLU(inplace=True), nn.Hardtanh(inplace=True)),
        SQUARE,
        CONV_MACS,
        ("conv2d",),
    ),
    "writes to its input": Case(
        lambda: Calls(lambda m, x: m.conv(x.mul_(2)), conv=CONV()), SQUARE, CONV_MACS, ("conv2d",)
    ),
    "checkpointed": Case(
        lambda: Calls(lambda m, x: checkpoint(m.conv, x, use_reentrant=False), conv=CONV()),
        SQUARE,
        CONV_MACS,
        ("conv2d",),
    ),
    "vmapped": Case(
        lambda: Calls(lambda m, x: torch.vmap(m.conv)(x), conv=CONV()),
        image(2, 1, 3, 8, 8),
        2 * CONV_MACS,
        ("conv2d",),
    ),
    "random numbers": Case(
        lambda: nn.Sequential(CONV(), nn.Dropout(0.5)).train(), SQUARE, CONV_MACS, ("conv2d",)
    ),
    "branch never run": Case(
        lambda: Calls(
            lambda m, x: m.conv(x) if x.sum() < 1e9 else m.unused(x), conv=CONV(), unused=CONV()
        ),
        SQUARE,
        CONV_MACS,
        ("conv2d",),
    ),
    "traced by torch.fx": Case(
        lambda: torch.fx.symbolic_trace(nn.Sequential(CONV(), nn.ReLU())),
        SQUARE,
        CONV_MACS,
        ("conv2d",),
    ),
    "scripted": Case(
        lambda: torch.jit.script(nn.Sequential(CONV(), nn.ReLU())), SQUARE, CONV_MACS, ("conv2d",)
    ),
    "traced": Case(
        lambda: torch.jit.trace(nn.Sequential(CONV(), nn.ReLU()), SQUARE()),
        SQUARE,
        CONV_MACS,
        ("conv2d",),
    ),
    "compiled, eager": Case(
        lambda: torch.compile(nn.Sequential(CONV(), nn.ReLU()), backend="eager"),
        SQUARE,
        CONV_MACS,
        ("conv2d",),
    ),
    "DataParallel": Case(lambda: nn.DataParallel(CONV()), SQUARE, CONV_MACS, ("conv2d",)),
    "lazy": Case(
        lambda: nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d()).eval(),
        SQUARE,
        CONV_MACS,
        ("conv2d", "batch_norm"),
    ),
}
