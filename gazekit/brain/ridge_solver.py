"""Ridge solutions of one feature matrix for all folds and penalties, whatever the number of voxels.

A feature matrix is turned once into the axes of its principal components (of the smaller of its two Gram matrices, so
that there are never more axes than pictures). Ridge does not notice, and products with responses keep the accuracy of
a singular value decomposition. Per fold there are a diagonalised Gram matrix of the training pictures and a QR
decomposition of the validation pictures along the same axes:

    b(alpha) = Q w,  w = z / (lambda + alpha),  z = Q' X'y of the training pictures
    |y - X b|^2 of the validation pictures = |t - R w|^2 + (|y|^2 - |t|^2),  t = U'y,  X Q = U R

Both t and z do not depend on alpha, so that a penalty costs one product with a triangle R [min(n_val, F), F], not the
predictions of n_val pictures; and of a fine or wide grid of penalties only some do: to rounding, w of the others are
sums of theirs (`few_penalties`). All is centred on the training pictures of a fold. Decompositions are in float64,
products with responses in the precision of the responses.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import whole_number

__all__ = ["LEAST_PICTURES", "RidgeScore", "RidgeSolver", "Targets", "check_score", "principal_axes"]

RidgeScore = Literal["mse", "r"]

LEAST_PICTURES: dict[RidgeScore, int] = {"mse": 1, "r": 3}
"""That a fold must have: r of two pictures is 1 or -1."""

WORKING_BYTES = 2**28
"""Of the default chunk of voxels."""

_TOLERANCE = 8
"""Of solutions made of others, in roundings; the products of a thousand features are not more exact."""

_ROWS = 64
"""Rows of the triangle that are multiplied at once; what lies left of them is zero and left out."""


class Fold(NamedTuple):
    """What a fold needs, with r axes and m = min(n_val, r)."""

    rows: slice
    mean: Tensor  # [r] of its pictures, where that of all pictures is 0
    left_out: float  # n / n_train: how much further its mean is from that of the other pictures
    across: Tensor  # U [n_val, m]
    back: Tensor  # R Q' [m, r]: its X'y is back' t
    axes: Tensor  # Q [r, r]
    shrink: Tensor  # 1 / (lambda + alpha) [P, r] of P of the penalties
    mix: Tensor  # what all are made of [A, P]
    triangle: Tensor  # R [m, r]


class Targets(NamedTuple):
    """What is known of c voxels before any penalty is tried."""

    mean: Tensor  # [c]
    cross: Tensor  # X'y [r, c] of all pictures
    means: list[Tensor]  # per fold: [c]
    within: list[Tensor]  # per fold: X'y [r, c] about its means
    along: list[Tensor]  # per fold: t [m, c]
    rest: list[Tensor]  # per fold: |y|^2 - |t|^2, [c]

    def of(self, some: Tensor) -> Targets:
        """What `RidgeSolver.weights` needs of some voxels, [c] bool."""
        return Targets(self.mean[some], self.cross[:, some], [], [], [], [])


class RidgeSolver:
    """Scores and weights for chunks of voxels that have responses to the same pictures.

    Args:
        x: [n, F] features, not centred.
        fold: [n] number of each picture's fold, all numbers occur.
        alphas: [A] penalties above 0.
        score: see `ridge_cv`.
        dtype: of the responses.
    """

    def __init__(self, x: Tensor, fold: Tensor, alphas: Tensor, score: RidgeScore, dtype: torch.dtype):
        self.score, self.dtype = score, dtype
        self.order, sizes = fold.argsort(stable=True), fold.bincount().tolist()
        self.mean = x.double().mean(0)
        self.axes, self.spectrum, turned = principal_axes(x, self.mean)
        turned, ends = turned[self.order], torch.tensor(sizes).cumsum(0).tolist()
        rows = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
        self.folds = [self._fold(turned[one], one, alphas.double()) for one in rows]
        self.axes, self.mean = self.axes.to(dtype), self.mean.to(dtype)

    def chunk(self, wanted: int | None) -> int:
        """How many voxels at once: as wanted, or as many as need `WORKING_BYTES`."""
        r = len(self.spectrum)
        held = 2 * len(self.order) + 5 * r + sum(len(fold.triangle) + r for fold in self.folds)
        held += _ROWS * max(sum(fold.mix.shape) for fold in self.folds)
        size = max(1, WORKING_BYTES // (held * self.dtype.itemsize))
        return size if wanted is None else whole_number("target_chunk", wanted, 1)

    def project(self, y: Tensor) -> Targets:
        """What all penalties share, of responses [n, c]."""
        mean = y.mean(0)
        cross = y.new_zeros(len(self.spectrum), y.shape[1])
        found = Targets(mean, cross, [], [], [], [])
        for fold in self.folds:
            own = y[self.order[fold.rows]]
            own_mean = own.mean(0)
            own -= own_mean
            own_mean = own_mean - mean
            along = fold.across.T @ own
            within = fold.back.T @ along
            rest = (_squares(own) - _squares(along)).clamp_(min=0)
            cross.add_(within).addr_(fold.mean, own_mean, alpha=len(own))
            for kept, one in zip(found[2:], (own_mean, within, along, rest), strict=True):
                kept.append(one)
        return found

    def scores(self, targets: Targets) -> Tensor:
        """[A, c], the mean over folds; NaN where no fold has one."""
        tables = []
        for fold, mean, within, along, rest in zip(self.folds, *targets[2:], strict=True):
            n = fold.rows.stop - fold.rows.start
            z = (targets.cross - within).addr_(fold.mean, mean, alpha=-n * fold.left_out)
            z = fold.axes.T @ z
            judge = _squared_error if self.score == "mse" else _correlation
            table = judge(fold, z, along, rest)
            if self.score == "mse":
                bias = mean - fold.mix @ ((fold.shrink * (fold.mean @ fold.axes)) @ z)  # [A, c]
                table = -(table + n * (fold.left_out * bias) ** 2) / n
            tables.append(table)
        return torch.stack(tables).nanmean(0)

    def weights(self, targets: Targets, alpha: Tensor) -> tuple[Tensor, Tensor]:
        """Weights [F, c] and intercepts [c] of all pictures, with a penalty [c] each."""
        b = targets.cross / (self.spectrum.to(self.dtype)[:, None] + alpha)
        weight = self.axes @ b
        return weight, targets.mean - self.mean @ weight

    def _fold(self, x: Tensor, rows: slice, alphas: Tensor) -> Fold:
        n, n_val = len(self.order), len(x)
        left_out = n / (n - n_val)
        mean = x.mean(0)
        x = x - mean
        train = torch.diag(self.spectrum) - x.T @ x - n_val * left_out * mean.outer(mean)
        values, axes = torch.linalg.eigh(train)
        across, triangle = torch.linalg.qr(x @ axes)
        varies = _above_rounding(values, n)  # no training picture does along the others
        chosen, mix = few_penalties(values[varies], alphas, _TOLERANCE * torch.finfo(self.dtype).eps)
        shrink = torch.where(varies, 1 / (values + alphas[chosen, None]), 0)
        kept = (one.to(self.dtype) for one in (across, triangle @ axes.T, axes, shrink, mix, triangle))
        return Fold(rows, mean.to(self.dtype), left_out, *kept)


def check_score(score: str) -> None:
    """Raises ValueError unless it is a `RidgeScore`."""
    if score not in LEAST_PICTURES:
        raise ValueError(f"score must be one of {', '.join(LEAST_PICTURES)}, got {score!r}")


def principal_axes(x: Tensor, mean: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Axes [F, r], eigenvalues [r] of the centred X'X, and the pictures along the axes [n, r], in float64.

    Axes along which the pictures differ by rounding only are left out: r is the rank.
    """
    n, features = x.shape
    x = x.double() - mean
    values, vectors = torch.linalg.eigh(x.T @ x if features <= n else x @ x.T)
    kept = _above_rounding(values, max(n, features))
    values, vectors = values[kept], vectors[:, kept]
    if features <= n:
        return vectors, values, x @ vectors
    return x.T @ (vectors / values.sqrt()), values, vectors * values.sqrt()


