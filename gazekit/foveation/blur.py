"""Blur: one Gaussian for all, one for each ring of eccentricity, or the acuity law of Geisler and Perry."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from gazekit.foveation.pictures import Transform
from gazekit.foveation.windows import Layout
from gazekit.kernels.foveate import blend_levels, foveate, gaussian_levels

__all__ = ["FoveatedBlur", "GeislerPerry", "UniformBlur"]

REACH = 4  # standard deviations on either side


class UniformBlur(Transform):
    """The same Gaussian everywhere, whatever is fixated; the border is mirrored about the outermost pixels.

    Args:
        sigma_px: standard deviation; 0 leaves pictures as they are.
    """

    def __init__(self, sigma_px: float):
        super().__init__()
        if not (math.isfinite(sigma_px) and sigma_px >= 0):
            raise ValueError(f"sigma_px must be 0 or more and finite, got {sigma_px!r}")
        self.sigma_px = float(sigma_px)

    def render(self, images: Tensor, points: Tensor) -> Tensor:
        blurred = gaussian_blur(images, self.sigma_px)
        return blurred[:, None].expand(-1, points.shape[1], *images.shape[1:])


def gaussian_blur(images: Tensor, sigma_px: float) -> Tensor:
    """A Gaussian sampled up to 4 sigma, normalised; the border is mirrored, as often as needed."""
    if sigma_px == 0:
        return images
    reach = max(1, math.ceil(REACH * sigma_px))
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float64) / sigma_px) ** 2)
    taps = (taps / taps.sum()).to(images)
    for dim in (-1, -2):
        images = _along(images, taps, dim)
    return images


def _along(images: Tensor, taps: Tensor, dim: int) -> Tensor:
    side, reach = images.shape[dim], len(taps) // 2
    at = torch.arange(-reach, side + reach, device=images.device)
    period = max(2 * (side - 1), 1)
    at = at.remainder(period)
    padded = images.index_select(dim, torch.minimum(at, period - at).clamp_max(side - 1))
    shape = (1, 1, 1, -1) if dim == -1 else (1, 1, -1, 1)
    return F.conv2d(padded.flatten(0, 1)[:, None], taps.view(shape)).view_as(images)


class FoveatedBlur(Transform):
    """A Gaussian that widens from ring to ring of the windows of `FoveatedTexture`.

    The deviation at a pixel is the mean of those of its rings, with the weights g_n of the windows; the fovea has 0.
    It is made of the two nearest octaves of a Gaussian pyramid, mixed so that the variance is right; the mixture is a
    little more peaked than a Gaussian.

    Args:
        px_per_dva: pixels of the picture per degree.
        scaling: s of the rings.
        sigma_px: deviation of each ring outwards from the fovea; the last holds for all further rings. One number holds
            for all rings.
        inner_dva: e_0 of the rings.
    """

    def __init__(
        self,
        px_per_dva: float,
        scaling: float = 0.4,
        sigma_px: float | Sequence[float] = 2.0,
        inner_dva: float = 0.5,
    ):
        super().__init__()
        self.layout = Layout(px_per_dva, scaling, inner_dva)
        sigmas = [float(s) for s in ([sigma_px] if isinstance(sigma_px, int | float) else sigma_px)]
        if not sigmas or not all(math.isfinite(s) and s >= 0 for s in sigmas):
            raise ValueError(f"sigma_px must be one or more numbers of 0 or more, got {sigma_px!r}")
        self.sigma_px = tuple(sigmas)

    def render(self, images: Tensor, points: Tensor) -> Tensor:
        levels = max(1, math.ceil(float(sigma_level(torch.tensor(max(self.sigma_px))))))
        seen = [
            blend_levels(
                gaussian_levels(image[None], levels), sigma_level(self.sigmas(steps, *image.shape[-2:]))[None]
            )
            for image, steps in zip(
                images, points, strict=True
            )  # one after the other: levels take much memory
        ]
        return torch.cat(seen) if seen else images.new_empty(0, points.shape[1], *images.shape[1:])

    def sigmas(self, points: Tensor, height: int, width: int) -> Tensor:
        """[..., height, width] deviation at every pixel, px."""
        x, y = (
            torch.arange(side, dtype=points.dtype, device=points.device) + 0.5 for side in (width, height)
        )
        square = (x - points[..., None, :1]) ** 2 + ((y - points[..., 1:]) ** 2)[..., None]
        inner, outer_weight = self.layout.ring_of(square)
        table = torch.tensor((0.0, *self.sigma_px)).to(points)
        ring = inner.long() + 1
        low, high = (table[(ring + k).clamp_max(len(table) - 1)] for k in (0, 1))
        return low + (high - low) * outer_weight


def sigma_level(sigma_px: Tensor) -> Tensor:
    """Level of `gaussian_levels` at which a blend of two neighbours has this standard deviation.

    Level l has the variance V_l = 2 (4^l - 1) / 3: each of the l halvings and l doublings smooths with a variance of 1
    pixel of its own. Blends of octaves k and k + 1 have (1 - f) V_k + f V_(k+1).
    """
    variance = sigma_px**2
    level = (torch.log2(1 + 1.5 * variance) / 2).detach().floor()
    base = torch.exp2(2 * level)  # V_(k+1) - V_k = 2 4^k
    return level + (variance - (base - 1) * (2 / 3)) / (2 * base)


class GeislerPerry(Transform):
    """The smallest details an eye can see at each eccentricity: `gazekit.kernels.foveate.foveate`.

    Source: Geisler and Perry 1998 (SPIE 3299, 294).

    Args:
        px_per_dva: pixels of the picture per degree.
        memory: picture t shows what fixations 0 to t saw together.
    """

    def __init__(self, px_per_dva: float, memory: bool = False):
        super().__init__()
        self.px_per_dva, self.memory = px_per_dva, memory

    def render(self, images: Tensor, points: Tensor) -> Tensor:
        seen = [
            foveate(image[None], steps[None], self.px_per_dva, memory=self.memory)
            for image, steps in zip(images, points, strict=True)
        ]
        return torch.cat(seen) if seen else images.new_empty(0, points.shape[1], *images.shape[1:])
