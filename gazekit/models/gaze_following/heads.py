"""What is read from the features of a person: heat map, in or out of the frame, direction."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["DirectionHead", "HeatmapHead", "InsideHead"]

CELLS_AT_ONCE = 2**17  # of heat maps


class HeatmapHead(nn.Module):
    """For each of `widths`: twice the size, 3x3 convolution, batch norm, ReLU; then one factor and offset.
    Linear output.

    [P, C, h, w] -> [P, 8 h, 8 w] with the published widths; fewer suit grids of small patches. The last width is 1.
    """

    def __init__(self, channels: int, widths: Sequence[int] = (16, 8, 1)) -> None:
        super().__init__()
        if not widths or widths[-1] != 1:
            raise ValueError(f"the last width of the heat-map head must be 1, got {list(widths)}")
        self.scale = 2 ** len(widths)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for i, (before, after) in enumerate(zip((channels, *widths), widths, strict=False), start=1):
            layers[f"upsample{i}"] = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
            layers[f"conv{i}"] = nn.Conv2d(before, after, 3, padding=1)
            layers[f"bn{i}"] = nn.BatchNorm2d(after)
            layers[f"relu{i}"] = nn.ReLU()
        layers["conv"] = nn.Conv2d(1, 1, 1)
        nn.init.constant_(layers["conv"].weight, 0.2)  # below 0, it could only say where the target is not
        nn.init.zeros_(layers["conv"].bias)
        self.decoder = nn.Sequential(layers)

    def forward(self, interaction: Tensor) -> Tensor:
        if self.training or interaction.is_cuda:
            return self.decoder(interaction)[:, 0]
        # few people at a time stay in the processor's cache: almost three times as fast for 20 maps of 296 x 296
        cells = self.scale**2 * interaction.shape[2] * interaction.shape[3]
        parts = interaction.split(max(1, CELLS_AT_ONCE // cells))
        return torch.cat([self.decoder(part) for part in parts])[:, 0]


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
