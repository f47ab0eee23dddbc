"""Distances between the fixations of two scanpaths as points: as sets, whatever their order, or one by one."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics.functional.pairs import over_pairs
from gazekit.scanpath import Scanpaths, ScanpathsLike

__all__ = ["euclidean_px", "eyenalysis_px", "hausdorff_px", "nearest_px"]


def hausdorff_px(a: ScanpathsLike, b: ScanpathsLike, chunk: int | None = None) -> Tensor:
    """Hausdorff distance: how far the most isolated fixation of one scanpath is from the other scanpath.

        max(max_i min_j |a_i - b_j|, max_j min_i |a_i - b_j|)

    Source: Hausdorff 1914; as a distance of scanpaths, Huttenlocher et al. 1993 (IEEE TPAMI 15, 850).

    Args:
        a: [..., T] scanpaths in any form that `Scanpaths.of` takes; `b` likewise. Leading dimensions broadcast.
        chunk: pairs computed at once; by default as many as keep the working memory below 64 MiB.
    Returns:
        [...] pixels, 0 for equal sets; NaN if either scanpath is empty.
    Raises:
        TypeError, ValueError: as `Scanpaths.of`; leading dimensions that don't broadcast; chunk below 1.

    Example:
        >>> hausdorff_px([[0, 0], [30, 40]], [[0, 0]])
        tensor(50., dtype=torch.float64)
    """
    return over_pairs(_hausdorff, a, b, chunk=chunk)


def eyenalysis_px(a: ScanpathsLike, b: ScanpathsLike, chunk: int | None = None) -> Tensor:
    """Eyenalysis: every fixation of either scanpath mapped to the nearest of the other.

        [ sum_i min_j |a_i - b_j| + sum_j min_i |a_i - b_j| ] / max(n, m)

    Divided by the longer length, not by the number of distances: for equal lengths it is twice their mean.

    Source: Mathôt et al. 2012 (J. Eye Movement Research 5, 4), on (x, y) alone.
    Deviation: some code averages the means of both directions, which differs where lengths differ.

    Args:
        a: [..., T] scanpaths in any form that `Scanpaths.of` takes; `b` likewise. Leading dimensions broadcast.
        chunk: pairs computed at once; by default as many as keep the working memory below 64 MiB.
    Returns:
        [...] pixels, 0 for equal sets; NaN if either scanpath is empty.
    Raises:
        TypeError, ValueError: as `Scanpaths.of`; leading dimensions that don't broadcast; chunk below 1.

    Example:
        >>> eyenalysis_px([[0, 0], [30, 40]], [[0, 0]])
        tensor(25., dtype=torch.float64)
    """
    return over_pairs(_eyenalysis, a, b, chunk=chunk)


def euclidean_px(a: ScanpathsLike, b: ScanpathsLike, chunk: int | None = None) -> Tensor:
    """Mean distance between fixations of the same place in the order: first to first, second to second.

    Args:
        a: [..., T] scanpaths in any form that `Scanpaths.of` takes; `b` likewise. Leading dimensions broadcast.
        chunk: pairs computed at once; by default as many as keep the working memory below 64 MiB.
    Returns:
        [...] pixels, 0 for equal scanpaths; NaN if their lengths differ, or if they are empty.
    Raises:
        TypeError, ValueError: as `Scanpaths.of`; leading dimensions that don't broadcast; chunk below 1.

    Example:
        >>> euclidean_px([[0, 0], [30, 40]], [[0, 10], [0, 0]])
        tensor(30., dtype=torch.float64)
    """
    return over_pairs(_euclidean, a, b, chunk=chunk)


def nearest_px(a: Scanpaths, b: Scanpaths) -> tuple[Tensor, Tensor]:
    """[P, T] from each fixation of a to the nearest of b, and [P, T'] back; any value behind the end."""
    distance = torch.cdist(a.xy_px, b.xy_px, compute_mode="donot_use_mm_for_euclid_dist")
    valid = a.mask[:, :, None] & b.mask[:, None]
    distance = torch.where(valid, distance, torch.inf)
    return distance.amin(2), distance.amin(1)


def _hausdorff(a: Scanpaths, b: Scanpaths) -> Tensor:
    if not a.mask.shape[1] or not b.mask.shape[1]:
        return a.xy_px.new_full((len(a),), torch.nan)
    to_b, to_a = nearest_px(a, b)
    worst = [torch.where(p.mask, d, 0).amax(1) for p, d in ((a, to_b), (b, to_a))]
    return torch.where((a.lengths > 0) & (b.lengths > 0), torch.maximum(*worst), torch.nan)


def _eyenalysis(a: Scanpaths, b: Scanpaths) -> Tensor:
    if not a.mask.shape[1] or not b.mask.shape[1]:
        return a.xy_px.new_full((len(a),), torch.nan)
    to_b, to_a = nearest_px(a, b)
    total = sum(torch.where(p.mask, d, 0).sum(1) for p, d in ((a, to_b), (b, to_a)))
    mean = total / torch.maximum(a.lengths, b.lengths)
    return torch.where((a.lengths > 0) & (b.lengths > 0), mean, torch.nan)


def _euclidean(a: Scanpaths, b: Scanpaths) -> Tensor:
    steps = min(a.mask.shape[1], b.mask.shape[1])
    mask = a.mask[:, :steps]
    step = torch.where(mask[..., None], a.xy_px[:, :steps] - b.xy_px[:, :steps], 0)
    total = torch.where(mask, torch.linalg.vector_norm(step, dim=-1), 0).sum(1)
    return torch.where((a.lengths == b.lengths) & (a.lengths > 0), total / a.lengths, torch.nan)
