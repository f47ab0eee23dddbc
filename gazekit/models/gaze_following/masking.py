"""Blocks of patches that training hides."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["hidden_patches"]

PUBLISHED_PATCHES = 31 * 31
SMALLEST_BLOCK = 16  # patches, of PUBLISHED_PATCHES
ASPECT = 0.3  # of a block at least; 1 / ASPECT at most
TRIES = 4  # for a block that fits


def hidden_patches(grid: tuple[int, int], share: float, generator: torch.Generator) -> Tensor:
    """Rectangles of patches, until a random share of the grid is hidden.

    Sizes and shapes of blocks are those of ViTGaze (and BEiT): areas from 16 of 961 patches, in proportion for other
    grids, aspect ratios from 0.3 to 1 / 0.3, log-uniform. No block fits after four tries: it ends earlier.

    Args:
        grid: rows and columns of patches.
        share: largest share that is hidden.
    Returns:
        [h, w] bool.
    """

    def draw(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    height, width = grid
    hidden = torch.zeros(grid, dtype=torch.bool)
    smallest = min(SMALLEST_BLOCK, max(1, round(SMALLEST_BLOCK * height * width / PUBLISHED_PATCHES)))
    wanted = draw(smallest, max(smallest, share * height * width))
    for left in iter(lambda: wanted - int(hidden.sum()), None):
        if left <= 0 or not any(_hide(hidden, smallest, left, draw) for _ in range(TRIES)):
            return hidden


def _hide(hidden: Tensor, smallest: float, left: float, draw) -> bool:
    """Hide one block of at most `left` new patches; whether it fitted."""
    area, aspect = draw(smallest, left), math.exp(draw(math.log(ASPECT), -math.log(ASPECT)))
    height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
    rows, columns = hidden.shape
    if not (0 < height < rows and 0 < width < columns):
        return False
    top, start = int(draw(0, rows - height + 1)), int(draw(0, columns - width + 1))
    block = hidden[top : top + height, start : start + width]
    if not 0 < int((~block).sum()) <= left:
        return False
    block.fill_(True)
    return True
