"""Paired differences of a few subjects: Wilcoxon's exact test, and corrections for many tests."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, as_tensor

__all__ = ["SignedRanks", "benjamini_hochberg", "holm", "signed_rank_p", "signed_rank_test"]

_MOST = 200  # pairs; the exact distribution has n (n + 1) values


class SignedRanks(NamedTuple):
    """What `signed_rank_test` finds, [...] each.

    Args:
        statistic: W, the smaller one of the sums of ranks of positive and of negative differences.
        p: two-sided, exact. NaN without a difference.
        n: pairs that differ.
    """

    statistic: Tensor
    p: Tensor
    n: Tensor


def signed_rank_test(a: ArrayLike, b: ArrayLike | float = 0.0) -> SignedRanks:
    """Wilcoxon's signed-rank test of paired values, two-sided, with the exact distribution.

    p = min(1, 2 P(W+ <= W)) over all 2^n signs of the ranks of |a - b|. Ties have mean ranks, and the distribution is
    that of these ranks. Pairs without a difference, and those with NaN, are left out (Wilcoxon 1945, Biometrics
    Bulletin 1, 80). With n pairs p is at least 2^(1 - n): 0.0078 for eight subjects.

    Args:
        a, b: [..., S] values of S subjects; b may be a number.
    Raises:
        ValueError: shapes that differ, more than 200 subjects.

    Example:
        >>> signed_rank_test([0.3, 0.5, 0.2, 0.8], [0.1, 0.2, 0.3, 0.1]).p
        tensor(0.2500, dtype=torch.float64)
    """
    a = as_tensor("a", a).double()
    difference = a - (as_tensor("b", b).double() if not isinstance(b, float) else b)
    if difference.shape != a.shape or not 1 <= a.shape[-1] <= _MOST:
        raise ValueError(f"a and b must be [..., S] alike with 1 to {_MOST} subjects, got {list(a.shape)}")
    flat = difference.reshape(-1, a.shape[-1])
    there = flat.isfinite() & (flat != 0)
    size = flat.abs().where(there, torch.inf)
    below = (size[:, None, :] < size[:, :, None]).sum(2)
    alike = (size[:, None, :] == size[:, :, None]).sum(2)
    rank = (2 * below + alike + 1) * there  # twice the mean rank, a whole number
    positive = (rank * (flat > 0)).sum(1)
    smaller = torch.minimum(positive, rank.sum(1) - positive)
    p = _twice_lower_tail(rank, smaller)
    n = there.sum(1)
    shape = a.shape[:-1]
    return SignedRanks((smaller / 2).view(shape), p.where(n > 0, torch.nan).view(shape), n.view(shape))


def signed_rank_p(statistic: ArrayLike, n: int) -> Tensor:
    """The exact two-sided p [...] of a printed W [...] of n pairs that all differ, without ties.

    Example:
        >>> signed_rank_p([0.0, 15.0], n=8)
        tensor([0.0078, 0.7422], dtype=torch.float64)
    """
    w = as_tensor("statistic", statistic).double()
    if not 1 <= n <= _MOST or (w < 0).any() or (w != w.round()).any():
        raise ValueError(
            f"expected whole sums of ranks from 0 up and 1 to {_MOST} pairs, got {w.tolist()} and {n}"
        )
    rank = 2 * torch.arange(1, n + 1).expand(w.numel(), n)
    return _twice_lower_tail(rank, 2 * w.reshape(-1).long()).view(w.shape)


def _twice_lower_tail(rank: Tensor, statistic: Tensor) -> Tensor:
    """[M] min(1, 2 P(W+ <= statistic)) where each rank [M, S] counts with chance 1/2."""
    value = torch.arange(int(rank.sum(1).max()) + 1, device=rank.device)
    chance = (value == 0).double().expand(len(rank), -1)
    for column in rank.unbind(1):
        before = value - column[:, None]
        chance = (chance + chance.gather(1, before.clamp(min=0)) * (before >= 0)) / 2
    return (2 * (chance * (value <= statistic[:, None])).sum(1)).clamp(max=1)


def holm(p: ArrayLike) -> Tensor:
    """Holm's corrected p along the last axis: the k-th smallest of m times m - k + 1, never falling, at most 1.

    Controls the chance of any false discovery. NaN stays NaN and is not counted. Holm 1979 (Scandinavian Journal of
    Statistics 6, 65).

    Example:
        >>> holm([0.01, 0.04, 0.03])
        tensor([0.0300, 0.0600, 0.0600], dtype=torch.float64)
    """
    order, value, tests = _sorted(p)
    left = tests - torch.arange(value.shape[-1], device=value.device)
    return _restored((value * left).cummax(-1).values, order)


def benjamini_hochberg(p: ArrayLike) -> Tensor:
    """False discovery rate along the last axis: the k-th smallest p of m times m / k, never falling, at most 1.

    NaN stays NaN and is not counted. Benjamini and Hochberg 1995 (Journal of the Royal Statistical Society B 57, 289).

    Example:
        >>> benjamini_hochberg([0.01, 0.04, 0.03])
        tensor([0.0300, 0.0400, 0.0400], dtype=torch.float64)
    """
    order, value, tests = _sorted(p)
    scaled = value * tests / torch.arange(1, value.shape[-1] + 1, device=value.device)
    scaled = scaled.where(value.isfinite(), torch.inf)
    return _restored(scaled.flip(-1).cummin(-1).values.flip(-1).where(value.isfinite(), torch.nan), order)


def _sorted(p: ArrayLike) -> tuple[Tensor, Tensor, Tensor]:
    """Order, rising values with NaN last, and the number of tests [..., 1]."""
    p = as_tensor("p", p).double()
    if p.dim() == 0 or ((p < 0) | (p > 1)).any():
        raise ValueError("p must be an array of chances from 0 to 1")
    value, order = p.sort(dim=-1)
    return order, value, value.isfinite().sum(-1, keepdim=True)


def _restored(value: Tensor, order: Tensor) -> Tensor:
    return torch.empty_like(value).scatter_(-1, order, value.clamp(max=1))
