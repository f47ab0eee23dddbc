"""Penalties of bands followed downhill, voxel by voxel, from where the random search ended.

The mean squared error of left-out pictures is a smooth function of a voxel's deltas (see `banded`), and its gradient is
exact: with M = X'X + diag(exp(-delta)) of the training pictures, b = M^-1 X'y, and e the gradient of the error with
respect to b, d error / d delta_k = sum over features j of band k of exp(-delta_k) b_j (M^-1 e)_j. Each delta steps
against the sign of its gradient by a length of its own (Rprop, Riedmiller & Braun 1993), as errors of voxels have any
scale. The idea is that of himalaya's hyper-gradient descent for kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gazekit.brain.complete import band_of, complete_parts

__all__ = ["follow_gradient"]

_BYTES = 2**28
_LIMIT = 40.0
"""Of |delta|: a band is as good as free or as good as left out."""


class _Fold(NamedTuple):
    """Products of one fold's pictures, about the means of its training pictures."""

    train: Tensor  # X'X [F, F]
    train_y: Tensor  # X'y [F, c]
    val: Tensor  # X'X [F, F]
    val_y: Tensor  # X'y [F, c]
    val_square: Tensor  # y'y [c]
    n_val: int


def follow_gradient(
    xs: Sequence[Tensor], y: Tensor, fold: Tensor, solved: Sequence[Tensor], steps: int
) -> None:
    """Replace what the search found for a voxel wherever another point has a smaller error.

    Time per step and fold is that of a Cholesky decomposition [F, F] for every voxel: for few features or few voxels.

    Args:
        xs, y, fold: as `banded_ridge_cv` checks them.
        solved: weights of all bands [F, V], intercepts [V], deltas [K, V] and scores [V] (-MSE), changed in place.
            Voxels with NaN deltas stay.
        steps: of the gradient.
    """
    *_, deltas, score = solved
    x, band = torch.cat(list(xs), 1).double(), band_of(xs)
    size = max(1, _BYTES // (16 * x.shape[1] ** 2))
    for part in complete_parts(y, fold, 1):
        own_x = part.of(x)
        for voxels, own in part.chunks(size):
            known = ~deltas[:, voxels].isnan().any(0)
            voxels, own = voxels[known], own[:, known].double()
            problems = [_fold(own_x, own, part.fold == k) for k in part.fold.unique()]
            delta, error = _descend(problems, band, deltas[:, voxels].double(), steps)
            better = error < -score[voxels].double()
            at, delta, own = voxels[better], delta[:, better], own[:, better]
            x_mean, y_mean = own_x.mean(0), own.mean(0)
            centred = own_x - x_mean
            factor = _factor(centred.T @ centred, delta, band)
            b = _solve(factor, centred.T @ (own - y_mean))
            for whole, one in zip(solved, (b, y_mean - x_mean @ b, delta, -error[better]), strict=True):
                whole[..., at] = one.to(whole)


def _descend(problems: list[_Fold], band: Tensor, delta: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """The best deltas [K, c] on the way, and their errors [c]."""
    delta = delta.clamp(-_LIMIT, _LIMIT)
    best, least = delta, torch.full_like(delta[0], torch.inf)
    step, before = torch.full_like(delta, 0.5), torch.zeros_like(delta)
    for _ in range(steps + 1):
        error, gradient = _error_and_gradient(problems, band, delta)
        better = error < least
        best, least = torch.where(better, delta, best), torch.where(better, error, least)
        turned = gradient.sign() * before
        step = (step * torch.where(turned < 0, 0.5, torch.where(turned > 0, 1.2, 1.0))).clamp(max=2.0)
        before = gradient.sign()
        delta = (delta - step * before).clamp(-_LIMIT, _LIMIT)
    return best, least


def _error_and_gradient(problems: list[_Fold], band: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
    """Mean over folds of the mean squared error [c], and its gradient [K, c]."""
    total, gradient = torch.zeros_like(delta[0]), torch.zeros_like(delta)
    penalty = (-delta).exp()[band]
    for fold in problems:
        factor = _factor(fold.train, delta, band)
        b = _solve(factor, fold.train_y)
        hb = fold.val @ b
        total += (fold.val_square + (b * (hb - 2 * fold.val_y)).sum(0)) / fold.n_val
        pull = _solve(factor, 2 * (hb - fold.val_y) / fold.n_val)
        gradient.index_add_(0, band, penalty * b * pull)
    return total / len(problems), gradient / len(problems)


def _fold(x: Tensor, y: Tensor, left_out: Tensor) -> _Fold:
    x_mean, y_mean = x[~left_out].mean(0), y[~left_out].mean(0)
    (train, val), (train_y, val_y) = (
        (one[~left_out] - mean, one[left_out] - mean) for one, mean in ((x, x_mean), (y, y_mean))
    )
    return _Fold(
        train.T @ train, train.T @ train_y, val.T @ val, val.T @ val_y, val_y.square().sum(0), len(val)
    )


def _factor(gram: Tensor, delta: Tensor, band: Tensor) -> Tensor:
    """Cholesky factors [c, F, F] of X'X + diag(exp(-delta)); penalties that rounding would swallow are raised to it."""
    least = len(gram) * torch.finfo(gram.dtype).eps * gram.trace()
    return torch.linalg.cholesky(gram + torch.diag_embed((-delta).exp()[band].T.clamp(min=least)))


def _solve(factor: Tensor, right: Tensor) -> Tensor:
    """M^-1 right, [F, c] for a matrix M of each voxel."""
    return torch.cholesky_solve(right.T[..., None], factor)[..., 0].T
