"""Ranks and rank correlation along the last dimension, ties included, without a table of all pairs."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["average_ranks", "kendall_tau_a"]


def average_ranks(x: Tensor) -> Tensor:
    """[..., P] float64 ranks from 1; tied values share the mean of their ranks."""
    x = x.contiguous()
    ordered = x.sort(-1).values
    below = torch.searchsorted(ordered, x)
    upto = torch.searchsorted(ordered, x, right=True)
    return (below + upto + 1).double() / 2


def kendall_tau_a(x: Tensor, y: Tensor) -> Tensor:
    """Kendall's tau-a of [..., P] and [..., P]: (concordant - discordant pairs) / all pairs, [...].

    Discordant pairs are the inversions of y in the order of x, counted in O(P log^2 P). NaN for P < 2.
    """
    x, y = (_dense_ranks(values) for values in torch.broadcast_tensors(x, y))
    size = x.shape[-1]
    joint, order = (x * size + y).sort(-1)  # by x, tied ones by y: those are no inversion
    tied = _tied_pairs(joint) - _tied_pairs(joint // max(1, size)) - _tied_pairs(y.sort(-1).values)
    pairs = size * (size - 1) // 2
    agreement = pairs + tied - 2 * _inversions(y.gather(-1, order))
    return agreement.double() / pairs if pairs else torch.full_like(agreement, torch.nan, dtype=torch.double)


def _dense_ranks(x: Tensor) -> Tensor:
    """[..., P] integers from 0 in the order of x, equal for equal values, below P."""
    x = x.contiguous()
    return torch.searchsorted(x.sort(-1).values, x)


def _tied_pairs(ordered: Tensor) -> Tensor:
    """[...] number of pairs of equal values in sorted [..., P]."""
    index = torch.arange(ordered.shape[-1], device=ordered.device)
    return (index - torch.searchsorted(ordered.contiguous(), ordered.contiguous())).sum(-1)


def _inversions(ranks: Tensor) -> Tensor:
    """[...] number of i < j with ranks[i] > ranks[j], for integers from 0 to P - 1.

    Two ranks differ first in some binary digit: there the earlier one has a 1 and the later one a 0. For every
    digit, those with equal higher digits are brought together in their order, and the 1s before each 0 counted.
    """
    found = torch.zeros(ranks.shape[:-1], dtype=torch.long, device=ranks.device)
    for digit in range(max(1, ranks.shape[-1]).bit_length()):
        prefix, order = (ranks >> (digit + 1)).sort(dim=-1, stable=True)
        ones = (ranks >> digit & 1).gather(-1, order)
        before = ones.cumsum(-1) - ones
        start = torch.searchsorted(prefix.contiguous(), prefix.contiguous())
        found = found + ((before - before.gather(-1, start)) * (1 - ones)).sum(-1)
    return found
