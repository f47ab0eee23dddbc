"""Read-outs that look at one point of the map (Gaussian) or a few (spatial transformer), by bilinear interpolation.

Bilinear interpolation at a point is a sum over all places with weights tent(x - x_n) tent(y - y_n), where
tent(d) = max(0, 1 - |d|) in units of cells. So sampling is a mask like all others, without gathering.
Points are (x, y); -1 and 1 are the centres of the outermost cells.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from gazekit.models.brain_encoding.readouts import Readout, weighted_sum

__all__ = ["GaussianReadout", "SpatialTransformerReadout", "bilinear_places"]


def bilinear_places(points: Tensor, height: int, width: int) -> Tensor:
    """Weights of places that sample a map at points, as `grid_sample(align_corners=True, padding_mode="border")` does.

    Args:
        points: [..., 2], (x, y); what lies outside -1 ... 1 is moved to the border.
    Returns:
        [..., height * width], at least 0, sum 1.
    """
    x, y = (_tents(points[..., axis].clamp(-1, 1), cells) for axis, cells in ((0, width), (1, height)))
    return (y[..., :, None] * x[..., None, :]).flatten(-2)


def _tents(place: Tensor, cells: int) -> Tensor:
    """[...] in -1 ... 1 to [..., cells]."""
    at = (place + 1) / 2 * (cells - 1)
    return (1 - (at[..., None] - torch.arange(cells).to(at)).abs()).clamp(min=0)


class GaussianReadout(Readout):
    """Features at one point per voxel, which training draws from a Gaussian around the learned position.

    Source: Lurz et al. 2021 (ICLR); neuralpredictors' `Gaussian2d`, `FullGaussian2d`. In training, each item and voxel
    looks at mu_v + S_v eps, eps ~ N(0, 1); otherwise at mu_v. Points are kept on the map. Positions start
    at U(-.1, .1). Draws come from torch's global generator, which `fit_readout` seeds.

    Args:
        shape: C, H, W of the maps.
        voxels: V.
        covariance: S_v is a full 2 x 2 matrix, or one number ("isotropic").
        sigma: start of S_v (its diagonal). Published 1; the default suits smooth maps of few cells.
        weight_l1: times the mean over voxels of the L1 norm of the weights.
    """

    rates: ClassVar = {"position": 5.0, "spread": 5.0}

    def __init__(
        self,
        shape: tuple[int, int, int],
        voxels: int,
        covariance: Literal["full", "isotropic"] = "full",
        sigma: float = 0.5,
        weight_l1: float = 0.0,
    ) -> None:
        super().__init__(shape, voxels)
        if covariance not in ("full", "isotropic"):
            raise ValueError(f"covariance must be full or isotropic, got {covariance!r}")
        self.covariance, self.weight_l1 = covariance, weight_l1
        self.position = nn.Parameter(torch.empty(self.voxels, 2).uniform_(-0.1, 0.1))
        spread = sigma * (torch.eye(2) if covariance == "full" else torch.ones(1, 1))
        self.spread = nn.Parameter(spread.repeat(self.voxels, 1, 1))
        self.weight = nn.Parameter(torch.randn(self.voxels, self.shape[0]) * 0.01)
        self.bias = nn.Parameter(torch.zeros(self.voxels))

    def places(self, items: int, shift: Tensor | None = None) -> Tensor:
        """[B, V, H * W], or [V, H * W] where all items are the same.

        Args:
            shift: [B, 2] gaze of each item, added to all positions, in the units of points (2 is the whole map). In
                pictures where people looked to the right, voxels see what is further right.
        """
        points = self.position
        if self.training:
            noise = torch.randn(items, self.voxels, 2, device=points.device, dtype=points.dtype)
            if self.covariance == "full":
                points = points + torch.einsum("vij,bvj->bvi", self.spread, noise)
            else:
                points = points + self.spread[:, 0] * noise
        if shift is not None:
            if shift.shape != (items, 2):
                raise ValueError(f"shift must have shape [{items}, 2], got {list(shift.shape)}")
            points = points + shift[:, None].to(points)
        return bilinear_places(points, *self.shape[1:])

    def read(self, maps: Tensor, shift: Tensor | None = None) -> Tensor:
        return weighted_sum(maps, self.places(len(maps), shift), self.weight) + self.bias

    def attention(self, maps: Tensor, shift: Tensor | None = None) -> Tensor:
        places = self.places(len(self.checked(maps)), shift)
        return places.expand(len(maps), *places.shape[-2:])

    def penalty(self) -> Tensor:
        return self.weight_l1 * self.weight.abs().sum(1).mean()


class SpatialTransformerReadout(Readout):
    """A small window per voxel, placed by a learned affine map, and a weight for each of its points.

    Source: the spatial transformer of Jaderberg et al. 2015 as a read-out: the points of a `points` x `points` grid
    over -1 ... 1 go through theta_v [2, 3] of each voxel. The identity sees the whole map.

    Args:
        shape: C, H, W of the maps.
        voxels: V.
        points: along each side of the window; 1 is its centre only.
        size: of the window at the start, as a share of the map; it starts in the middle.
        weight_l1: times the mean over voxels of the L1 norm of the weights.
    """

    rates: ClassVar = {"theta": 5.0, "share": 5.0}

    def __init__(
        self,
        shape: tuple[int, int, int],
        voxels: int,
        points: int = 3,
        size: float = 0.5,
        weight_l1: float = 0.0,
    ) -> None:
        super().__init__(shape, voxels)
        if points < 1 or size <= 0:
            raise ValueError(f"points must be at least 1 and size positive, got {points} and {size}")
        self.weight_l1 = weight_l1
        line = torch.linspace(-1, 1, points) if points > 1 else torch.zeros(1)
        y, x = torch.meshgrid(line, line, indexing="ij")
        self.register_buffer("window", torch.stack([x, y, torch.ones_like(x)], -1).flatten(0, 1))  # [K, 3]
        theta = size * torch.eye(2, 3).repeat(self.voxels, 1, 1)
        theta[:, :, 2].uniform_(-0.1, 0.1)
        self.theta = nn.Parameter(theta)
        self.share = nn.Parameter(torch.full((self.voxels, points**2), 1 / points**2))
        self.weight = nn.Parameter(torch.randn(self.voxels, self.shape[0]) * 0.01)
        self.bias = nn.Parameter(torch.zeros(self.voxels))

    def places(self) -> Tensor:
        """[V, H * W]."""
        points = torch.einsum("vij,kj->vki", self.theta, self.window).clamp(-1, 1)
        _, height, width = self.shape
        x, y = _tents(points[..., 0], width), _tents(points[..., 1], height)
        return torch.einsum("vk,vkh,vkw->vhw", self.share, y, x).flatten(1)

    def read(self, maps: Tensor) -> Tensor:
        return weighted_sum(maps, self.places(), self.weight) + self.bias

    def attention(self, maps: Tensor) -> Tensor:
        return self.places().expand(len(self.checked(maps)), -1, -1)

    def penalty(self) -> Tensor:
        return self.weight_l1 * self.weight.abs().sum(1).mean()
