"""Mannan's distance of two sets of fixations, and its similarity, which is 0 for random fixations."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike
from gazekit.metrics.functional.labels import frame_size
from gazekit.metrics.functional.pairs import over_pairs
from gazekit.metrics.functional.point_sets import nearest_px
from gazekit.scanpath import Scanpaths, ScanpathsLike

__all__ = ["mannan_similarity", "mannan_squared_distance"]


def mannan_squared_distance(
    a: ScanpathsLike,
    b: ScanpathsLike,
    size_px: ArrayLike | tuple[float, float],
    chunk: int | None = None,
) -> Tensor:
    """D^2 of Mannan et al.: mean squared distance to the nearest fixation, relative to the picture.

        D^2 = [ m sum_i min_j |a_i - b_j|^2 + n sum_j min_i |a_i - b_j|^2 ] / [ 2 n m (W^2 + H^2) ]

    that is, the mean of both directions' mean squares over the squared diagonal. Order plays no part.

    Source: Mannan, Ruddock and Wooding 1995 (Spatial Vision 9, 363).
    Deviation: none; a port in use swaps the weights n and m, which differs where lengths differ.

    Args:
        a: [..., T] scanpaths in any form that `Scanpaths.of` takes, n fixations; `b` likewise, m fixations.
            Leading dimensions broadcast.
        size_px: (width, height) of the picture, one for all or [..., 2], broadcasting with the scanpaths.
        chunk: pairs computed at once; by default as many as keep the working memory below 64 MiB.
    Returns:
        [...] 0 for equal sets, at most 1 within the frame; NaN if either scanpath is empty.
    Raises:
        TypeError, ValueError: as `Scanpaths.of`; a size that is not two positive numbers; leading dimensions
            that don't broadcast; chunk below 1.

    Example:
        >>> mannan_squared_distance([[0, 0], [30, 40]], [[0, 0]], size_px=(300, 400))
        tensor(0.0025, dtype=torch.float64)
    """
    return over_pairs(_squared_distance, a, b, frame_size(size_px), chunk=chunk)


def mannan_similarity(
    a: ScanpathsLike,
    b: ScanpathsLike,
    size_px: ArrayLike | tuple[float, float],
    n_random: int = 1000,
    seed: int = 0,
    chunk: int | None = None,
) -> Tensor:
    """Mannan's index of similarity: how much nearer than random two sets of fixations are.

        100 (1 - D / D_r)

    D_r is the mean D of `n_random` pairs of scanpaths of the same lengths, uniform in the same frame. So the
    index is 0 on average for random scanpaths, and the same for a pair wherever it stands in a batch.

    Source: Mannan, Ruddock and Wooding 1995 (Spatial Vision 9, 363).
    Deviations: the random baseline is seeded. Some code puts the first random fixation at the centre, or takes
    the ratio of D^2.

    Args:
        a: as in `mannan_squared_distance`, as are `b`, `size_px` and `chunk`.
        n_random: pairs of random scanpaths for each pair of lengths and shape of frame.
        seed: of their fixations.
    Returns:
        [...] up to 100 (equal sets), 0 for random scanpaths, negative for pairs further apart than these; NaN
        if either scanpath is empty. Differentiable; equal sets, where D has a kink, get the gradient 0.
    Raises:
        TypeError, ValueError: as `mannan_squared_distance`; n_random below 1.

    Example:
        >>> mannan_similarity([[10, 10], [200, 300]], [[20, 30], [180, 310]], size_px=(300, 400)) > 50
        tensor(True)
    """
    if n_random < 1:
        raise ValueError(f"n_random must be at least 1, got {n_random}")
    a, b, size = Scanpaths.of(a, "a"), Scanpaths.of(b, "b"), frame_size(size_px)
    squared = mannan_squared_distance(a, b, size, chunk)
    apart = squared != 0
    distance = torch.where(apart, torch.where(apart, squared, 1).sqrt(), 0)  # the root has no gradient at 0
    lengths = (side.lengths.expand(distance.shape).cpu() for side in (a, b))
    height = (size[..., 1] / size[..., 0]).expand(distance.shape).cpu()  # D doesn't depend on the scale
    kinds, which = torch.stack([*lengths, height], -1).reshape(-1, 3).unique(dim=0, return_inverse=True)
    random = _random_distance(kinds, n_random, seed, chunk).to(distance)
    return 100 * (1 - distance / random[which.to(distance.device)].reshape(distance.shape))


def _random_distance(kinds: Tensor, n_random: int, seed: int, chunk: int | None) -> Tensor:
    """[U] mean D of random pairs, for each (n, m, height / width) of `kinds` [U, 3]."""
    draw = torch.Generator().manual_seed(seed)
    steps = int(kinds[:, :2].max()) if len(kinds) else 0
    # one fixation after the other, so that shorter scanpaths are beginnings of the longer ones
    rows = [torch.rand(n_random, 2, 2, generator=draw, dtype=torch.float64) for _ in range(steps)]
    xy = torch.stack(rows, 2) if rows else torch.zeros(n_random, 2, 0, 2, dtype=torch.float64)
    size = torch.stack([torch.ones_like(kinds[:, 2]), kinds[:, 2]], -1)
    means = []
    for (n, m, _), frame in zip(kinds.tolist(), size, strict=True):
        a, b = xy[:, 0, : int(n)] * frame, xy[:, 1, : int(m)] * frame
        means.append(mannan_squared_distance(a, b, frame, chunk).sqrt().mean())
    return torch.stack(means) if means else kinds.new_zeros(0)


def _squared_distance(a: Scanpaths, b: Scanpaths, size_px: Tensor) -> Tensor:
    if not a.mask.shape[1] or not b.mask.shape[1]:
        return a.xy_px.new_full((len(a),), torch.nan)
    to_b, to_a = nearest_px(a, b)
    means = [torch.where(p.mask, d**2, 0).sum(1) / p.lengths for p, d in ((a, to_b), (b, to_a))]
    share = (means[0] + means[1]) / (2 * (size_px.to(means[0]) ** 2).sum(1))
    return torch.where((a.lengths > 0) & (b.lengths > 0), share, torch.nan)
