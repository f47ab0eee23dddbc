"""How well each cell is seen from each other cell."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from gazekit.foveation.grid import Grid

__all__ = ["LARGEST_GRID", "gaussian_visibility"]

LARGEST_GRID = 8192
"""Cells: a map of all pairs has 4 bytes x cells x cells, 256 MiB here and 6.5 MB for 1280 x 1024 px at 32 px a cell."""


@lru_cache(maxsize=8)
def gaussian_visibility(grid: Grid, sigma_px: tuple[float, float], exponent: float = 1.0) -> Tensor:
    """Visibility v_f(c) in [0, 1] of cell c for an eye at the centre of cell f, one map for all fixations.

    v_f(c) = ((g_f(c) - min g) / (max g - min g)) ** exponent with g the Gaussian of the distance in pixels,
    minimum and maximum over all pairs of cells: 0 at the most distant pair, 1 where f = c. A small exponent widens
    what is seen: g ** a has the standard deviation sigma / sqrt(a).

    Source: the visibility map of the ViSioNS and hybrid-search code of NeuroLIAA (Bujia et al. 2022, Ruarte et al. 2024),
    which is 3 v, or 9 v where it is squared. There g is sampled at points spread over the picture; here at the centres
    of the cells, so that an eye sees best where it is.

    The result is kept for the last eight geometries: it must not be written to.

    Args:
        grid: C cells; with one cell only, v = 1.
        sigma_px: standard deviations along x and y: degrees times pixels per degree.
        exponent: positive.
    Returns:
        [C, C], float32: a row per fixation.
    Raises:
        ValueError: a sigma or the exponent is not positive, or the grid has more than `LARGEST_GRID` cells.
    """
    if min(*sigma_px, exponent) <= 0:
        raise ValueError(f"sigma_px and exponent must be positive, got {sigma_px} and {exponent}")
    if len(grid) > LARGEST_GRID:
        raise ValueError(
            f"a grid of {grid.rows} x {grid.columns} cells is too fine to keep all pairs of cells, at most "
            f"{LARGEST_GRID} cells; take larger cells (cell_px)"
        )
    along_x, along_y = (
        torch.exp(-((axis[:, None] - axis).double() ** 2) / (2 * sigma**2))
        for axis, sigma in zip(grid.axes_px, sigma_px, strict=True)
    )
    lowest = float(along_x.min() * along_y.min())  # the Gaussian is a product, and so is its minimum
    pairs = along_y.float()[:, None, :, None] * along_x.float()[None, :, None, :]
    if lowest < 1:
        pairs.sub_(lowest).div_(1 - lowest).clamp_(0, 1)
    return pairs.pow_(exponent).reshape(len(grid), len(grid))
