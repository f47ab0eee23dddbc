"""Functions of the displacement between two cells, as tables over all displacements of a grid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from gazekit.foveation import Grid

__all__ = ["ANGULAR", "RADIAL", "TURNS", "Displacements"]

RADIAL = 12
"""Basis functions of a length: Gaussians in its logarithm."""
ANGULAR = 5
"""Of a direction: 1, cos 2a, cos 4a, cos a, sin a."""
TURNS = (0.06, 0.18, 0.45)
"""Lengths of the last saccade, of the picture's longer side, between which turning functions are interpolated."""
_NEAREST, _FURTHEST = 0.0125, 0.9  # first and last centre, of the longer side
_SPREAD = 0.4  # of the lengths of the last saccade, in logarithms


@dataclass(frozen=True, eq=False)
class Displacements:
    """All displacements between cells of a grid: (2 rows - 1) x (2 columns - 1) of them.

    A function of the displacement is a small table; what it gives around a fixation is a window of that table, so that
    neither its values nor its gradients are computed cell by cell.

    Attributes:
        radial: [RADIAL, D] of the length; angular: [ANGULAR, D] of the direction, where only the constant is not 0
            without a displacement. D displacements, row by row.
    """

    grid: Grid
    radial: Tensor
    angular: Tensor

    @staticmethod
    @lru_cache(maxsize=8)
    def of(grid: Grid) -> Displacements:
        """Those of a grid, made when they are first asked for."""
        y, x = (
            torch.arange(-(n - 1), n, dtype=torch.float32) * grid.cell_px for n in (grid.rows, grid.columns)
        )
        x, y = x.repeat(len(y)), y.repeat_interleave(len(x))
        length = torch.hypot(x, y) / max(grid.size_px)
        angle, moved = torch.atan2(y, x), (length > 0).float()
        centres = torch.linspace(math.log(_NEAREST), math.log(_FURTHEST), RADIAL)
        log = length.clamp(min=_NEAREST / 2).log()
        radial = torch.exp(-(((log - centres[:, None]) / (centres[1] - centres[0])) ** 2) / 2)
        waves = [torch.cos(2 * angle), torch.cos(4 * angle), torch.cos(angle), torch.sin(angle)]
        angular = torch.stack([torch.ones_like(angle), *(wave * moved for wave in waves)])
        return Displacements(grid, radial, angular)

    def around(self, table: Tensor, cell: Tensor) -> Tensor:
        """[K, F, C] of functions [K, D]: their values at every cell for fixations of cells [F]."""
        return _Windows.apply(table, cell, self.grid.rows, self.grid.columns)

    def last_saccade(self, now: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """Of saccades between cells [F]: unit vector [F, 2], 0 without one, and weights [F, 3] of `TURNS`."""
        columns = self.grid.columns
        x, y = (now % columns - before % columns).float(), (now // columns - before // columns).float()
        length = torch.hypot(x, y)
        unit = torch.stack([x, y], 1) / length.clamp(min=1e-6)[:, None]
        share = (length * self.grid.cell_px / max(self.grid.size_px)).clamp(min=1e-6).log()
        away = (share[:, None] - torch.tensor(TURNS).log().to(share)) / _SPREAD
        return unit, torch.softmax(-(away**2) / 2, 1)


class _Windows(torch.autograd.Function):
    """Windows of tables. Its own backward, since that of `unfold` fills all possible windows with zeros."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, cell: Tensor, rows: int, columns: int) -> Tensor:
        ctx.save_for_backward(cell)
        ctx.size = (rows, columns, table.shape[1])
        windows = table.unflatten(1, (2 * rows - 1, 2 * columns - 1)).unfold(1, rows, 1).unfold(2, columns, 1)
        return windows[:, rows - 1 - cell // columns, columns - 1 - cell % columns].flatten(-2)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        (cell,) = ctx.saved_tensors
        rows, columns, count = ctx.size
        every = torch.arange(rows * columns, device=cell.device)
        down = every // columns - (cell // columns)[:, None] + rows - 1
        across = every % columns - (cell % columns)[:, None] + columns - 1
        place = (down * (2 * columns - 1) + across).flatten().expand(len(grad), -1)
        return grad.new_zeros(len(grad), count).scatter_add_(1, place, grad.flatten(1)), None, None, None
