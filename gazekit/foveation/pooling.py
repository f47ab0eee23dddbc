"""Sums over windows, and what windows hold brought back to the points: two products with one sparse matrix.

`pool` multiplies by the matrix [regions, points] of the weights, `spread` by its transpose, and each is the gradient of
the other. Both are sums over bags of rows (torch's `embedding_bag`), an order of magnitude faster on CPUs than
`index_add_` or sparse tensors, and exact and repeatable because the order of the sums is fixed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from gazekit.foveation.windows import Windows

__all__ = ["Moments", "covariances", "moments", "pool", "spread"]


TINY = 1e-20  # less than the mass of any region that counts


def pool(values: Tensor, windows: Windows) -> Tensor:
    """sum_p w_r(p) x(p): [P, K] to [R, K]."""
    return _Pool.apply(values, windows.pool, windows)


def spread(table: Tensor, windows: Windows) -> Tensor:
    """sum_r w_r(p) y(r): [R, K] to [P, K]."""
    return _Spread.apply(table, windows.write, windows)


class Moments(NamedTuple):
    """Statistics of the points of each region.

    Args:
        mass: [R, 1] sum of the weights, or number of points.
        mean: [R, C].
        variance: [R, C] n / (n - 1) times the mean squared deviation, with n the mass or, if that is less, 2; [R, C,
            C] for covariances.
    """

    mass: Tensor
    mean: Tensor
    variance: Tensor

    def recoloured(self, matrix: Tensor) -> Moments:
        """Covariances to the variances [R, C] of `values @ matrix.T`."""
        variance = torch.einsum("ci,rij,cj->rc", matrix, self.variance, matrix)
        return Moments(self.mass, self.mean @ matrix.T, variance.clamp_min(0))


def moments(values: Tensor, windows: Windows, mass: Tensor | None = None) -> Moments:
    """Of values [P, C] in each region; of a region without points, zeros."""
    centre = values.detach().mean(0)  # less rounding in the variance
    centred = values - centre
    if mass is None:
        mass = pool(torch.ones_like(values[:, :1]), windows)
    sums = pool(torch.cat((centred, centred**2), 1), windows) / mass.clamp_min(TINY)
    mean, square = sums.tensor_split(2, 1)
    variance = (square - mean**2).clamp_min(0) * _unbiased(mass)
    return Moments(mass, mean + centre, variance)


def covariances(values: Tensor, windows: Windows) -> Moments:
    """Of values [P, C] about 0, with all covariances."""
    count = values.shape[1]
    products = (values[:, :, None] * values[:, None]).flatten(1)
    mass = pool(torch.ones_like(values[:, :1]), windows)
    mean, square = (pool(torch.cat((values, products), 1), windows) / mass.clamp_min(TINY)).split(
        (count, count**2), 1
    )
    covariance = square.unflatten(1, (count, count)) - mean[:, :, None] * mean[:, None]
    return Moments(mass, mean, covariance * _unbiased(mass)[..., None])


def _unbiased(mass: Tensor) -> Tensor:
    return mass / (mass.clamp_min(2) - 1)


class _Pool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, weight: Tensor, windows: Windows) -> Tensor:
        ctx.save_for_backward(values, weight)
        ctx.windows = windows
        return _to_regions(values, weight, windows)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        values, weight = ctx.saved_tensors
        to_values = _to_points(grad, weight, ctx.windows) if ctx.needs_input_grad[0] else None
        to_weight = _products(grad, values, ctx.windows) if ctx.needs_input_grad[1] else None
        return to_values, to_weight, None


class _Spread(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, weight: Tensor, windows: Windows) -> Tensor:
        ctx.save_for_backward(table, weight)
        ctx.windows = windows
        return _to_points(table, weight, windows)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        table, weight = ctx.saved_tensors
        to_table = _to_regions(grad, weight, ctx.windows) if ctx.needs_input_grad[0] else None
        to_weight = _products(table, grad, ctx.windows) if ctx.needs_input_grad[1] else None
        return to_table, to_weight, None


def _to_regions(values: Tensor, weight: Tensor, windows: Windows) -> Tensor:
    places = windows.order
    return F.embedding_bag(
        places // 4, values.contiguous(), windows.starts, mode="sum",
        per_sample_weights=weight.flatten()[places],
    )  # fmt: skip


def _to_points(table: Tensor, weight: Tensor, windows: Windows) -> Tensor:
    return F.embedding_bag(windows.index, table.contiguous(), mode="sum", per_sample_weights=weight)


def _products(table: Tensor, values: Tensor, windows: Windows) -> Tensor:
    """<y(r), x(p)> for the four regions of each point: [P, 4]."""
    return torch.stack([(table[index] * values).sum(-1) for index in windows.index.unbind(-1)], -1)
