"""Distances between the fixations of two scanpaths as sets of points, whatever their order."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics.functional.pairs import over_pairs
from gazekit.scanpath import Scanpaths, ScanpathsLike

__all__ = ["hausdorff_px"]


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


def _hausdorff(a: Scanpaths, b: Scanpaths) -> Tensor:
    if not a.mask.shape[1] or not b.mask.shape[1]:
        return a.xy_px.new_full((len(a),), torch.nan)
    to_b, to_a = _nearest_px(a, b)
    worst = [torch.where(p.mask, d, 0).amax(1) for p, d in ((a, to_b), (b, to_a))]
    return torch.where((a.lengths > 0) & (b.lengths > 0), torch.maximum(*worst), torch.nan)


def _nearest_px(a: Scanpaths, b: Scanpaths) -> tuple[Tensor, Tensor]:
    """[P, T] from each fixation of a to the nearest of b, and [P, T'] back; any value behind the end."""
    distance = torch.cdist(a.xy_px, b.xy_px, compute_mode="donot_use_mm_for_euclid_dist")
    valid = a.mask[:, :, None] & b.mask[:, None]
    distance = torch.where(valid, distance, torch.inf)
    return distance.amin(2), distance.amin(1)
