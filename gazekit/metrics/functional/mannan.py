"""Mannan's distance of two sets of fixations, and its similarity, which is 0 for random fixations."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike
from gazekit.metrics.functional.labels import frame_size
from gazekit.metrics.functional.pairs import over_pairs, whole_number
from gazekit.metrics.functional.point_sets import nearest_px
from gazekit.scanpath import Scanpaths, ScanpathsLike

__all__ = ["mannan_similarity", "mannan_squared_distance"]

_CELLS = 2**15  # of tables of random fixations held at once: 256 KiB, which stay in the cache


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

    D_r is the mean D (not the root of the mean D^2) of `n_random` pairs of scanpaths of the same n and m, all
    fixations uniform and independent in a frame of the same shape, so that the index is 0 on average for random
    scanpaths. Each random pair is the first n and the first m fixations of two long scanpaths that `seed` draws.
    So D_r depends on n, m, H / W, `n_random` and `seed` alone, and a pair has the same index in every batch. It
    is computed once for every H / W, for all lengths together.

    Source: Mannan, Ruddock and Wooding 1995 (Spatial Vision 9, 363).
    Deviations: the random baseline is seeded. Some code puts the first random fixation at the centre, or takes
    the ratio of D^2.

    Args:
        a: as in `mannan_squared_distance`, as are `b`, `size_px` and `chunk`.
        n_random: pairs of random scanpaths, computed a few at a time whatever `chunk` says.
        seed: of their fixations.
    Returns:
        [...] up to 100 (equal sets), 0 for random scanpaths, negative for pairs further apart than these; NaN
        if either scanpath is empty. Differentiable; equal sets, where D has a kink, get the gradient 0.
    Raises:
        TypeError, ValueError: as `mannan_squared_distance`; n_random not a whole number from 1, seed not one.

    Example:
        >>> mannan_similarity([[10, 10], [200, 300]], [[20, 30], [180, 310]], size_px=(300, 400)) > 50
        tensor(True)
    """
    n_random, seed = whole_number("n_random", n_random, least=1), whole_number("seed", seed)
    a, b, size = Scanpaths.of(a, "a"), Scanpaths.of(b, "b"), frame_size(size_px)
    squared = mannan_squared_distance(a, b, size, chunk)
    apart = squared != 0
    distance = torch.where(apart, torch.where(apart, squared, 1).sqrt(), 0)  # the root has no gradient at 0
    n, m = (side.lengths.expand(distance.shape).cpu() for side in (a, b))
    shape = (size[..., 1] / size[..., 0]).cpu()  # D doesn't depend on the scale
    random = torch.full(distance.shape, torch.nan, dtype=torch.float64)
    for height in shape.unique().tolist():
        here = (shape == height).expand(distance.shape) & (n > 0) & (m > 0)
        if here.any():
            means = _random_distances(int(n[here].max()), int(m[here].max()), height, n_random, seed)
            random[here] = means[n[here] - 1, m[here] - 1]
    return 100 * (1 - distance / random.to(distance))


def _random_distances(n: int, m: int, height: float, n_random: int, seed: int) -> Tensor:
    """[n, m] mean D of random scanpaths of 1 to n and of 1 to m fixations in a picture of width 1.

    Minima and sums over the beginnings of two long scanpaths give the D of all their beginnings.
    """
    draw = torch.Generator().manual_seed(seed)
    # one fixation after the other, so that shorter scanpaths are beginnings of the longer ones
    rows = [torch.rand(n_random, 2, 2, generator=draw, dtype=torch.float64) for _ in range(max(n, m))]
    a, b = (torch.stack(rows, 2) * torch.tensor([1, height], dtype=torch.float64)).unbind(1)
    i, j = (torch.arange(1, steps + 1, dtype=torch.float64) for steps in (n, m))
    total = torch.zeros(n, m, dtype=torch.float64)
    pairs = max(1, _CELLS // (n * m))
    for x, y in zip(a[:, :n].split(pairs), b[:, :m].split(pairs), strict=True):
        squared = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist") ** 2
        to_b = squared.cummin(2).values.cumsum(1) / i[:, None]
        to_a = squared.cummin(1).values.cumsum(2) / j
        total += (to_b + to_a).sqrt().sum(0)
    return total / n_random / (2 * (1 + height**2)) ** 0.5


def _squared_distance(a: Scanpaths, b: Scanpaths, size_px: Tensor) -> Tensor:
    if not a.mask.shape[1] or not b.mask.shape[1]:
        return a.xy_px.new_full((len(a),), torch.nan)
    to_b, to_a = nearest_px(a, b)
    means = [torch.where(p.mask, d**2, 0).sum(1) / p.lengths for p, d in ((a, to_b), (b, to_a))]
    share = (means[0] + means[1]) / (2 * (size_px.to(means[0]) ** 2).sum(1))
    return torch.where((a.lengths > 0) & (b.lengths > 0), share, torch.nan)
