"""Cones of sight: how far each patch lies off the direction of a gaze."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["CHANNELS", "cones"]

POWERS = (1, 8, 64)
"""Of the cosine: cones whose value is one half at 60, 24 and 8 degrees off the axis."""
CHANNELS = len(POWERS) + 1


def cones(head_norm: Tensor, direction_xy: Tensor, grid: tuple[int, int]) -> Tensor:
    """max(0, cos a)^n for each power n, and exp(k (cos a - 1)): a is the angle at the head between the direction and
    each patch, k the length of the direction, which is its concentration.

    After the field-of-view map of GazeSeg (arXiv 2412.00309), whose exact form is not published: this one is our own.
    Angles are those of the stretched picture.

    Args:
        head_norm: [P, 4] x_min, y_min, x_max, y_max.
        direction_xy: [P, 2] in fractions of width and height; see `Looks`.
        grid: h, w.
    Returns:
        [P, CHANNELS, h, w]; gradients reach the direction.
    """
    height, width = grid
    centre = (head_norm[:, :2] + head_norm[:, 2:]) / 2
    x = (torch.arange(width, device=head_norm.device) + 0.5) / width - centre[:, :1]
    y = (torch.arange(height, device=head_norm.device) + 0.5) / height - centre[:, 1:]
    away = torch.stack([x[:, None].expand(-1, height, -1), y[:, :, None].expand(-1, -1, width)], -1)
    cosine = (F.normalize(away, dim=-1) * F.normalize(direction_xy, dim=-1)[:, None, None]).sum(-1)
    likelihood = (direction_xy.norm(dim=-1)[:, None, None] * (cosine - 1)).exp()
    return torch.stack([*(cosine.relu() ** power for power in POWERS), likelihood], 1)
