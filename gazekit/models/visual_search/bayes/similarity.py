"""How much each cell looks like what is searched for."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from gazekit.foveation import Grid
from gazekit.scene import SceneBatch

__all__ = ["BoxSimilarity", "SimilarityMap", "memory_of"]

LOWEST, HIGHEST = -0.5, 0.5


class SimilarityMap(Protocol):
    """Anything that compares the cells of pictures with the objects that are looked for, such as a network's map."""

    def __call__(self, scenes: SceneBatch, grid: Grid) -> Tensor:
        """[B, M, C] similarities in [-0.5, 0.5] of every cell with each of M memorised objects, the target first."""


class BoxSimilarity:
    """Similarity from boxes and categories, where there are no pictures.

    The target's box is as similar as can be, 0.5, to itself; boxes of the category that is looked for are `same`, all
    others `other`, and the background is -0.5. With the distance d of a cell's centre from a box,
    s(c) = max over boxes of (level + 0.5) exp(-d^2 / 2 cell^2) - 0.5: softened at the edges, since an eye does not land
    exactly.

    Args:
        same, other: levels in [-0.5, 0.5].
    Raises:
        ValueError: a level outside.
    """

    def __init__(self, same: float = 0.25, other: float = 0.0) -> None:
        for name, level in (("same", same), ("other", other)):
            if not LOWEST <= level <= HIGHEST:
                raise ValueError(f"similarity {name} must be in [-0.5, 0.5], got {level}")
        self.same, self.other = same, other

    def __call__(self, scenes: SceneBatch, grid: Grid) -> Tensor:
        wanted = memory_of(scenes)  # [B, M]
        alike = (scenes.category[:, None] == wanted[..., None]) & (wanted > 0)[..., None]
        level = torch.where(alike, self.same, self.other)
        n = torch.arange(scenes.boxes_px.shape[1], device=wanted.device)
        itself = n == scenes.target[:, None]
        level[:, 0] = torch.where(itself, HIGHEST, level[:, 0])
        level = (level - LOWEST) * scenes.object_mask[:, None]  # [B, M, N]
        near = torch.exp(-((grid.distance_px(scenes.boxes_px) / grid.cell_px) ** 2) / 2)  # [B, N, C]
        held = near.new_zeros(*level.shape[:2], len(grid))
        for k in range(near.shape[1]):  # one object at a time, so that no map of all pairs is made
            torch.maximum(held, level[:, :, k, None] * near[:, None, k], out=held)
        return held + LOWEST


def memory_of(scenes: SceneBatch) -> Tensor:
    """[B, M] categories that are looked for, the target's first: 0 = unknown, -1 = padding.

    Where the data name no memorised objects, it is the target alone.
    """
    if scenes.memory is not None:
        return scenes.memory
    if not scenes.category.shape[1]:
        return torch.zeros_like(scenes.target)[:, None]
    category = scenes.category.gather(1, scenes.target.clamp(min=0)[:, None])
    return category.masked_fill(scenes.target[:, None] < 0, 0)
