"""Gaze-contingent display of Perry and Geisler 2002 (SPIE 4662, 57), as it makes the inputs of COCO-Search18 models."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gazekit.foveation.pictures import Transform
from gazekit.kernels.foveate import blend_levels, eccentricity_dva, transfer_level

__all__ = ["PerryGeisler"]

LEVELS, SIGMA, TAPS = 5, 0.248, 5


class PerryGeisler(Transform):
    """Each pixel between the two levels of a pyramid that pass about half at the eye's relative resolution there.

    R = a / (e + a) at eccentricity e; with `memory`, e is the distance to the nearest of all fixations so far, so that
    what was seen once stays sharp. See `gazekit.kernels.foveate.transfer_level` for the equations. Source: the
    pyramid, constants and blending of Image_Foveation_Python. Deviations: 1e-5 is left out of a denominator that is
    never 0; eccentricities count from middles of pixels.

    Args:
        px_per_dva: pixels of the picture per degree; the source has 7.5 for 320 x 512.
        memory: whether picture t shows what fixations 0 to t saw together.
        sharpness: k; the source uses 1.5, 3, 4 or 30, which widens the sharp disc.
        half_dva: a, where the resolution is a half.
    """

    def __init__(self, px_per_dva: float, memory: bool = True, sharpness: float = 1.5, half_dva: float = 2.5):
        super().__init__()
        self.px_per_dva, self.memory = px_per_dva, memory
        self.sharpness, self.half_dva = sharpness, half_dva

    def render(self, images: Tensor, points: Tensor) -> Tensor:
        eccentricity = eccentricity_dva(points, *images.shape[-2:], self.px_per_dva)
        if self.memory and points.shape[1]:
            eccentricity = eccentricity.cummin(dim=1).values
        level = transfer_level(eccentricity, LEVELS, self.sharpness, self.half_dva, SIGMA)
        return blend_levels(narrow_levels(images), level)


def narrow_levels(images: Tensor) -> Tensor:
    """[B, 6, C, H, W] the source's pyramid: a 5 x 5 Gaussian of 0.248 px before each bilinear halving and after each
    bilinear doubling. A side of n pixels is halved to n // 2, but not below 1."""
    pyramid = [images]
    for _ in range(LEVELS):
        size = tuple(max(1, side // 2) for side in pyramid[-1].shape[-2:])
        pyramid.append(F.interpolate(_smooth(pyramid[-1]), size, mode="bilinear", align_corners=False))
    full = []
    for level, image in enumerate(pyramid):
        for finer in reversed(pyramid[:level]):
            image = _smooth(F.interpolate(image, finer.shape[-2:], mode="bilinear", align_corners=False))
        full.append(image)
    return torch.stack(full, 1)


def _smooth(images: Tensor) -> Tensor:
    """The 5 x 5 kernel as two of 5 taps; the border is mirrored about the outermost pixels."""
    offset = torch.arange(TAPS, dtype=torch.float64) - TAPS // 2
    taps = torch.exp(-0.5 * (offset / SIGMA) ** 2)
    for dim in (-1, -2):
        side = images.shape[dim]
        period = max(2 * (side - 1), 1)
        moved = [
            _mirrored(images, dim, int(k), side, period) * float(t)
            for k, t in zip(offset, taps / taps.sum(), strict=True)
        ]
        images = torch.stack(moved).sum(0)
    return images


def _mirrored(images: Tensor, dim: int, offset: int, side: int, period: int) -> Tensor:
    at = (torch.arange(side, device=images.device) + offset).remainder(period)
    return images.index_select(dim, torch.minimum(at, period - at).clamp_max(side - 1))
