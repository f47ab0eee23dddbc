"""Filters of the trainable motion energy model: Gabor pairs in space, damped oscillations in time.

Source: Sun et al. 2023 (NeurIPS, arXiv 2305.09156), after Adelson and Bergen 1985 (Journal of the Optical Society of
America A 2, 284).
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["SCALE", "SIGMA_PX", "TAU_FRAMES", "scaled_frames", "spatial_pairs", "temporal_pairs"]

SCALE = 16 ** (-1 / 7)
"""Size of each level of the pyramid relative to the one before it; the first level is already scaled once."""
SIGMA_PX = 5.0960
"""Widest Gaussian of a Gabor of 15 x 15 px."""
TAU_FRAMES = 3.7280
"""Slowest decay of a temporal filter of 6 frames."""


def spatial_pairs(
    sigma_px: Tensor, aspect: Tensor, frequency: Tensor, theta: Tensor, radius_px: int = 7
) -> Tensor:
    """Even and odd Gabors of U units, each without its mean.

        x' = x cos theta + y sin theta,   y' = -x sin theta + y cos theta
        exp(-(x'^2 + (aspect y')^2) / (2 sigma^2)) {cos, sin}(2 pi frequency x')

    Args:
        sigma_px: [U] width along x'; `aspect` [U] divides it along y'.
        frequency: [U] cycles per px.
        theta: [U] radians from the x axis towards y, which points down: the direction of motion that is preferred.
        radius_px: filters are 2 radius + 1 px wide.
    Returns:
        [2, U, K, K], even first.
    """
    place = torch.arange(-radius_px, radius_px + 1, dtype=sigma_px.dtype, device=sigma_px.device)
    y, x = torch.meshgrid(place, place, indexing="ij")
    sigma, aspect, frequency, theta = (p[:, None, None] for p in (sigma_px, aspect, frequency, theta))
    along = x * theta.cos() + y * theta.sin()
    across = y * theta.cos() - x * theta.sin()
    envelope = torch.exp(-(along.square() + (aspect * across).square()) / (2 * sigma.square()))
    phase = 2 * torch.pi * frequency * along
    pair = torch.stack([envelope * phase.cos(), envelope * phase.sin()])
    return pair - pair.mean((2, 3), keepdim=True)


def temporal_pairs(frequency: Tensor, tau_frames: Tensor, taps: int = 6) -> Tensor:
    """exp(-t / tau) {cos, sin}(2 pi frequency t) at t = 0 ... taps - 1 frames before now, of U units.

    Args:
        frequency: [U] cycles per frame.
        tau_frames: [U] above 0.
    Returns:
        [2, U, taps], even first.
    """
    t = torch.arange(taps, dtype=frequency.dtype, device=frequency.device)
    decay = torch.exp(-t / tau_frames[:, None])
    phase = 2 * torch.pi * frequency[:, None] * t
    return torch.stack([decay * phase.cos(), decay * phase.sin()])


def scaled_frames(frames: Tensor, levels: int) -> list[Tensor]:
    """Frames [B, T, H, W] at `levels` sizes, each `SCALE` of the one before it, bilinear, the first one too."""
    height, width = frames.shape[-2:]
    found = []
    for level in range(1, levels + 1):
        size = [max(1, round(side * SCALE**level)) for side in (height, width)]
        frames = torch.nn.functional.interpolate(frames, size, mode="bilinear", align_corners=False)
        found.append(frames)
    return found
