"""Pooling windows that tile the visual field in log-polar coordinates.

Source: Freeman and Simoncelli 2011 (Nature Neuroscience 14, 1195), online methods, equations 9 to 11. A window is the
product of a bump of ln(eccentricity) and one of the angle; neighbours overlap and sum to 1. At most four windows, those
of two rings times those of two directions, hold a pixel: they are kept as four numbers and four weights a pixel, never
as a map per window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

__all__ = ["Layout", "Windows", "mother_window", "windows_at"]

MASK = 0.001  # a pixel is a member of a hard window above this weight
FLAT = 0.5  # t of the mother window: width of its ramps


def mother_window(x: Tensor, ramp: float = FLAT) -> Tensor:
    """f(x): 1 about 0, cosine ramps of width t centred at -1/2 and 1/2, and 0 beyond; shifts by 1 sum to 1."""
    down = ((x.abs() - (1 - ramp) / 2) / ramp).clamp(0, 1)
    return torch.cos((math.pi / 2) * down) ** 2 * (down < 1)  # exactly 0 outside


@dataclass(frozen=True)
class Layout:
    """The windows of a visual field: fovea, then ring after ring.

    Region 0 is the fovea, what the rings leave of 1; region 1 + n N_theta + m is direction m (counted from right to
    down) of ring n. There are as many rings as a picture needs up to its farthest corner; equation 10 fixes their
    number by e_max instead, which suits one fixation only.

    Args:
        px_per_dva: pixels of the picture per degree.
        scaling: s, width of a window over its eccentricity: w_e = 2 asinh(s / 2), N_theta = round(4 pi / w_e).
        inner_dva: e_0; the first ring has its middle at e_0 exp(w_e).
    Raises:
        ValueError: a value that is not positive and finite.
    """

    px_per_dva: float
    scaling: float = 0.4
    inner_dva: float = 0.5

    def __post_init__(self) -> None:
        for name in ("px_per_dva", "scaling", "inner_dva"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be positive and finite, got {value!r}")

    @property
    def ring_width(self) -> float:
        """w_e, width of a ring in ln(degrees)."""
        return 2 * math.asinh(self.scaling / 2)

    @property
    def directions(self) -> int:
        """N_theta; windows are twice as long as wide."""
        return max(1, round(4 * math.pi / self.ring_width))

    def ring_span(self, outer_dva: float) -> float:
        """N_e (not rounded), the number of rings from e_0 to an eccentricity."""
        return (math.log(outer_dva) - math.log(self.inner_dva)) / self.ring_width

    def rings(self, height: int, width: int, point: Tensor) -> int:
        """Rings that reach the farthest corner of a picture from a fixation [2]."""
        x, y = point.detach().double().tolist()
        farthest = math.hypot(max(abs(x), abs(width - x)), max(abs(y), abs(height - y))) / self.px_per_dva
        return max(0, math.floor(self.ring_span(max(farthest, self.inner_dva)))) + 1

    def ring_of(self, square_px: Tensor) -> tuple[Tensor, Tensor]:
        """Squared distances from the fixation to the inner of two neighbouring rings (-1 = fovea), and the weight of
        the outer one, whose number is one higher."""
        log_e = 0.5 * square_px.clamp_min(1e-12).log() - math.log(self.px_per_dva * self.inner_dva)
        place = (log_e / self.ring_width - 1).clamp_min(-1)
        inner = place.detach().floor()
        return inner, mother_window(place - inner - 1)


@dataclass(frozen=True)
class Windows:
    """Which windows hold each of P points, and by how much.

    Args:
        index: [P, 4] int32 regions.
        write: [P, 4] weights that sum to 1, by which a point is made of what its regions hold.
        pool: [P, 4] weights of the point in the statistics of the regions.
        order: [M] int32 places of `pool`, flattened, that are not 0, sorted by region.
        starts: [R] int32, where each region begins in `order`.
    """

    index: Tensor
    write: Tensor
    pool: Tensor
    order: Tensor
    starts: Tensor

    @property
    def regions(self) -> int:
        return len(self.starts)

    @property
    def nbytes(self) -> int:
        """Memory of all tensors."""
        held = {id(x): x.nbytes for x in (self.index, self.write, self.pool, self.order, self.starts)}
        return sum(held.values())  # `write` and `pool` may be one


def windows_at(
    layout: Layout, point: Tensor, size: tuple[int, int], stride: int, shift: float, hard: bool
) -> Windows:
    """The windows about a fixation at the points (stride i + shift, stride j + shift) of a picture.

    Args:
        point: [2], fixation in pixels.
        size: (height, width) of the picture; there are ceil(side / stride) points along a side.
        hard: members are points with a weight above 0.001, of equal weight, and the region with the highest number
            writes; else the weights themselves, which are differentiable in the fixation.
    """
    dx, dy = (
        torch.arange(-(-side // stride), dtype=point.dtype, device=point.device) * stride + shift - middle
        for side, middle in zip(size[::-1], point, strict=True)
    )
    square = dx**2 + dy[:, None] ** 2
    inner, outer_weight = (x.flatten() for x in layout.ring_of(square))
    right = torch.where(square == 0, 1.0, dx)  # the angle has no gradient where the fixation is
    turn = torch.atan2(dy[:, None], right).flatten() * (layout.directions / (2 * math.pi))
    first = turn.detach().floor()
    second_weight = torch.where(inner < 0, 0.0, mother_window(turn - first - 1))
    inner_weight = 1 - outer_weight
    in_inner, in_outer = inner_weight * second_weight, outer_weight * mother_window(turn - first - 1)
    weight = torch.stack((inner_weight - in_inner, in_inner, outer_weight - in_outer, in_outer), -1)
    region = (inner * layout.directions + 1).int()
    directions = [(first + k).int() % layout.directions for k in (0, 1)]
    low = [torch.where(inner < 0, 0, region + m) for m in directions]
    index = torch.stack((*low, *(region + layout.directions + m for m in directions)), -1)
    regions = 1 + layout.directions * (layout.rings(*size, point) + 1)
    if not hard:
        return _sorted(index, weight, weight, regions)
    member = weight > MASK
    top = torch.where(member, index, -1).argmax(-1, keepdim=True)
    write = torch.zeros_like(weight).scatter_(-1, top, 1.0)
    return _sorted(index, write, member.to(weight.dtype), regions)


def _sorted(index: Tensor, write: Tensor, pool: Tensor, regions: int) -> Windows:
    flat = index.flatten()
    kept = pool.detach().flatten() > 0
    where = kept.nonzero()[:, 0].int()
    small = flat[kept].cpu().numpy().astype(np.uint16 if regions < 2**16 else np.int32)
    order = torch.from_numpy(np.argsort(small, kind="stable")).to(where.device)  # a radix sort for 16 bits
    counts = torch.bincount(flat[kept], minlength=regions)
    starts = (counts.cumsum(0) - counts).int()
    return Windows(index, write, pool, where[order], starts)
