"""Cross-recurrence: which fixations of two scanpaths fall on the same places, and with what pattern."""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, values
from gazekit.metrics.functional.pairs import over_pairs
from gazekit.scanpath import Scanpaths, ScanpathsLike

__all__ = ["RECURRENCE_PARTS", "cross_recurrence"]

RECURRENCE_PARTS = ("recurrence", "determinism", "laminarity", "centre_of_recurrence")


def cross_recurrence(
    a: ScanpathsLike,
    b: ScanpathsLike,
    radius_px: float | ArrayLike,
    min_run: int = 2,
    variant: Literal["runs", "linesum"] = "runs",
    chunk: int | None = None,
) -> Tensor:
    """Cross-recurrence quantification of two scanpaths, both cut to N = min(n, m) fixations.

    With c_ij = 1 where |a_i - b_j| <= radius, C their sum and runs = points that stand in an unbroken line of
    `min_run` or more:

        recurrence            100 C / N^2
        determinism           100 (points in diagonal runs) / C: the same places in the same order
        laminarity            100 (points in horizontal runs + points in vertical runs) / (2 C): one dwells, where
                              the other passes
        centre_of_recurrence  100 sum (j - i) c_ij / ((N - 1) C): above 0, b comes to the places later than a

    Source: Anderson et al. 2015 (Behavior Research Methods 47, 1377).
    Deviation: none. `variant="linesum"` is FixaTons' rule, in which all points of a diagonal, row or column count
    as soon as there are `min_run` of them in it, side by side or not.

    Args:
        a: [..., T] scanpaths in any form that `Scanpaths.of` takes; `b` likewise. Leading dimensions broadcast.
        radius_px: how far two fixations on the same place may be apart: one for all, or [...] broadcasting with
            the scanpaths (2 degrees of visual angle are another number of pixels on every screen). All values
            depend on it: report it.
        min_run: points in the shortest run that counts.
        variant: "runs" or "linesum".
        chunk: pairs computed at once; by default as many as keep the working memory below 64 MiB.
    Returns:
        [..., 4] percent, in the order of `RECURRENCE_PARTS`; all NaN if either scanpath is empty, the last three
        NaN without any recurrence, the last one for N = 1.
    Raises:
        TypeError, ValueError: as `Scanpaths.of`; a radius that is not finite or below 0; leading dimensions that
            don't broadcast; min_run or chunk below 1; another variant.

    Example:
        >>> a, b = [[0, 0], [100, 0], [200, 0]], [[210, 0], [10, 0], [90, 0]]
        >>> cross_recurrence(a, b, radius_px=20)
        tensor([33.3333, 66.6667,  0.0000,  0.0000], dtype=torch.float64)
    """
    radius = values("radius_px", radius_px)
    if not (radius.isfinite() & (radius >= 0)).all():
        raise ValueError(f"radius_px must be finite and at least 0, got {radius_px}")
    if int(min_run) != min_run or min_run < 1:
        raise ValueError(f"min_run must be a whole number of at least 1, got {min_run}")
    if variant not in ("runs", "linesum"):
        raise ValueError(f"variant must be runs or linesum, got {variant!r}")
    score = partial(_quantify, min_run=int(min_run), variant=variant)
    return over_pairs(score, a, b, radius[..., None], chunk=chunk)


def _quantify(a: Scanpaths, b: Scanpaths, radius_px: Tensor, min_run: int, variant: str) -> Tensor:
    size = torch.minimum(a.lengths, b.lengths)  # N
    steps = min(a.mask.shape[1], b.mask.shape[1])
    inside = torch.arange(steps, device=size.device) < size[:, None]
    xy = (path.xy_px[:, :steps] for path in (a, b))
    distance = torch.cdist(*xy, compute_mode="donot_use_mm_for_euclid_dist")
    near = (distance <= radius_px.to(distance)[:, :, None]) & inside[:, :, None] & inside[:, None]
    counted = _points_in_runs if variant == "runs" else _points_in_full_lines
    step = torch.arange(steps, device=size.device)
    counts = [
        near.sum((1, 2)),
        *(counted(near, *way, min_run) for way in ((1, 1), (0, 1), (1, 0))),
        ((step - step[:, None]) * near).sum((1, 2)),
    ]
    points, diagonal, horizontal, vertical, lag = (count.to(distance) for count in counts)
    parts = [points / size**2, diagonal / points, (horizontal + vertical) / (2 * points)]
    parts.append(lag / ((size - 1) * points))  # 0 / 0 for N = 1 and wherever nothing recurs
    return 100 * torch.stack(parts, -1)


def _points_in_runs(near: Tensor, down: int, right: int, min_run: int) -> Tensor:
    """[P] points in unbroken lines of min_run points or more, in the direction (down, right), of near [P, N, N]."""
    steps = near.shape[1]
    if min_run > steps:
        return near.new_zeros(len(near), dtype=torch.long)
    rows, columns = steps - down * (min_run - 1), steps - right * (min_run - 1)
    parts = [
        (slice(None), slice(down * t, down * t + rows), slice(right * t, right * t + columns))
        for t in range(min_run)
    ]
    begins = torch.stack([near[part] for part in parts]).all(0)  # of min_run points in a line
    inside = torch.zeros_like(near)
    for part in parts:
        inside[part] |= begins
    return inside.sum((1, 2))


def _points_in_full_lines(near: Tensor, down: int, right: int, min_run: int) -> Tensor:
    """[P] points in lines that hold min_run points or more anywhere."""
    steps = near.shape[1]
    if down and right:  # (i, j) to column N - 1 + j - i of as many as there are diagonals
        step = torch.arange(steps, device=near.device)
        line = (steps - 1 + step - step[:, None]).flatten()
        sums = torch.zeros(len(near), max(0, 2 * steps - 1), dtype=torch.long, device=near.device)
        sums = sums.index_add(1, line, near.flatten(1).long())
    else:
        sums = near.sum(2 if right else 1)
    return torch.where(sums >= min_run, sums, 0).sum(1)
