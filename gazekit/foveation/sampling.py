"""Space-variant sampling: pictures with fewer samples away from the fixation."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gazekit.foveation.pictures import Transform, to_points

__all__ = ["LogPolar", "RetinaWarp"]


class LogPolar(Transform):
    """Samples on circles whose radii grow exponentially: [B, C, rings, directions].

    Row i is the circle of radius r with rho = log((r + a) / a) = rho_max (i + 1/2) / rings, column j the direction
    2 pi (j + 1/2) / directions, from right to down. Samples are bilinear, without smoothing; what lies beyond the
    picture is 0. Magnification falls as 1 / (1 + e / e2) with e2 = a, Schwartz's model of the visual cortex.

    Args:
        rings, directions: sides of what comes out.
        offset_px: a, which keeps the middle from being sampled ever more finely.
        radius_px: of the outermost circle's outer edge.
    Raises:
        ValueError: a value that is not positive.
    """

    def __init__(
        self, rings: int = 64, directions: int = 128, offset_px: float = 10.0, radius_px: float = 128.0
    ):
        super().__init__()
        for name, value in (
            ("rings", rings),
            ("directions", directions),
            ("offset_px", offset_px),
            ("radius_px", radius_px),
        ):
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be positive and finite, got {value!r}")
        self.rings, self.directions, self.offset_px, self.radius_px = rings, directions, offset_px, radius_px

    def render(self, images: Tensor, points: Tensor) -> Tensor:
        rho = (torch.arange(self.rings).to(points) + 0.5) * (self._longest / self.rings)
        angle = (torch.arange(self.directions).to(points) + 0.5) * (2 * math.pi / self.directions)
        radius = self.offset_px * torch.expm1(rho)
        around = torch.stack((radius[:, None] * angle.cos(), radius[:, None] * angle.sin()), -1)
        return sampled(images, points[:, :, None, None] + around)

    def inverse(
        self, samples: Tensor, height: int, width: int, fixation_xy_px: Tensor | None = None
    ) -> Tensor:
        """A picture of samples, bilinear between them; 0 beyond the outermost circle.

        Args:
            samples: [B, C, rings, directions] or, for [B, T, 2] fixations, [B, T, C, rings, directions].
        Returns:
            [B, C, height, width] or [B, T, C, height, width].
        """
        like = samples.new_empty(len(samples), 1, height, width)
        points, has_steps = to_points(fixation_xy_px, like)
        stack = samples if has_steps else samples[:, None]
        x, y = (torch.arange(side).to(points) + 0.5 for side in (width, height))
        dx, dy = x - points[..., None, :1], y[:, None] - points[..., 1:, None]
        radius = torch.hypot(
            dx.expand(*dx.shape[:-2], height, width), dy.expand(*dx.shape[:-2], height, width)
        )
        row = torch.log1p(radius / self.offset_px) * (self.rings / self._longest)
        column = (torch.atan2(dy, dx) / (2 * math.pi)).remainder(1) * self.directions
        # a column on either side, since directions go round
        wrapped = torch.cat((stack[..., -1:], stack, stack[..., :1]), -1)
        seen = sampled(
            wrapped.flatten(0, 1), torch.stack((column + 1, row.clamp_min(0.5)), -1).flatten(0, 1)[:, None]
        )
        seen = seen.unflatten(0, stack.shape[:2])[:, :, 0] * (radius <= self.radius_px)[:, :, None]
        return seen if has_steps else seen[:, 0]

    @property
    def _longest(self) -> float:
        return math.log1p(self.radius_px / self.offset_px)


class RetinaWarp(Transform):
    """A fish-eye picture [B, C, out_px, out_px] as ganglion cells would sample it: large about the fixation.

    A sample at radius r' comes from radius r = A r'^2 + B r', fitted to steps of exp(a r / 2) / sqrt(pi f) with a =
    ln(10) / R: the density falls to a tenth at R, half of the picture's shorter side, which the outermost sample hits.

    Source: retinawarp of the DiCarlo laboratory, used for eccNET's fish-eye diet. Deviations: any fixation; by default
    bilinear samples, through which gradients reach the fixation; 0 beyond the picture.

    Args:
        out_px: side of what comes out, 2 or more.
        nearest: take the nearest pixel, as the source does.
    """

    def __init__(self, out_px: int = 224, nearest: bool = False):
        super().__init__()
        if out_px < 2:
            raise ValueError(f"out_px must be 2 or more, got {out_px}")
        self.out_px, self.nearest = out_px, nearest

    def render(self, images: Tensor, points: Tensor) -> Tensor:
        square, straight = retina_radii(min(images.shape[-2:]), self.out_px)
        at = torch.arange(self.out_px).to(points) + 0.5 - self.out_px / 2
        around = torch.stack(torch.meshgrid(at, at, indexing="xy"), -1)
        around = around * (square * around.norm(dim=-1, keepdim=True) + straight)
        return sampled(images, points[:, :, None, None] + around, "nearest" if self.nearest else "bilinear")


@lru_cache(maxsize=64)
def retina_radii(in_px: int, out_px: int) -> tuple[float, float]:
    """A and B of `RetinaWarp`.

    Raises:
        ValueError: sizes for which no f from 0.01 to 5 makes the outermost sample hit the border.
    """
    from scipy.optimize import brentq, nnls

    def radii(f: float) -> list[float]:
        found = [0.0]
        for _ in range(out_px // 2):
            step = math.exp(min(math.log(10) * found[-1] / in_px, 50.0)) / math.sqrt(math.pi * f)
            found.append(found[-1] + step)
        return found

    low, high = (radii(f)[-1] - in_px / 2 for f in (0.01, 5))
    if low * high > 0:
        raise ValueError(
            f"a picture of {in_px} px cannot be warped to {out_px} px: choose out_px between about {in_px / 3:.0f} and "
            f"{3 * in_px}"
        )
    steps = np.arange(out_px // 2 + 1.0)
    wanted = np.array(radii(brentq(lambda f: radii(f)[-1] - in_px / 2, 0.01, 5)))
    (square, straight), _ = nnls(np.stack((steps**2, steps), -1), wanted)
    return float(square), float(straight)


def sampled(images: Tensor, xy_px: Tensor, mode: str = "bilinear") -> Tensor:
    """Pictures [B, C, H, W] at places [B, T, h, w, 2] in pixels: [B, T, C, h, w]; 0 outside."""
    batch, steps, rows, columns, _ = xy_px.shape
    size = torch.tensor(images.shape[:-3:-1]).to(xy_px)
    places = (xy_px / size * 2 - 1).reshape(batch, steps * rows, columns, 2)
    found = F.grid_sample(images, places, mode=mode, padding_mode="zeros", align_corners=False)
    return found.unflatten(2, (steps, rows)).movedim(2, 1)
