"""Distances of scanpaths as curves: fixations are matched in order, each as often as it takes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gazekit.kernels.alignment import bottleneck_cost, warping_cost
from gazekit.metrics.functional.pairs import over_pairs
from gazekit.scanpath import Scanpaths, ScanpathsLike

__all__ = ["dtw_px", "frechet_px"]


def dtw_px(a: ScanpathsLike, b: ScanpathsLike, chunk: int | None = None) -> Tensor:
    """Dynamic time warping: the least sum of distances over all ways to match the fixations in order.

        min over warps of sum over (i, j) of |a_i - b_j|

    A warp goes from the first fixations of both scanpaths to the last ones; every step goes one on in a, in b or
    in both. Exact, without window and without division by the number of steps, so long scanpaths lie
    further apart than short ones.

    Source: Sakoe and Chiba 1978 (IEEE TASSP 26, 43), without slope weights. Published scanpath code often runs
    an approximation (FastDTW), which gives larger values.

    Args:
        a: [..., T] scanpaths in any form that `Scanpaths.of` takes; `b` likewise. Leading dimensions broadcast.
        chunk: pairs computed at once; by default as many as keep the working memory below 64 MiB.
    Returns:
        [...] pixels, summed over the warp; 0 for equal scanpaths; NaN if either is empty. Differentiable.
    Raises:
        TypeError, ValueError: as `Scanpaths.of`; leading dimensions that don't broadcast; chunk below 1.

    Example:
        >>> dtw_px([[0, 0], [30, 40], [30, 40]], [[0, 0], [30, 30]])
        tensor(20., dtype=torch.float64)
    """
    return over_pairs(_over_distances(warping_cost), a, b, chunk=chunk)


def frechet_px(a: ScanpathsLike, b: ScanpathsLike, chunk: int | None = None) -> Tensor:
    """Discrete Fréchet distance: how far apart the scanpaths are at the worst point of their best matching.

        min over warps of max over (i, j) of |a_i - b_j|

    with warps as in `dtw_px`. Never below the Hausdorff distance, which ignores order.

    Source: Eiter and Mannila 1994 (TU Wien, CD-TR 94/64), where it is called the coupling distance.

    Args:
        a: [..., T] scanpaths in any form that `Scanpaths.of` takes; `b` likewise. Leading dimensions broadcast.
        chunk: pairs computed at once; by default as many as keep the working memory below 64 MiB.
    Returns:
        [...] pixels, 0 for equal scanpaths; NaN if either is empty. Differentiable.
    Raises:
        TypeError, ValueError: as `Scanpaths.of`; leading dimensions that don't broadcast; chunk below 1.

    Example:
        >>> frechet_px([[0, 0], [30, 40], [30, 40]], [[0, 0], [30, 30]])
        tensor(10., dtype=torch.float64)
    """
    return over_pairs(_over_distances(bottleneck_cost), a, b, chunk=chunk)


def _over_distances(least: Callable[..., Tensor]) -> Callable[[Scanpaths, Scanpaths], Tensor]:
    def score(a: Scanpaths, b: Scanpaths) -> Tensor:
        distance = torch.cdist(a.xy_px, b.xy_px, compute_mode="donot_use_mm_for_euclid_dist")
        return least(distance, a.lengths, b.lengths)

    return score
