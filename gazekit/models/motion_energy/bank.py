"""Stage I: a bank of motion energy units at several scales, with every parameter trainable.

frames [B, T, H, W] -> pyramid -> energy + b^2 -> pooled in time -> H/8 x W/8 -> divisive normalisation
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from gazekit.kernels.motion_energy import (
    SCALE,
    SIGMA_PX,
    TAU_FRAMES,
    motion_energy,
    scaled_frames,
    spatial_pairs,
    temporal_pairs,
)

__all__ = ["ChannelDivisiveNorm", "MotionEnergy", "TemporalPooling"]

HIGHEST = 0.25
"""Cycles per px and per frame that a unit can reach."""


class TemporalPooling(nn.Module):
    """|mean over time of w_t E_t|, with learned weights of each unit that start at 1.

    Args:
        units: U; steps: number of times.
    """

    def __init__(self, units: int, steps: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(units, steps))

    def forward(self, energy: Tensor) -> Tensor:
        """[B, U, H, W] of energies [B, U, steps, H, W]."""
        return (energy * self.weight[..., None, None]).mean(2).abs()


class ChannelDivisiveNorm(nn.Module):
    """|k| x / (mean of x over channels + sigma^2); k and sigma are learned.

    Args:
        gain: k at first; sigma: at first.
        over: dimensions of the mean: (1,) = channels at each place, (1, 2, 3) = channels and places.
    """

    def __init__(self, gain: float = 4.0, sigma: float = 0.2, over: tuple[int, ...] = (1,)) -> None:
        super().__init__()
        self.gain, self.sigma = nn.Parameter(torch.tensor(gain)), nn.Parameter(torch.tensor(sigma))
        self.over = over

    def forward(self, x: Tensor) -> Tensor:
        """Of activities [B, C, H, W], at least 0."""
        return self.gain.abs() * x / (x.mean(self.over, keepdim=True) + self.sigma.square())


class MotionEnergy(nn.Module):
    """Motion energy of `levels` x `units` units, normalised over all of them at each of H/8 x W/8 places.

    Source: Sun et al. 2023 (NeurIPS, arXiv 2305.09156), the first-order stage as released in 2025. Frames are scaled
    by 16^(-1/7) before every level, the first one too; a unit of level l = 0, 1, ... therefore prefers the speed
    temporal / (spatial SCALE^(l + 1)), while the release counts from SCALE^0. Deviations: edges of frames are repeated
    (`kernels.motion_energy`); temporal frequency and decay start at 20 to 80 % of their range.

    Args:
        levels: scales; units: of each scale.
        frames: T, taps: of the temporal filters.
        grid_px: side of a place.
        impl: of `motion_energy`.
    """

    def __init__(
        self,
        levels: int = 8,
        units: int = 32,
        frames: int = 11,
        taps: int = 6,
        grid_px: int = 8,
        impl: Literal["auto", "reference"] = "auto",
    ) -> None:
        super().__init__()
        if frames < taps:
            raise ValueError(f"{taps} taps need as many frames, got {frames}")
        self.levels, self.units, self.taps, self.grid_px, self.impl = levels, units, taps, grid_px, impl
        self.width = _logits(levels, units, 0.8, 0.99)
        self.frequency = _logits(levels, units, 0.2, 0.8)
        self.theta = _logits(levels, units, 0.01, 0.99)
        self.aspect = nn.Parameter(torch.ones(levels, units))
        self.temporal_frequency = _logits(levels, units, 0.2, 0.8)
        self.decay = _logits(levels, units, 0.2, 0.8)
        self.spontaneous = nn.Parameter(torch.tensor(0.3))
        self.pooling = nn.ModuleList(TemporalPooling(units, frames - taps + 1) for _ in range(levels))
        self.norm = ChannelDivisiveNorm()

    def forward(self, frames: Tensor) -> Tensor:
        """[B, levels * units, H / grid_px, W / grid_px] of luminance [B, T, H, W]; sides are rounded up."""
        size = [-(-side // self.grid_px) for side in frames.shape[-2:]]
        spatial, temporal = self.filters()
        maps = []
        for level, scaled in enumerate(scaled_frames(frames, self.levels)):
            energy = motion_energy(scaled, spatial[level], temporal[level], self.impl)
            pooled = self.pooling[level](energy + self.spontaneous.square())
            maps.append(interpolate(pooled, size, mode="bilinear", align_corners=True))
        return self.norm(torch.cat(maps, 1))

    def filters(self) -> tuple[list[Tensor], list[Tensor]]:
        """For each level the Gabors [2, U, 15, 15] and the temporal filters [2, U, taps]."""
        spatial = [
            spatial_pairs(*each)
            for each in zip(
                self.width.sigmoid() * SIGMA_PX,
                self.aspect.abs(),
                self.frequency.sigmoid() * HIGHEST,
                self.theta.sigmoid() * 2 * torch.pi,
                strict=True,
            )
        ]
        temporal = [
            temporal_pairs(*each, self.taps)
            for each in zip(
                self.temporal_frequency.sigmoid() * HIGHEST, self.decay.sigmoid() * TAU_FRAMES, strict=True
            )
        ]
        return spatial, temporal

    @torch.no_grad()
    def preferred(self) -> tuple[Tensor, Tensor]:
        """Direction in radians (from the x axis to y, downwards) and speed in px per frame, [levels * units] each."""
        scale = SCALE ** torch.arange(1, self.levels + 1)[:, None]
        speed = self.temporal_frequency.sigmoid() / (self.frequency.sigmoid() * scale)
        return (self.theta.sigmoid() * 2 * torch.pi).flatten(), speed.flatten()


def _logits(levels: int, units: int, low: float, high: float) -> nn.Parameter:
    """Whose sigmoid is uniform from low to high."""
    return nn.Parameter(torch.empty(levels, units).uniform_(low, high).logit())
