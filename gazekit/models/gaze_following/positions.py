"""Fixed positions of patches."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["sine_positions"]


def sine_positions(width: int, grid: tuple[int, int], longest: float = 10_000) -> Tensor:
    """Fixed positions [width, h, w]: sines and cosines of the column in the first half of the channels, of the row in
    the second; wave lengths from 2 pi to nearly `longest` times 2 pi patches."""
    half = width // 2
    frequency = torch.exp(torch.arange(0, half, 2) * (-math.log(longest) / half))

    def waves(count: int) -> Tensor:
        phase = frequency[:, None] * torch.arange(count)
        return torch.stack([phase.sin(), phase.cos()], 1).flatten(0, 1)  # [half, count]

    height, columns = grid
    across = waves(columns)[:, None, :].expand(-1, height, -1)
    return torch.cat([across, waves(height)[:, :, None].expand(-1, -1, columns)])
