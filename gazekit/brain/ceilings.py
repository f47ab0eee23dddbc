"""How far predictions of responses could go: the noise of a voxel from its repeats, where some may be missing."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics.functional.moments import block_moments, merge_moments
from gazekit.metrics.functional.noise_ceiling import ceiling_of, variances_of

__all__ = ["explained_by_signal", "noise_ceiling_of", "repeat_blocks"]

_VOXELS = 2048  # at once


def noise_ceiling_of(repeats: Tensor, n_averaged: int | None = None) -> Tensor:
    """[V] the highest squared correlation with responses that are averaged over their repeats.

    `gazekit.metrics.functional.noise_ceiling`, the definition of the Natural Scenes Dataset, of repeats that each
    voxel has or lacks for itself: subjects see different pictures.

    Args:
        repeats: [R, n, V] single presentations of n pictures, NaN where a voxel has none.
        n_averaged: over how many presentations the responses to be predicted are averaged; None: over all that
            there are of each picture.
    Returns:
        float64 from 0 to 1; NaN for a voxel that is constant, or has fewer than two pictures, or none repeated.
    Raises:
        ValueError: another shape, or n_averaged below 1.
    """
    packed, sums = repeat_blocks(repeats, torch.zeros(_pictures(repeats), dtype=torch.long), 1)
    return ceiling_of(packed[:, 0], sums[:, 0], n_averaged)


def explained_by_signal(packed: Tensor, sums: Tensor) -> Tensor:
    """[V] explainable variance of single presentations, 1 - noise / variance, from `repeat_blocks` [., W, V]."""
    noise, total, _ = variances_of(merge_moments(packed.movedim(1, 0)), sums.sum(1))
    return torch.where(total > 0, 1 - noise / total, torch.nan)


def repeat_blocks(repeats: Tensor, block: Tensor, blocks: int) -> tuple[Tensor, Tensor]:
    """What ceilings follow from, in blocks of pictures that a bootstrap draws.

    Args:
        repeats: [R, n, V] single presentations, NaN where a voxel has none.
        block: [n] the block of each picture, below `blocks` = W.
    Returns:
        [3, W, V] moments of all presentations and [4, W, V] sums over pictures: of the variance over repeats, of
        repeated pictures, of 1 / presentations, of pictures; see `functional.noise_ceiling.repeat_statistics`.
    """
    _pictures(repeats)
    found = [_repeat_blocks(part, block, blocks) for part in repeats.split(_VOXELS, 2)]
    return torch.cat([packed for packed, _ in found], -1), torch.cat([sums for _, sums in found], -1)


def _repeat_blocks(repeats: Tensor, block: Tensor, blocks: int) -> tuple[Tensor, Tensor]:
    shown, pictures = ~repeats.isnan(), repeats.shape[1]
    present, presented = shown.flatten(0, 1), repeats.flatten(0, 1).double()
    packed = block_moments(block.repeat(len(repeats)), blocks, present, presented)
    squares = block_moments(torch.arange(pictures).repeat(len(repeats)), pictures, present, presented)[2]
    times = shown.sum(0)
    variance = squares / (times - 1).clamp(min=1)  # 0 for a picture shown once
    some = (times > 0).double()
    each = torch.stack([variance, (times > 1).double(), some / times.clamp(min=1), some])
    return packed, each.new_zeros(4, blocks, each.shape[-1]).index_add_(1, block, each)


def _pictures(repeats: Tensor) -> int:
    if repeats.dim() != 3:
        raise ValueError(f"repeats must have shape [R, n, V], got {list(repeats.shape)}")
    return repeats.shape[1]
