"""Population receptive fields: what a voxel sums up of a stimulus (Dumoulin and Wandell 2008), batched over voxels.

A frame of the stimulus is a matrix [X, Y]. Gaussian fields are products of a function of x and one of y, so frames are
taken apart into a few products, too (singular values): a bar is one or two of them. The sum over pixels is then two
small products.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

__all__ = [
    "CompressiveField",
    "DifferenceField",
    "Frames",
    "GaussianField",
    "PlacedField",
    "frames_of",
    "gaussian_sums",
]

LIMIT = 1.15  # of half the screen: how far out a centre may lie
SD_DVA = (0.3, 7.0)  # smallest and largest
_LEFT_OUT = 3e-4  # share of a frame's energy


class Frames(NamedTuple):
    """A stimulus whose frame t is the sum over r of the outer products of `along_x[t, r]` and `along_y[t, r]`.

    Attributes:
        along_x: [T, R, X]. along_y: [T, R, Y].
        x_dva: [X], y_dva: [Y] centres of the pixels.
        gaze_dva: [T, 2] where the eye looked, x and y from the screen's centre; None: at the centre.
    """

    along_x: Tensor
    along_y: Tensor
    x_dva: Tensor
    y_dva: Tensor
    gaze_dva: Tensor | None = None


def frames_of(
    stimulus: Tensor,
    x_dva: Tensor,
    y_dva: Tensor,
    gaze_dva: Tensor | None = None,
    left_out: float = _LEFT_OUT,
) -> Frames:
    """Take a stimulus [T, X, Y] apart; at most `left_out` of the energy of each frame is lost, nothing with 0."""
    left, size, right = torch.linalg.svd(stimulus, full_matrices=False)
    energy = size.square()
    total = energy.sum(1, keepdim=True)
    rest = (total - energy.cumsum(1)) / total.clamp(min=1e-12)
    kept = min(size.shape[1], int((rest > left_out).sum(1).max()) + 1) if left_out else size.shape[1]
    return Frames(left[:, :, :kept].mT * size[:, :kept, None], right[:, :kept], x_dva, y_dva, gaze_dva)


def gaussian_sums(frames: Frames, x_dva: Tensor, y_dva: Tensor, sd_dva: Tensor) -> Tensor:
    """[T, V] sums over pixels of stimulus times exp(-((x - x_v)^2 + (y - y_v)^2) / (2 sd_v^2)).

    Where gaze is given, fields move with it: their centre on the screen is (x_v, y_v) + gaze.

    Args:
        x_dva, y_dva, sd_dva: [V].
    """
    sums = []
    for axis, (parts, at, centre) in enumerate(
        ((frames.along_x, frames.x_dva, x_dva), (frames.along_y, frames.y_dva, y_dva))
    ):
        if frames.gaze_dva is not None:
            centre = centre + frames.gaze_dva[:, axis, None]  # [T, V]
        profile = torch.exp(
            -((at - centre[..., None]).square()) / (2 * sd_dva.square()[:, None])
        )  # [(T,) V, pixels]
        sums.append(parts @ profile.mT)  # [T, R, V]
    return (sums[0] * sums[1]).sum(1)


class PlacedField(nn.Module):
    """What all fields have: a place per voxel, which a fit holds near the screen.

    Args:
        voxels: V.
        half_screen_dva: half the width and height of the screen.
    """

    def __init__(self, voxels: int, half_screen_dva: tuple[float, float]) -> None:
        super().__init__()
        self.half_screen_dva = half_screen_dva
        self.xy_dva = nn.Parameter(torch.zeros(voxels, 2))

    def start(self, xy_dva: Tensor, sd_dva: Tensor) -> None:
        """Set places [V, 2] and sizes [V], the rest neutral."""
        with torch.no_grad():
            self.xy_dva.copy_(xy_dva)

    def forward(self, frames: Frames) -> Tensor:
        """[T, V] drive."""
        raise NotImplementedError

    def penalty(self) -> Tensor:
        """What the fit adds to its loss, summed over voxels."""
        return self.xy_dva.new_zeros(())

    def sign(self) -> Tensor:
        """[V] 1 where a stimulus in the middle of the field adds to the drive, -1 where it takes away."""
        return torch.ones_like(self.xy_dva[:, 0])

    def hold(self) -> None:
        """Move what left its range back to the border, after a step of the fit."""
        with torch.no_grad():
            limit = LIMIT * self.xy_dva.new_tensor(self.half_screen_dva)
            self.xy_dva.copy_(torch.clamp(self.xy_dva, -limit, limit))


class GaussianField(PlacedField):
    """An isotropic Gaussian per voxel."""

    def __init__(self, voxels: int, half_screen_dva: tuple[float, float]) -> None:
        super().__init__(voxels, half_screen_dva)
        self.log_sd = nn.Parameter(torch.zeros(voxels))

    def start(self, xy_dva: Tensor, sd_dva: Tensor) -> None:
        super().start(xy_dva, sd_dva)
        with torch.no_grad():
            self.log_sd.copy_(sd_dva.log())

    @property
    def sd_dva(self) -> Tensor:
        """[V]."""
        return self.log_sd.exp()

    def forward(self, frames: Frames) -> Tensor:
        return gaussian_sums(frames, *self.xy_dva.T, self.sd_dva)

    def hold(self) -> None:
        super().hold()
        with torch.no_grad():
            self.log_sd.clamp_(*map(math.log, SD_DVA))


class CompressiveField(GaussianField):
    """A Gaussian whose sum is raised to a power (compressive spatial summation, Kay et al. 2013).

    The power applies to the mean contrast in the field. A normal prior on its log (mean -.3, sd .7) holds it where
    the data say nothing.
    """

    def __init__(self, voxels: int, half_screen_dva: tuple[float, float]) -> None:
        super().__init__(voxels, half_screen_dva)
        self.log_power = nn.Parameter(torch.full((voxels,), -0.3))

    @property
    def power(self) -> Tensor:
        """[V]."""
        return self.log_power.exp().clamp(0.05, 2.0)

    def forward(self, frames: Frames) -> Tensor:
        share = (
            super().forward(frames).clamp(min=0) * _pixel_area(frames) / (2 * torch.pi * self.sd_dva.square())
        )
        return (
            share + 1e-4
        ) ** self.power  # the offset keeps the gradient finite where nothing is in the field

    def penalty(self) -> Tensor:
        return ((self.log_power + 0.3) / 0.7).square().sum() / 2


class DifferenceField(GaussianField):
    """A Gaussian minus a broader one at the same place (Zuiderbaan et al. 2012), both of volume 1.

    Normal priors: the log of the surround's sd above the centre's, in centre's sd, 1 (sd .7); the logit of its weight
    -1.5 (sd 1).
    """

    def __init__(self, voxels: int, half_screen_dva: tuple[float, float]) -> None:
        super().__init__(voxels, half_screen_dva)
        self.log_broader = nn.Parameter(torch.ones(voxels))
        self.weight_logit = nn.Parameter(torch.full((voxels,), -1.5))

    @property
    def surround_sd_dva(self) -> Tensor:
        """[V]."""
        return self.sd_dva * (1 + self.log_broader.exp())

    def forward(self, frames: Frames) -> Tensor:
        def mean(sd: Tensor) -> Tensor:
            return gaussian_sums(frames, *self.xy_dva.T, sd) / sd.square()

        return mean(self.sd_dva) - self.weight_logit.sigmoid() * mean(self.surround_sd_dva)

    def penalty(self) -> Tensor:
        return (((self.log_broader - 1) / 0.7).square() + (self.weight_logit + 1.5).square()).sum() / 2


def _pixel_area(frames: Frames) -> float:
    """Square degrees."""
    return float((frames.x_dva[1] - frames.x_dva[0]).abs() * (frames.y_dva[1] - frames.y_dva[0]).abs())
