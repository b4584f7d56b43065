"""One small model for each kind of layer, counted by hand."""

import torch
from nets import CONV, CONV_MACS, SQUARE, Calls, Case, frozen_norm, image
from torch import nn
from torch.nn import functional

CASES = {
    "conv1d": Case(lambda: nn.Conv1d(2, 4, 3, stride=2), image(1, 2, 9), 4 * 4 * 6, ("conv1d",)),
    "conv2d": Case(CONV, SQUARE, CONV_MACS, ("conv2d",)),
    "conv3d": Case(
        lambda: nn.Conv3d(2, 4, 3, groups=2), image(1, 2, 5, 5, 5), 4 * 27 * 27, ("conv3d",)
    ),
    "depthwise": Case(
        lambda: nn.Conv2d(4, 4, 3, groups=4), image(2, 4, 8, 8), 2 * 4 * 36 * 9, ("conv2d",)
    ),
    "dilated": Case(lambda: CONV(dilation=2), SQUARE, 4 * 16 * 27, ("conv2d",)),
    "same": Case(lambda: CONV(padding="same"), SQUARE, 4 * 64 * 27, ("conv2d",)),
    "same, even kernel": Case(
        lambda: nn.Conv2d(3, 4, (4, 2), padding="same"), SQUARE, 4 * 64 * 24, ("conv2d",)
    ),
    "circular": Case(
        lambda: CONV(padding=1, padding_mode="circular"), SQUARE, 4 * 64 * 27, ("conv2d",)
    ),
    "reflect": Case(
        lambda: CONV(padding=2, padding_mode="reflect"), SQUARE, 4 * 100 * 27, ("conv2d",)
    ),
    "same, replicate": Case(
        lambda: CONV(padding="same", padding_mode="replicate"), SQUARE, 4 * 64 * 27, ("conv2d",)
    ),
    "conv_transpose1d": Case(
        lambda: nn.ConvTranspose1d(2, 4, 3, 2), image(1, 2, 5), 2 * 5 * 12, ("conv_transpose1d",)
    ),
    "conv_transpose2d": Case(
        lambda: nn.ConvTranspose2d(4, 6, 4, 2, 1, groups=2),
        image(1, 4, 5, 5),
        4 * 25 * 3 * 16,
        ("conv_transpose2d",),
    ),
    "conv_transpose3d": Case(
        lambda: nn.ConvTranspose3d(2, 3, 2, 2, output_padding=1),
        image(1, 2, 3, 3, 3),
        2 * 27 * 3 * 8,
        ("conv_transpose3d",),
    ),
    "unbatched": Case(CONV, image(3, 8, 8), CONV_MACS, ("conv2d",)),
    "linear": Case(lambda: nn.Linear(5, 7), image(3, 5), 105, ("linear",)),
    "linear on a sequence": Case(
        lambda: nn.Linear(5, 7, bias=False), image(2, 3, 5), 210, ("linear",)
    ),
    "attention": Case(
        lambda: nn.MultiheadAttention(8, 2, batch_first=True),
        lambda: image(1, 5, 8)() * 3,
        4 * 5 * 64 + 2 * 25 * 8,
        ("matmul",),
    ),
    "lstm": Case(
        lambda: nn.LSTM(4, 6, batch_first=True), image(2, 5, 4), 10 * 24 * 10, ("matmul",)
    ),
    "gru": Case(
        lambda: nn.GRU(4, 6, bidirectional=True), image(5, 2, 4), 2 * 10 * 18 * 10, ("matmul",)
    ),
    "rnn, two layers": Case(
        lambda: nn.RNN(4, 6, num_layers=2), image(5, 2, 4), 10 * (6 * 10 + 6 * 12), ("matmul",)
    ),
    "lstm cell": Case(lambda: nn.LSTMCell(4, 6), image(2, 4), 2 * 24 * 10, ("matmul",)),
    "complex": Case(
        lambda: nn.Conv2d(3, 4, 3, dtype=torch.complex64),
        image(1, 3, 8, 8, dtype=torch.complex64),
        CONV_MACS,
        ("conv2d",),
    ),
    "integers": Case(
        lambda: Calls(lambda _, x: functional.conv2d(x, torch.ones(4, 3, 3, 3, dtype=torch.int64))),
        lambda: (torch.arange(192).view(1, 3, 8, 8),),
        CONV_MACS,
        ("conv2d",),
    ),
    "double": Case(
        lambda: CONV(dtype=torch.float64),
        image(1, 3, 8, 8, dtype=torch.float64),
        CONV_MACS,
        ("conv2d",),
    ),
    "bfloat16": Case(
        lambda: CONV(dtype=torch.bfloat16),
        image(1, 3, 8, 8, dtype=torch.bfloat16),
        CONV_MACS,
        ("conv2d",),
    ),
    "embedding": Case(
        lambda: nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 2)),
        lambda: (torch.tensor([[1, 2, 3]]),),
        3 * 8,
        ("linear",),
    ),
    "frozen batch norm": Case(
        frozen_norm, SQUARE, CONV_MACS + 4 * 16 * 36, ("conv2d", "batch_norm", "conv2d")
    ),
    "batch norm in train mode": Case(
        lambda: nn.Sequential(CONV(), nn.BatchNorm2d(4)).train(),
        image(2, 3, 8, 8),
        2 * CONV_MACS,
        ("conv2d", "batch_norm"),
    ),
    "synchronised batch norm": Case(
        lambda: nn.Sequential(CONV(), nn.SyncBatchNorm(4)).eval(),
        SQUARE,
        CONV_MACS,
        ("conv2d", "sync_batch_norm"),
    ),
    "pools": Case(
        lambda: nn.Sequential(
            nn.MaxPool2d(2, ceil_mode=True),
            nn.AvgPool2d(2, 1),
            nn.LPPool2d(2, 2, 1),
            nn.AdaptiveMaxPool2d(3),
            nn.AdaptiveAvgPool2d((2, None)),
            nn.FractionalMaxPool2d(2, 1),
        ),
        image(1, 3, 17, 17),
        0,
        (
            "max_pool2d",
            "avg_pool2d",
            "lp_pool2d",
            "adaptive_max_pool2d",
            "adaptive_avg_pool2d",
            "fractional_max_pool2d",
        ),
    ),
    "pools along one axis": Case(
        lambda: nn.Sequential(
            nn.MaxPool1d(2),
            nn.AvgPool1d(2),
            nn.LPPool1d(2, 2),
            nn.AdaptiveMaxPool1d(3),
            nn.AdaptiveAvgPool1d(2),
        ),
        image(1, 3, 40),
        0,
        ("max_pool1d", "avg_pool1d", "lp_pool1d", "adaptive_max_pool1d", "adaptive_avg_pool1d"),
    ),
    "pools along three axes": Case(
        lambda: nn.Sequential(
            nn.MaxPool3d(2),
            nn.AvgPool3d(2, 1),
            nn.LPPool3d(2, 2, 1),
            nn.AdaptiveMaxPool3d(3),
            nn.AdaptiveAvgPool3d(2),
            nn.FractionalMaxPool3d(1, 1),
        ),
        image(1, 3, 16, 16, 16),
        0,
        (
            "max_pool3d",
            "avg_pool3d",
            "lp_pool3d",
            "adaptive_max_pool3d",
            "adaptive_avg_pool3d",
            "fractional_max_pool3d",
        ),
    ),
}
