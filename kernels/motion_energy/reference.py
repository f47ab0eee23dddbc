"""Motion energy by definition: two filters in space and time for each unit."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv3d, pad

__all__ = ["motion_energy_reference", "padded"]


def motion_energy_reference(frames: Tensor, spatial: Tensor, temporal: Tensor) -> Tensor:
    """[B, U, T - taps + 1, H, W]; see `motion_energy`."""
    (even, odd), (c, s) = spatial[:, :, None], temporal.flip(-1)[..., None, None]
    filters = torch.cat([even * c - odd * s, even * s + odd * c])[:, None]  # [2 U, 1, taps, K, K]
    frames = padded(frames, spatial.shape[-1])
    return conv3d(frames[:, None], filters).unflatten(1, (2, -1)).square().sum(1)


def padded(frames: Tensor, width: int) -> Tensor:
    """Frames [B, T, H, W] with their edges repeated, so that a uniform field has no edge."""
    return pad(frames, [width // 2] * 4, mode="replicate")
