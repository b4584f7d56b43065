"""ResNet-50 with random weights, for machines that have nothing but torch.

Source: He et al., arXiv:1512.03385, table 1; the stride is in the 3x3 convolution, as in
torchvision's variant: 25,557,032 parameters, 4,089,184,256 multiply-adds at 224x224.
"""

from __future__ import annotations

import torch
from torch import nn

_STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
"""Channels within a block, blocks, stride of the first."""

_EXPANSION = 4
_CLASSES = 1000


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1, and a way around them."""

    def __init__(self, c_in: int, channels: int, stride: int) -> None:
        super().__init__()
        c_out = channels * _EXPANSION
        self.conv1 = nn.Conv2d(c_in, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, c_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(c_out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = (
            nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))
            if stride != 1 or c_in != c_out
            else nn.Identity()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, c_in, H, W) to (N, 4 * channels, H / stride, W / stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += self.downsample(x)
        return self.relu(out)


class ResNet50(nn.Module):
    """Maps (N, 3, H, W) to (N, 1000)."""

    def __init__(self) -> None:
        super().__init__()
        channels = 64
        self.conv1 = nn.Conv2d(3, channels, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        blocks: list[nn.Module] = []
        for inner, count, stride in _STAGES:
            for place in range(count):
                blocks.append(Bottleneck(channels, inner, 1 if place else stride))
                channels = inner * _EXPANSION
        self.blocks = nn.Sequential(*blocks)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, _CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Classify pictures."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.fc(torch.flatten(self.avgpool(self.blocks(x)), 1))
