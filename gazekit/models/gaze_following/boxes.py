"""Head boxes as masks of patches."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["expanded", "mirrored_boxes", "rounded_cells", "touched_patches"]


def touched_patches(head_norm: Tensor, size_px: tuple[int, int], patch_px: int) -> Tensor:
    """The patches that a head touches: the max-pool of its box, drawn in the picture.

    Corners are cut to whole pixels and clipped to the picture; a box is at least one pixel wide and high, so that
    every head has a patch.

    Args:
        head_norm: [P, 4] x_min, y_min, x_max, y_max, fractions of width and height.
        size_px: height and width of the picture as the net sees it.
        patch_px: side of a patch.
    Returns:
        [P, h, w] bool.
    """
    height, width = size_px
    rows = _touched(head_norm[:, 1], head_norm[:, 3], height, patch_px)
    columns = _touched(head_norm[:, 0], head_norm[:, 2], width, patch_px)
    return rows[:, :, None] & columns[:, None, :]


def rounded_cells(head_norm: Tensor, grid: tuple[int, int]) -> Tensor:
    """The cells of a head whose box is rounded to the grid, as Gaze-LLE marks them: [P, h, w] bool.

    A side that rounds to nothing takes the cell that its middle is in, within the picture.
    """
    rows = _rounded(head_norm[:, 1], head_norm[:, 3], grid[0])
    columns = _rounded(head_norm[:, 0], head_norm[:, 2], grid[1])
    return rows[:, :, None] & columns[:, None, :]


def _rounded(start: Tensor, end: Tensor, cells: int) -> Tensor:
    """[P, cells]"""
    first, last = ((edge * cells).round().clamp(0, cells)[:, None] for edge in (start, end))
    middle = ((start + end) / 2 * cells).floor().clamp(0, cells - 1)[:, None]
    index = torch.arange(cells, device=start.device)
    empty = last <= first
    return (first <= index) & (index < last) | empty & (index == middle)


def _touched(start: Tensor, end: Tensor, side_px: int, patch_px: int) -> Tensor:
    """[P, side / patch]"""
    first = (start * side_px).trunc().clamp(0, side_px - 1)[:, None]
    last = (end * side_px).trunc().clamp(0, side_px - 1)[:, None].maximum(first + 1)  # exclusive
    edge = patch_px * torch.arange(side_px // patch_px, device=start.device)
    return (edge < last) & (edge + patch_px > first)


def expanded(head_norm: Tensor, share: float) -> Tensor:
    """Boxes [P, 4] that grow by a share of their width at the left and at the right, of their height above and below,
    and end at the border of the picture; unchanged for a share of 0."""
    if share == 0:
        return head_norm
    size = head_norm[:, 2:] - head_norm[:, :2]
    return torch.cat([head_norm[:, :2] - share * size, head_norm[:, 2:] + share * size], 1).clamp(0, 1)


def mirrored_boxes(head_norm: Tensor) -> Tensor:
    """Boxes [P, 4] in the mirror image of the picture."""
    x_min, y_min, x_max, y_max = head_norm.unbind(1)
    return torch.stack([1 - x_max, y_min, 1 - x_min, y_max], 1)
