"""How well each cell is seen from each other cell."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from gazekit.foveation.grid import Grid

__all__ = ["GaussianVisibility"]


class GaussianVisibility:
    """Visibility v_f(c) in [0, 1] of cell c for an eye at the centre of cell f.

    v_f(c) = (g_f(c) - min g) / (1 - min g), g the Gaussian of the distance in pixels and its minimum over all pairs of
    cells: 0 for the most distant pair, 1 where f = c. An exponent widens or narrows what is seen: g ** a has the
    standard deviation sigma / sqrt(a).

    g is a product of one Gaussian along x and one along y. Only these are kept, columns^2 + rows^2 numbers, once per
    geometry (`of`); maps of single fixations and the sum over a posterior are made from them.

    Source: the visibility map in the code of NeuroLIAA (Bujia et al. 2022, Ruarte et al. 2024), which is 3 v, or 9 v^2.
    There g is sampled at points spread over the picture; here at the centres of the cells, so that an eye sees best
    where it is.

    Args:
        grid: C cells; with one cell only, v = 1.
        sigma_px: standard deviations along x and y: degrees times pixels per degree.
    Raises:
        ValueError: a sigma that is not positive.
    """

    def __init__(self, grid: Grid, sigma_px: tuple[float, float]) -> None:
        if not min(sigma_px) > 0:
            raise ValueError(f"sigma_px must be positive, got {sigma_px}")
        self.grid, self.sigma_px = grid, sigma_px
        along = [
            torch.exp(-((axis[:, None] - axis).double() ** 2) / (2 * sigma**2))
            for axis, sigma in zip(grid.axes_px, sigma_px, strict=True)
        ]
        self.along_x, self.along_y = (table.float() for table in along)
        self.lowest = (self.along_x.min() * self.along_y.min()).item() if len(grid) > 1 else 0.0

    @staticmethod
    @lru_cache(maxsize=16)
    def of(grid: Grid, sigma_px: tuple[float, float]) -> GaussianVisibility:
        """The one of this geometry, made when it is first asked for."""
        return GaussianVisibility(grid, sigma_px)

    def seen_from(self, cell: Tensor, exponent: float = 1.0) -> Tensor:
        """[..., C] float32 visibility, raised to the exponent, from fixated cells [...].

        Raises:
            ValueError: an exponent that is not positive.
        """
        if not exponent > 0:
            raise ValueError(f"the exponent of the visibility must be positive, got {exponent}")
        down = self.along_y.to(cell.device)[cell // self.grid.columns]
        across = self.along_x.to(cell.device)[cell % self.grid.columns]
        seen = (down[..., :, None] * across[..., None, :]).flatten(-2)
        seen = seen.sub_(self.lowest).div_(1 - self.lowest).clamp_(0, 1)
        return seen if exponent == 1 else seen.pow_(exponent)

    def expected_square(self, probability: Tensor) -> Tensor:
        """[..., C] sum_c p(c) v_f(c)^2 for every fixation f, of probabilities [..., C].

        (g - m)^2 = g^2 - 2 m g + m^2, and g and g^2 are products: two multiplications with small matrices instead of
        one with all pairs of cells.
        """
        p = probability.unflatten(-1, (self.grid.rows, self.grid.columns))
        x, y, m = self.along_x.to(p), self.along_y.to(p), self.lowest
        total = (y**2 @ p @ x**2).flatten(-2)
        if m > 1e-12:
            total = total - 2 * m * (y @ p @ x).flatten(-2) + m**2 * probability.sum(-1, keepdim=True)
        return (total / (1 - m) ** 2).clamp(min=0)