def _above_rounding(values: Tensor, size: int) -> Tensor:
    largest = values.max() if len(values) else 0
    return values > size * torch.finfo(values.dtype).eps * largest


def few_penalties(values: Tensor, alphas: Tensor, tolerance: float) -> tuple[Tensor, Tensor]:
    """Penalties [P] by number, and weights [A, P] by which 1 / (lambda + alpha) of all [A] are sums of theirs.

    By an interpolative decomposition of lambda / (lambda + alpha), the share of the least-squares fit that a penalty
    leaves of each axis; the tolerance is relative to the largest share.

    Args:
        values: lambda [r], above 0.
        alphas: [A].
    """
    from scipy.linalg.interpolative import interp_decomp, reconstruct_interp_matrix

    if not len(values):
        return torch.tensor([0]), alphas.new_ones(len(alphas), 1)
    share = values / (values + alphas[:, None])
    largest = share.amax(1, keepdim=True)
    table = np.asfortranarray((share / largest).T.cpu().numpy())
    count, order, rest = interp_decomp(table, tolerance, rand=False)
    mix = torch.from_numpy(reconstruct_interp_matrix(order, rest).T).to(alphas)
    chosen = torch.from_numpy(order[:count]).to(alphas.device)
    return chosen, mix * largest / largest[chosen].T


def _squared_error(fold: Fold, z: Tensor, along: Tensor, rest: Tensor) -> Tensor:
    """|y - X b|^2 [A, c], about the means of the fold's pictures."""
    total = rest.repeat(len(fold.mix), 1)
    error = torch.cat([fold.mix, -torch.ones_like(fold.mix[:, :1])], 1)
    for block in _blocks(fold, z, along):
        total += (error @ block.flatten(1)).view(-1, *block.shape[1:]).square_().sum(1)
    return total


def _correlation(fold: Fold, z: Tensor, along: Tensor, rest: Tensor) -> Tensor:
    """Pearson's r [A, c]; NaN where the response or the prediction is constant over the fold's pictures."""
    together = rest.new_zeros(len(fold.mix), len(rest))
    predicted_square = together.clone()
    for block in _blocks(fold, z, along):
        predicted = (fold.mix @ block[:-1].flatten(1)).view(-1, *block.shape[1:])
        together += (predicted * block[-1]).sum(1)
        predicted_square += predicted.square_().sum(1)
    return together / (predicted_square * (rest + _squares(along))).sqrt()


def _blocks(fold: Fold, z: Tensor, along: Tensor) -> Iterator[Tensor]:
    """R w of the few penalties, then t [P + 1, m, c], by blocks of m rows."""
    for start in range(0, len(fold.triangle), _ROWS):
        rows = slice(start, start + _ROWS)
        some = fold.triangle[rows, start:] * fold.shrink[:, None, start:]  # [P, m, r - start]
        block = z.new_empty(len(some) + 1, some.shape[1], z.shape[1])
        torch.mm(some.flatten(0, 1), z[start:], out=block[:-1].flatten(0, 1))
        block[-1] = along[rows]
        yield block


def _squares(x: Tensor) -> Tensor:
    """Sums of squares over rows."""
    return x.square().sum(0)
