"""Banded ridge regression: every band of features has a penalty of its own, for every voxel.

Objective, per voxel (Nunez-Elizalde et al. 2019, NeuroImage 197; Dupre la Tour et al. 2022, NeuroImage 264):
|y - sum_k X_k b_k - b0|^2 + sum_k (alpha / gamma_k) |b_k|^2, with gamma on the simplex. Divisions gamma are drawn at
random, the first one is equal. Each is an ordinary ridge regression on X_k sqrt(gamma_k), so that one division serves
all voxels. delta_k = log(gamma_k / alpha), -inf where the band is not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gazekit.brain.complete import (
    band_of,
    best_of,
    check_alphas,
    check_pictures,
    complete_parts,
    set_constants,
)
from gazekit.brain.folds import fold_numbers
from gazekit.brain.ridge_solver import LEAST_PICTURES, RidgeScore, RidgeSolver, check_score
from gazekit.metrics.functional.arguments import ArrayLike, as_tensor, whole_number

__all__ = ["BandedRidge", "banded_ridge_cv", "divisions"]


_LEAST = 1e-12
"""The first distribution draws numbers that float32 takes for 0."""


class BandedRidge(NamedTuple):
    """Fitted weights of V voxels for K bands.

    Args:
        weights: K times [F_k, V].
        intercept: [V].
        deltas: [K, V], log(gamma / alpha) of each band: the larger, the less it is held back; NaN where there is no
            penalty.
        score: [V] mean over folds of the chosen penalties, -MSE or r.
        mean: K times [F_k], of the features, about which `parts` predicts.
    """

    weights: tuple[Tensor, ...]
    intercept: Tensor
    deltas: Tensor
    score: Tensor
    mean: tuple[Tensor, ...]

    @property
    def undefined(self) -> int:
        """Number of voxels without penalties of their own: constant ones, and those with too few responses."""
        return int(self.deltas.isnan().any(0).sum())

    def predict(self, xs: Sequence[ArrayLike]) -> Tensor:
        """Responses [n, V] to features, K times [n, F_k]."""
        x, weight = torch.cat([as_tensor("xs", band) for band in xs], 1), torch.cat(self.weights)
        return torch.addmm(self.intercept, x.to(weight), weight)

    def parts(self, xs: Sequence[ArrayLike]) -> Tensor:
        """What each band adds [K, n, V]; their sum and one constant per voxel are `predict`. See `split_r2`."""
        bands = zip(xs, self.mean, self.weights, strict=True)
        return torch.stack([(as_tensor("x", x).to(weight) - mean) @ weight for x, mean, weight in bands])


def banded_ridge_cv(
    xs: Sequence[ArrayLike],
    y: ArrayLike,
    alphas: Sequence[float] | ArrayLike,
    folds: int | ArrayLike = 5,
    *,
    draws: int | ArrayLike = 20,
    gradient_steps: int = 0,
    score: RidgeScore = "mse",
    seed: int = 0,
    backend: Literal["torch", "himalaya"] = "torch",
    target_chunk: int | None = None,
) -> BandedRidge:
    """Banded ridge regression; each voxel's division and penalty predict left-out pictures best.

    Both back ends search the same divisions and penalties. Time grows with the number of divisions; memory does not:
    that of `ridge_cv`, and a copy of the features.

    Args:
        xs: K bands of features, [n, F_k] each.
        y: [n, V] responses, NaN = missing as for `ridge_cv`; complete for himalaya.
        alphas, folds, score, target_chunk: as for `ridge_cv`.
        draws: number of divisions, or [D, K] the divisions themselves, gamma >= 0.
        gradient_steps: by which each voxel's deltas are then followed downhill (`banded_gradient`); for "mse".
        seed: of the divisions.
        backend: "torch" = ours; "himalaya" = its random search, an extra of the package.
    Returns:
        See `BandedRidge`; constant voxels and voxels with responses in fewer than two folds as for `ridge_cv`.
    Raises:
        ModuleNotFoundError: himalaya is asked for and not installed.
        TypeError, ValueError: as for `ridge_cv`; no band, other shapes of divisions, negative ones or ones of zeros
            only; or, for himalaya, missing responses.
    """
    check_score(score)
    if whole_number("gradient_steps", gradient_steps, 0) and score != "mse":
        raise ValueError(f'gradient_steps needs score="mse", got {score!r}')
    if getattr(xs, "ndim", 3) != 3:
        raise ValueError(f"xs must be a list of bands, each [n, F_k], got one array {list(xs.shape)}")
    if not len(xs):
        raise ValueError("xs must hold one band of features or more, got none")
    xs, y = check_pictures(xs, y)
    alphas, gammas = check_alphas(alphas, y.device), divisions(draws, len(xs), seed).to(y.device)
    fold = fold_numbers(folds, len(y)).to(y.device)
    if backend == "himalaya":
        from gazekit.brain.himalaya_backend import search

        solved = search(xs, y, alphas, gammas, fold, score, target_chunk)
    elif backend == "torch":
        solved = _search(xs, y, alphas, gammas, fold, score, target_chunk)
    else:
        raise ValueError(f"backend must be torch or himalaya, got {backend!r}")
    if gradient_steps:
        from gazekit.brain.banded_gradient import follow_gradient

        follow_gradient(xs, y, fold, solved, gradient_steps)
    sizes, (weight, *others) = [x.shape[1] for x in xs], solved
    return BandedRidge(weight.split(sizes), *others, tuple(x.mean(0) for x in xs))


def divisions(draws: int | ArrayLike, bands: int, seed: int = 0) -> Tensor:
    """Divisions of the penalty among bands [D, K], float64, each sums to 1.

    The first one is equal; the others come from Dirichlet distributions of concentration 0.1 (few bands matter) and 1
    (uniform) in turn, as in himalaya. Deviations: drawn ones are at least 1e-12, given ones are scaled to sum to 1.

    Raises:
        ValueError: given ones have another shape than [D, K], are negative, or all zero.
    """
    if isinstance(draws, int):
        rng = np.random.default_rng(seed)
        count = whole_number("draws", draws, 1) - 1
        drawn = [rng.dirichlet([one] * bands) for one in islice(cycle((0.1, 1.0)), count)]
        gammas = torch.from_numpy(np.stack([np.full(bands, 1 / bands), *drawn])).clamp(min=_LEAST)
        return gammas / gammas.sum(1, keepdim=True)
    gammas = as_tensor("draws", draws).double()
    if gammas.dim() != 2 or gammas.shape[1] != bands or not len(gammas):
        raise ValueError(f"draws must be a number, or divisions [D, {bands}], got {list(gammas.shape)}")
    total = gammas.sum(1, keepdim=True)
    if not ((gammas >= 0).all() and (total > 0).all() and total.isfinite().all()):
        raise ValueError("draws must be divisions of 0 or more, at least one of them above 0 in each row")
    return gammas / total


Solved = tuple[Tensor, Tensor, Tensor, Tensor]
"""Weights of all bands [F, V], intercepts [V], deltas [K, V], scores [V]."""


def _search(
    xs: Sequence[Tensor],
    y: Tensor,
    alphas: Tensor,
    gammas: Tensor,
    fold: Tensor,
    score: RidgeScore,
    size: int | None,
) -> Solved:
    x, band = torch.cat(list(xs), 1), band_of(xs)
    shapes = (x.shape[1], y.shape[1]), (y.shape[1],), (len(xs), y.shape[1]), (y.shape[1],)
    solved = tuple(y.new_full(shape, torch.nan) for shape in shapes)
    for part in complete_parts(y, fold, LEAST_PICTURES[score]):
        for gamma in gammas:
            scale = gamma.sqrt()[band]
            solver = RidgeSolver(part.of(x) * scale, part.fold, alphas, score, y.dtype)
            for voxels, own in part.chunks(solver.chunk(size)):
                targets = solver.project(own)
                best, at = best_of(solver.scores(targets))
                before = solved[-1][voxels]
                better = (best > before) | before.isnan()
                alpha = alphas.to(y)[at[better]]
                weight, intercept = solver.weights(targets.of(better), alpha)
                delta = gamma.to(y).log()[:, None] - alpha.log()
                new = (weight * scale.to(y)[:, None], intercept, delta, best[better])
                for whole, one in zip(solved, new, strict=True):
                    whole[..., voxels[better]] = one
        set_constants(part, *solved)
    return solved
