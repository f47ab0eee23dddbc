"""The search: look at the place where the target is most likely, and if it is not there, never again.

Source: Gupta et al. 2021 and Zhang et al. 2018 (Nature Communications, IVSN). Recognition is an oracle: the target is
found as soon as it is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Found", "Priority", "rt_ms", "search_cells", "search_pictures"]

ORACLE_PX = 10
"""Side of the square around a fixation in which a pixel of the target's cell is recognised."""
RT_MS = (252.359, 376.271)
"""Slope and intercept of reaction time on the number of saccades (Gupta et al., released code)."""

Priority = Callable[[Tensor, Tensor, tuple[Tensor, Tensor]], Tensor]
"""Rows [R], their fixations [R, 2] in pixels, and rows with the boxes [R, 4] that were painted over since the last
call, to maps [R, H, W]."""


@dataclass(frozen=True)
class Found:
    """What became of B searches.

    Attributes:
        saccades: [B] saccades up to and including the one that found the target; `not_found` where none did; NaN where
            there was no target to be found.
        found: [B] bool.
        xy_px: [B, T, 2] fixations, the first one given; NaN after the last.
        cells: [B, T - 1] cells that were looked at in order, -1 after the last; None without cells.
    """

    saccades: Tensor
    found: Tensor
    xy_px: Tensor
    cells: Tensor | None


def rt_ms(saccades: Tensor) -> Tensor:
    """Reaction time in ms: 252.359 n + 376.271."""
    return RT_MS[0] * saccades + RT_MS[1]


def search_cells(
    priority: Priority,
    size_px: tuple[int, int],
    cell_boxes_px: Tensor,
    target_cell: Tensor,
    not_found: Tensor,
    budget: int | None = None,
) -> Found:
    """Search displays on a grid. A cell that was looked at is out of bounds, and its item is painted over.

    Deviation: a search ends when all cells were looked at; the budget of the source, cells + 1, is never used up.

    Args:
        priority: of the pixels, which is told what was painted over.
        size_px: (height, width).
        cell_boxes_px: [B, K, 4] integers.
        target_cell: [B], -1 = absent.
        not_found: [B] saccades that are noted where the budget was used up.
        budget: saccades; None is K.
    """
    many, cells = cell_boxes_px.shape[:2]
    cell_of = _cell_of_pixel(cell_boxes_px, size_px).flatten(1)
    visited = torch.zeros(many, cells + 1, dtype=torch.bool)
    visited[:, cells] = True
    centre = torch.tensor([size_px[1] / 2, size_px[0] / 2])
    xy, looked = [centre.expand(many, 2)], []
    steps = torch.full((many,), torch.nan)
    rows = torch.arange(many)
    erased = rows[:0], cell_boxes_px[:0, 0]
    for step in range(1, min(cells, budget or cells) + 1):
        if not len(rows):
            break
        value = priority(rows, xy[-1][rows], erased)
        allowed = ~visited[rows].gather(1, cell_of[rows])
        best = value.flatten(1).masked_fill(~allowed, -torch.inf).argmax(1)
        point = torch.stack([best % size_px[1], best // size_px[1]], 1) + 0.5
        cell = cell_of[rows].gather(1, best[:, None])[:, 0]
        xy.append(torch.full((many, 2), torch.nan).index_copy(0, rows, point))
        looked.append(torch.full((many,), -1).index_copy(0, rows, cell))
        visited[rows, cell] = True
        target = cell_boxes_px[rows, target_cell[rows].clamp_min(0)]
        hit = _near(point, target) & (target_cell[rows] >= 0)
        steps[rows[hit]] = float(step)
        rows = rows[~hit]
        erased = (rows, cell_boxes_px[rows, cell[~hit]])
    found = steps.isfinite()
    steps = torch.where(~found & (target_cell >= 0), not_found.to(steps), steps)
    none = torch.zeros(many, 0, dtype=torch.long)
    return Found(steps, found, torch.stack(xy, 1), torch.stack(looked, 1) if looked else none)


def search_pictures(
    priority: Priority,
    size_px: tuple[int, int],
    target_box_px: Tensor,
    budget: int,
    ior_px: float,
    shape: str = "square",
) -> Found:
    """Search natural pictures. What lies within `ior_px` of a fixation is out of bounds afterwards; nothing is erased.

    The target is recognised from where a pixel of it lies in the square of side `ior_px` around the fixation, at the
    start as well (0 saccades).

    Args:
        target_box_px: [B, 4]; NaN = absent.
        budget: saccades.
        ior_px: side of the square, or diameter of the disc.
        shape: "square" (as in the source) or "disc".
    """
    many = len(target_box_px)
    height, width = size_px
    column, row = torch.arange(width) + 0.5, torch.arange(height) + 0.5
    free = torch.ones(many, height, width, dtype=torch.bool)
    xy = [torch.tensor([width / 2, height / 2]).expand(many, 2)]
    steps = torch.full((many,), torch.nan)
    rows = torch.arange(many)
    nothing = rows[:0], torch.zeros(0, 4, dtype=torch.long)
    for step in range(budget + 1):
        point = xy[-1][rows]
        hit = _near(point, target_box_px[rows], ior_px)
        steps[rows[hit]] = float(step)
        rows, point = rows[~hit], point[~hit]
        if not len(rows) or step == budget:
            break
        dx, dy = (column - point[:, :1]).abs()[:, None], (row - point[:, 1:]).abs()[..., None]
        within = (
            dx.square() + dy.square() <= (ior_px / 2) ** 2
            if shape == "disc"
            else torch.maximum(dx, dy) <= ior_px / 2
        )
        free[rows] &= ~within
        open_ = free[rows].flatten(1)
        best = priority(rows, point, nothing).flatten(1).masked_fill(~open_, -torch.inf).argmax(1)
        following = torch.stack([best % width, best // width], 1) + 0.5
        following[~open_.any(1)] = torch.nan  # nothing is left to look at
        xy.append(torch.full((many, 2), torch.nan).index_copy(0, rows, following))
        rows = rows[open_.any(1)]
    found = steps.isfinite()
    absent = target_box_px.isnan().any(1)
    steps = torch.where(~found & ~absent, float(budget), steps)
    return Found(steps, found, torch.stack(xy, 1), None)


def _near(point: Tensor, box: Tensor, side_px: float = ORACLE_PX) -> Tensor:
    """[R] whether a point lies in a box, half-open, that is wider by half the square's side; never in a box of NaN."""
    low, high = box[:, :2].to(point), box[:, 2:].to(point)
    return ((point + side_px / 2 >= low) & (point - side_px / 2 < high)).all(1)


def _cell_of_pixel(cell_boxes_px: Tensor, size_px: tuple[int, int]) -> Tensor:
    """[B, H, W] number of the cell that a pixel is in, K outside all cells."""
    many, cells = cell_boxes_px.shape[:2]
    different, which = cell_boxes_px.flatten(1).unique(dim=0, return_inverse=True)
    found = torch.full((len(different), *size_px), cells)
    for layout, own in zip(found, different.unflatten(1, (cells, 4)).tolist(), strict=True):
        for k, (x0, y0, x1, y1) in enumerate(own):
            layout[y0:y1, x0:x1] = k
    return found[which] if len(different) > 1 else found.expand(many, -1, -1)
