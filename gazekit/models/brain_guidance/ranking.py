"""Natural pictures in the order of a score."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Ranked", "rank_pictures"]


class Ranked(NamedTuple):
    """order: [n] numbers of the pictures, the best first, undefined scores (NaN) last. score: [n] in that order."""

    order: Tensor
    score: Tensor


@torch.no_grad()
def rank_pictures(score_fn: Callable[[Tensor], Tensor], pictures: Tensor, batch_size: int = 16) -> Ranked:
    """Pictures by score.

    Args:
        score_fn: RGB pictures [b, 3, H, W] in [0, 1] to scores [b].
        pictures: uint8 RGB [n, H, W, 3].
        batch_size: pictures at once.
    Raises:
        TypeError: not uint8. ValueError: another shape.
    """
    if pictures.dtype != torch.uint8:
        raise TypeError(f"pictures must be uint8, got {str(pictures.dtype).removeprefix('torch.')}")
    if pictures.dim() != 4 or pictures.shape[-1] != 3:
        raise ValueError(f"pictures must be [n, H, W, 3], got {list(pictures.shape)}")
    parts = pictures.split(batch_size)
    score = torch.cat([score_fn(part.permute(0, 3, 1, 2).float() / 255) for part in parts])
    order = torch.where(score.isnan(), -torch.inf, score).argsort(descending=True, stable=True)
    return Ranked(order, score[order])
