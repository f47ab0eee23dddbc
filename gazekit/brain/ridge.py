"""Ridge regression with a penalty of its own for every voxel, for tens of thousands of voxels.

Objective, per voxel: |y - X b - b0|^2 + alpha |b|^2, alpha by cross-validation; the intercept b0 is not penalised. How
it is computed is in `ridge_solver`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gazekit.brain.complete import (
    best_of,
    check_alphas,
    check_pictures,
    complete_parts,
    set_constants,
)
from gazekit.brain.folds import fold_numbers
from gazekit.brain.ridge_solver import LEAST_PICTURES, RidgeScore, RidgeSolver, check_score
from gazekit.metrics.functional.arguments import ArrayLike, as_tensor

__all__ = ["Ridge", "RidgeScore", "ridge_cv"]


class Ridge(NamedTuple):
    """Fitted weights of V voxels.

    Args:
        weight: [F, V].
        intercept: [V].
        alpha: [V] penalty chosen for each voxel, NaN where none could be.
        score: [V] its mean over folds, -MSE or r; NaN where there is none.
    """

    weight: Tensor
    intercept: Tensor
    alpha: Tensor
    score: Tensor

    @property
    def undefined(self) -> int:
        """Number of voxels without a penalty of their own: constant ones, and those with too few responses."""
        return int(self.alpha.isnan().sum())

    def predict(self, x: ArrayLike) -> Tensor:
        """Responses [n, V] to features [n, F].

        Raises:
            ValueError: other features than the weights are of.
        """
        x = as_tensor("x", x)
        if x.dim() != 2 or x.shape[1] != len(self.weight):
            raise ValueError(f"x must have shape [n, {len(self.weight)}], as in the fit, got {list(x.shape)}")
        return torch.addmm(self.intercept, x.to(self.weight), self.weight)


def ridge_cv(
    x: ArrayLike,
    y: ArrayLike,
    alphas: Sequence[float] | ArrayLike,
    folds: int | ArrayLike = 5,
    *,
    score: RidgeScore = "mse",
    target_chunk: int | None = None,
) -> Ridge:
    """Ridge regression; each voxel's penalty is the one that predicts left-out pictures best.

    As himalaya's `RidgeCV` (Dupre la Tour et al. 2022, NeuroImage 264) with an intercept: scores are averaged over
    folds with equal weight; of equally good penalties the largest is taken. Deviation: missing responses and constant
    voxels are allowed.

    Memory, besides arguments and result: 4 bytes (8 in float64) times n F + 3 K F^2 for K folds, 8 bytes times 3 n F
    while they are decomposed, and `target_chunk` voxels times 2 n + 5 F + 2 K F + 64 (A + P) numbers, P <= A; F counts
    as n where there are more features than pictures.

    Args:
        x: [n, F] features of pictures, neither centred nor scaled; finite.
        y: [n, V] responses. NaN = missing; voxels that lack the same pictures are solved together, on their pictures.
        alphas: [A] penalties above 0, in any order.
        folds: see `fold_numbers`.
        score: "mse" = minus the mean squared error, or "r" = Pearson's correlation over the pictures of a fold; folds
            in which it is undefined are left out of a voxel's mean.
        target_chunk: voxels at once, by default as many as take 256 MiB.
    Returns:
        See `Ridge`; float32, float64 if x and y both are. Constant voxels have weight 0 and the constant as intercept;
        voxels with responses in fewer than two folds have NaN throughout. Both have no penalty and are counted in
        `undefined`.
    Raises:
        TypeError: not numbers.
        ValueError: other shapes, x not finite, y infinite, a penalty not above 0, too few folds, fewer than 3 pictures
            of a fold for "r", or many patterns of missing pictures (see `patterns`).
    """
    check_score(score)
    (x,), y = check_pictures([x], y)
    alphas = check_alphas(alphas, y.device)
    fold = fold_numbers(folds, len(x)).to(y.device)
    found = Ridge(y.new_full((x.shape[1], y.shape[1]), torch.nan), *y.new_full((3, y.shape[1]), torch.nan))
    for part in complete_parts(y, fold, LEAST_PICTURES[score]):
        solver = RidgeSolver(part.of(x), part.fold, alphas, score, y.dtype)
        for voxels, own in part.chunks(solver.chunk(target_chunk)):
            targets = solver.project(own)
            best, at = best_of(solver.scores(targets))
            alpha = alphas.to(y)[at]
            for whole, one in zip(found, (*solver.weights(targets, alpha), alpha, best), strict=True):
                whole[..., voxels] = one
        set_constants(part, *found)
    return found
