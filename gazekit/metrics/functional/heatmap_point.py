"""The point that a heatmap predicts: its highest cell, or a place between cells.

Source: the benchmarks of gaze following for the first; Zhang et al. 2020 (CVPR, DARK) and ViTGaze's released code,
which reports numbers with it, for the second.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from gazekit.metrics.functional.arguments import ArrayLike, reals

__all__ = ["PointMethod", "check_method", "heatmap_point_norm"]

PointMethod = Literal["argmax", "dark"]
TAPS = 39
SIGMA_CELLS = 0.3 * ((TAPS - 1) / 2 - 1) + 0.8  # what OpenCV takes for this many taps where none is given
FLOOR = 1e-10
_CHUNK_BYTES = 64 * 2**20


def heatmap_point_norm(heatmap: ArrayLike, method: PointMethod = "argmax") -> Tensor:
    """The predicted point: column and row of the highest cell, divided by the size of the heatmap.

    No half cell is added, as in the benchmarks: the point is the upper left corner of the cell. The first of
    several highest cells, row by row, is taken. Deviation: a constant map has no point.

    `method="dark"` moves that point below the size of a cell: the map is blurred (39 taps, sigma 6.2 cells, zeros
    around it), scaled to its old maximum, its logarithm taken (of 1e-10 where it is lower), and one step of Newton's
    method made from the highest cell of the map before the blur. The logarithm wants a map that is 0 where nobody
    looks, such as a probability, not its logit. The highest cell itself is given where the step does not exist: less
    than two cells from the border, no curvature, or nothing positive in the map. As in ViTGaze's code the step has no
    limit: where the blurred map has no maximum near the cell, the point may lie far off, even outside the picture.

    Args:
        heatmap: [..., h, w].
        method: "argmax" is the benchmarks', "dark" what ViTGaze reports.
    Returns:
        [..., 2], in [0, 1) for "argmax"; NaN for a constant map, a map with a NaN and a map without cells.
    Raises:
        TypeError: not real numbers. ValueError: fewer than two dimensions, another method.

    Example:
        >>> heatmap_point_norm([[0.0, 0.0, 0.1, 0.0], [0.0, 0.2, 0.9, 0.1]])
        tensor([0.5000, 0.5000], dtype=torch.float64)
    """
    check_method(method)
    heatmap = reals("heatmap", heatmap, None, None).detach()
    lead, (h, w) = heatmap.shape[:-2], heatmap.shape[-2:]
    if not heatmap.numel():
        return heatmap.new_full((*lead, 2), torch.nan)
    flat = heatmap.reshape(-1, h * w)
    best = flat.argmax(-1)
    cell = torch.stack([best % w, best.div(w, rounding_mode="floor")], -1)
    point = cell.to(flat)
    low, high = flat.aminmax(dim=-1)
    varied = low < high
    if method == "dark" and min(h, w) >= 5:
        inner = ((cell >= 2) & (cell < torch.tensor([w, h]).to(cell) - 2)).all(1)
        rows = max(1, _CHUNK_BYTES // (32 * h * w))
        for part in (inner & varied & (high > 0)).nonzero()[:, 0].split(rows):
            point[part] += _newton_step(flat[part].view(-1, h, w), cell[part])
    point = point / torch.tensor([w, h]).to(flat)
    return torch.where(varied[:, None], point, torch.nan).reshape(*lead, 2)


def check_method(method: str) -> None:
    """Raises ValueError for a method that `heatmap_point_norm` does not have."""
    if method not in ("argmax", "dark"):
        raise ValueError(f"method must be argmax or dark, got {method!r}")


def _newton_step(maps: Tensor, cell: Tensor) -> Tensor:
    """[n, 2] step in cells from columns and rows [n, 2], two cells inside maps [n, h, w] with a positive maximum."""
    blurred = _blurred(maps)
    top = blurred.amax((1, 2))
    scale = torch.where(top > 0, maps.amax((1, 2)) / top, 0)
    around = torch.arange(-2, 3, device=cell.device)
    column, row = (cell[:, k, None] + around for k in (0, 1))
    one = torch.arange(len(maps), device=cell.device)
    near = blurred[one[:, None, None], row[:, :, None], column[:, None]] * scale[:, None, None]
    f = near.clamp(min=FLOOR).log()  # [n, 5, 5], rows first
    dx, dy = (f[:, 2, 3] - f[:, 2, 1]) / 2, (f[:, 3, 2] - f[:, 1, 2]) / 2
    dxx = (f[:, 2, 4] - 2 * f[:, 2, 2] + f[:, 2, 0]) / 4
    dyy = (f[:, 4, 2] - 2 * f[:, 2, 2] + f[:, 0, 2]) / 4
    dxy = (f[:, 3, 3] - f[:, 1, 3] - f[:, 3, 1] + f[:, 1, 1]) / 4
    curvature = dxx * dyy - dxy**2
    exists = curvature.abs() > 1e-10 * (dxx**2 + dyy**2 + dxy**2)  # below that it is rounding
    step = torch.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], -1) / curvature[:, None]
    return torch.where(exists[:, None], step, 0)


def _blurred(maps: Tensor) -> Tensor:
    place = torch.arange(TAPS, device=maps.device, dtype=maps.dtype) - TAPS // 2
    taps = torch.exp(-(place**2) / (2 * SIGMA_CELLS**2))
    taps = taps / taps.sum()
    across = conv2d(maps[:, None], taps.view(1, 1, 1, -1), padding=(0, TAPS // 2))
    return conv2d(across, taps.view(1, 1, -1, 1), padding=(TAPS // 2, 0))[:, 0]
