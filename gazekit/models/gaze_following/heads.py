"""What is read from the features of a person: heat map, in or out of the frame, direction."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["DirectionHead", "HeatmapHead", "InsideHead"]

CHANNELS = (16, 8, 1)
TOGETHER = 4  # people; the maps of more of them leave the processor's cache


class HeatmapHead(nn.Module):
    """`doublings` times: twice the size, 3x3 convolution, batch norm, ReLU; then one factor and offset. Linear output.

    [P, C, h, w] -> [P, 8 h, 8 w] with three doublings, as published; fewer suit grids of small patches.
    """

    def __init__(self, channels: int, doublings: int = 3) -> None:
        super().__init__()
        self.doublings = doublings
        after_each = CHANNELS[len(CHANNELS) - doublings :]
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for i, (before, after) in enumerate(zip((channels, *after_each), after_each, strict=False), start=1):
            layers[f"upsample{i}"] = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
            layers[f"conv{i}"] = nn.Conv2d(before, after, 3, padding=1)
            layers[f"bn{i}"] = nn.BatchNorm2d(after)
            layers[f"relu{i}"] = nn.ReLU(inplace=True)
        layers["conv"] = nn.Conv2d(1, 1, 1)
        self.decoder = nn.Sequential(layers)

    def forward(self, interaction: Tensor) -> Tensor:
        if self.training:  # batch norms see everybody
            return self.decoder(interaction)[:, 0]
        return torch.cat([self.decoder(some)[:, 0] for some in interaction.split(TOGETHER)])


class InsideHead(nn.Module):
    """[P, D] -> logit [P] that the target is in the frame."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers = {"linear0": nn.Linear(width, width), "relu": nn.ReLU(), "linear1": nn.Linear(width, 1)}
        self.classifier = nn.Sequential(OrderedDict(layers))

    def forward(self, features: Tensor) -> Tensor:
        return self.classifier(features)[:, 0]


class DirectionHead(nn.Module):
    """[P, D] -> direction [P, 2] of any length."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(width, width), nn.Linear(width, 2)

    def forward(self, features: Tensor) -> Tensor:
        return self.out(F.gelu(self.hidden(features)))
