"""How far predictions of responses could go: the noise of a voxel from its repeats, where some may be missing."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gazekit.metrics.functional.moments import block_moments, correlation, merge_moments
from gazekit.metrics.functional.noise_ceiling import ceiling_of, variances_of

__all__ = [
    "SubjectCeiling",
    "explained_by_signal",
    "leave_one_subject_out",
    "noise_ceiling_of",
    "repeat_blocks",
    "split_half_ceiling",
]

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


def split_half_ceiling(repeats: Tensor, splits: int = 100, seed: int = 0) -> Tensor:
    """[V] the highest squared correlation with averaged responses, from halves of the repeats that agree.

    For each split, the presentations of every picture are dealt at random to two halves of floor(k / 2); r is the mean
    over splits of the correlation over pictures of the halves' means. Spearman's and Brown's formula, r' = f r /
    (1 + (f - 1) r), gives the reliability of the mean of all, f = mean of k / mean of floor(k / 2).

    Source: Spearman 1910 and Brown 1910 (British Journal of Psychology 3, 271 and 296). Deviation: the formula comes
    after the mean over splits, not before; where k differs between pictures f is that of the means.

    Args:
        repeats: [R, n, V] single presentations, NaN where a voxel has none. Pictures shown once are left out.
        splits: number of random splits.
        seed: of the splits, the same for all voxels.
    Returns:
        float64 from 0 (also where halves disagree) to 1, to be compared with r^2 and with `noise_ceiling_of`; NaN for a
        voxel with fewer than two repeated pictures, or constant.
    Raises:
        ValueError: another shape, splits below 1.
    """
    if splits < 1:
        raise ValueError(f"splits must be at least 1, got {splits}")
    pictures = _pictures(repeats)
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.rand(len(repeats), pictures, generator=generator).argsort(0) for _ in range(splits)]
    return torch.cat([_split_half(part.double(), orders) for part in repeats.split(_VOXELS, 2)])


def _split_half(repeats: Tensor, orders: list[Tensor]) -> Tensor:
    present = ~repeats.isnan()
    half = present.sum(0) // 2  # [n, V]
    values = repeats.nan_to_num(0.0)
    alone = torch.zeros(repeats.shape[1], dtype=torch.long)
    total = torch.zeros(repeats.shape[2], dtype=torch.float64)
    for order in orders:
        place = order[..., None].expand_as(values)
        there = present.gather(0, place)
        rank = there.cumsum(0)
        sides = [there & (rank <= half), there & (rank > half) & (rank <= 2 * half)]
        means = [torch.where(side, values.gather(0, place), 0.0).sum(0) / half.clamp(min=1) for side in sides]
        total += correlation(block_moments(alone, 1, half > 0, *means)[:, 0])
    r = (total / len(orders)).clamp(min=0)
    factor = (present.sum(0) * (half > 0)).sum(0) / half.sum(0)
    return factor * r / (1 + (factor - 1) * r)


class SubjectCeiling(NamedTuple):
    """How well subjects' responses are predicted by those of the group, correlations [V]; means over subjects."""

    lower: Tensor
    upper: Tensor


def leave_one_subject_out(response: Tensor) -> SubjectCeiling:
    """Noise ceiling of voxels that subjects share (a common space, one region's mean), without repeats.

        lower = mean over subjects of r(subject, mean of the other subjects)
        upper = mean over subjects of r(subject, mean of all subjects)

    `functional.rsa_ceiling` is the same for dissimilarities (Nili et al. 2014, PLoS Computational Biology 10).

    Args:
        response: [S, n, V] of S subjects to n pictures, NaN = none. A picture counts for a subject where that subject
            and at least one other have a response.
    Returns:
        float64; NaN for fewer than two subjects or where a subject's r is undefined (constant, one picture).
    Raises:
        ValueError: another shape.
    """
    if response.dim() != 3:
        raise ValueError(f"response must have shape [S, n, V], got {list(response.shape)}")
    response = response.double()
    present = ~response.isnan()
    known = response.nan_to_num(0.0)
    count, everyone = present.sum(0), known.sum(0)
    alone = torch.zeros(response.shape[1], dtype=torch.long)
    lower, upper = [], []
    for own, there in zip(known, present, strict=True):
        others = (everyone - own) / (count - 1).clamp(min=1)
        both = there & (count > 1)
        for found, group in ((lower, others), (upper, everyone / count.clamp(min=1))):
            found.append(correlation(block_moments(alone, 1, both, own, group)[:, 0]))
    if len(response) < 2:
        nothing = torch.full((response.shape[2],), torch.nan, dtype=torch.float64)
        return SubjectCeiling(nothing, nothing)
    return SubjectCeiling(torch.stack(lower).mean(0), torch.stack(upper).mean(0))


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
