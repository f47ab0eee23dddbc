"""Means and co-moments of Q quantities, which merge exactly over batches and processes.

They are one tensor [1 + Q + Q^2, ...]: the number of observations, Q means, and the Q x Q sums of products
of deviations. Deviations are taken from the first observation before the mean is subtracted, so that within a
batch a large mean costs no digits, and a constant has a co-moment of exactly 0 whatever the batches.

Source of the merging: Chan, Golub and LeVeque 1983 (The American Statistician 37, 242).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

__all__ = [
    "block_moments",
    "correlation",
    "drawn_moments",
    "largest_one",
    "merge_moments",
    "moments",
    "moments_drawer",
    "moments_of_items",
    "moments_of_units",
    "unpack_moments",
]


def moments(*quantities: Tensor) -> Tensor:
    """Of Q tensors [n, ...], whose first dimension holds the observations: [1 + Q + Q^2, ...]."""
    count = quantities[0].new_full(quantities[0].shape[1:], len(quantities[0]))
    means, deviations = [], []
    for quantity in quantities:
        shifted = quantity - quantity[:1]
        shift = shifted.sum(0) / max(1, len(quantity))
        deviations.append(shifted - shift)
        means.append(quantity[:1].sum(0) + shift)
    width = range(len(quantities))
    products = {(i, j): (deviations[i] * deviations[j]).sum(0) for i in width for j in width if i <= j}
    return torch.stack([count, *means, *(products[min(i, j), max(i, j)] for i in width for j in width)])


def block_moments(block: Tensor, blocks: int, present: Tensor, *quantities: Tensor) -> Tensor:
    """[1 + Q + Q^2, W, ...] of each of W blocks of observations, those left out that are not there.

    Args:
        block: [n] which of the W = `blocks` an observation belongs to.
        present: [n, ...] bool. A NaN that is present makes all blocks NaN.
        quantities: Q tensors [n, ...].
    """

    def summed(x: Tensor) -> Tensor:
        return x.new_zeros(blocks, *x.shape[1:]).index_add_(0, block, x)

    count = summed(present.to(quantities[0]))
    first = present.to(torch.uint8).argmax(0, keepdim=True) if len(present) else None
    means, deviations = [], []
    for quantity in quantities:
        near = quantity.new_zeros(1, *quantity.shape[1:]) if first is None else quantity.gather(0, first)
        near = torch.where(present.any(0), near, 0.0)
        shifted = torch.where(present, quantity - near, 0.0)
        shift = summed(shifted) / count.clamp(min=1)
        deviations.append(torch.where(present, shifted - shift[block], 0.0))
        means.append(near + shift)
    width = range(len(quantities))
    products = {(i, j): summed(deviations[i] * deviations[j]) for i in width for j in width if i <= j}
    return torch.stack([count, *means, *(products[min(i, j), max(i, j)] for i in width for j in width)])


def moments_of_items(*quantities: Tensor) -> Tensor:
    """[B, 1 + Q + Q^2] the moments of each item's observations: Q tensors [B, n]. What is not finite is left out."""
    rows = torch.stack(quantities, 2)  # [B, n, Q]
    known = rows.isfinite().all(2, keepdim=True)
    rows, count = torch.where(known, rows, 0.0), known.sum(1)
    mean = rows.sum(1) / count.clamp(min=1)
    away = torch.where(known, rows - mean[:, None], 0.0)
    return torch.cat([count.to(rows), mean, (away.mT @ away).flatten(1)], 1)


def moments_of_units(packed: Tensor, unit: Tensor, units: int) -> Tensor:
    """[units, 1 + Q + Q^2] of the units that N items [N, 1 + Q + Q^2] belong to, merged around the overall mean."""
    count, mean, comoment = unpack_moments(packed.T)  # [N], [Q, N], [Q, Q, N]
    centre = (count * mean).sum(1, keepdim=True) / count.sum().clamp(min=1)
    away = torch.where(count > 0, mean - centre, 0.0)
    sums = [count[None], count * away, (comoment + count * away[:, None] * away[None]).flatten(0, 1)]
    sums = torch.cat(sums).T
    sums = sums.new_zeros(units, sums.shape[1]).index_add_(0, unit, sums)
    total, shift, products = sums.split([1, len(mean), len(mean) ** 2], 1)
    shift = shift / total.clamp(min=1)
    products = products - total * (shift[:, :, None] * shift[:, None]).flatten(1)
    return torch.cat([total, centre.T + shift, products], 1)


def largest_one(x: Tensor, dim: int) -> Tensor:
    """x divided by its largest absolute value along `dim`, so that squares neither vanish nor overflow.

    The divisor counts as a constant for the gradient: for what does not depend on the scale.
    """
    if not x.shape[dim]:
        return x
    largest = x.detach().abs().amax(dim, keepdim=True)
    return x / torch.where(largest > 0, largest, 1.0)


def merge_moments(parts: Tensor) -> Tensor:
    """[W, 1 + Q + Q^2, ...] of W disjoint sets of observations to those of all of them; zeros for no set."""
    if not len(parts):
        return parts.new_zeros(parts.shape[1:])
    count, mean, comoment = unpack_moments(parts.transpose(0, 1))  # [W, ...], [Q, W, ...], [Q, Q, W, ...]
    total = count.sum(0)
    largest = count.argmax(0)[None].expand(mean.shape[:1] + mean.shape[2:])
    near = mean.gather(1, largest[:, None])  # one of the means: equal means stay exactly what they are
    merged = near + (count * (mean - near)).sum(1, keepdim=True) / total.clamp(min=1)
    away = mean - merged
    comoment = (comoment + count * away[:, None] * away[None]).sum(2)
    return torch.cat([total[None], merged[:, 0], comoment.flatten(0, 1)])


def drawn_moments(parts: Tensor, counts: Tensor) -> Tensor:
    """[1 + Q + Q^2, R, ...] of R draws of W disjoint sets of observations, each set as often as counts [R, W] says."""
    return moments_drawer(parts)(counts)


def moments_drawer(parts: Tensor) -> Callable[[Tensor], Tensor]:
    """`drawn_moments` of the same parts [W, 1 + Q + Q^2, ...] for many counts: what they share is computed once."""
    count, mean, comoment = unpack_moments(parts.transpose(0, 1))  # [W, ...], [Q, W, ...], [Q, Q, W, ...]
    width = range(len(mean))
    centre = merge_moments(parts)[1 : 1 + len(mean)]  # [Q, ...]: sums of squares around it lose no digits
    away = torch.where(count > 0, mean - centre[:, None], 0.0)
    places = [(i, j) for i in width for j in width if i <= j]
    squares = [comoment[i, j] + count * away[i] * away[j] for i, j in places]
    sums = torch.stack([count, *(count * x for x in away), *squares], 1)  # [W, 1 + Q + Q (Q + 1) / 2, ...]

    def drawn(counts: Tensor) -> Tensor:
        found = torch.tensordot(counts.to(sums), sums, dims=([1], [0])).transpose(0, 1)  # [., R, ...]
        total, shift = found[0], found[1 : 1 + len(mean)] / found[0].clamp(min=1)
        products = {
            (i, j): found[1 + len(mean) + k] - total * shift[i] * shift[j] for k, (i, j) in enumerate(places)
        }
        means = centre[:, None] + shift
        return torch.stack([total, *means, *(products[min(i, j), max(i, j)] for i in width for j in width)])

    return drawn


def unpack_moments(packed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Count [...], means [Q, ...] and co-moments [Q, Q, ...]."""
    width = math.isqrt(len(packed) - 1)
    return packed[0], packed[1 : 1 + width], packed[1 + width :].unflatten(0, (width, width))


def correlation(packed: Tensor) -> Tensor:
    """[...] Pearson's r of two quantities; NaN where one is constant or there are fewer than two."""
    comoment = unpack_moments(packed)[2]
    constant = (comoment[0, 0] == 0) | (comoment[1, 1] == 0)
    # a harmless 1 keeps the gradient of the other columns free of NaN
    spread = [torch.where(constant, 1.0, comoment[i, i]).sqrt() for i in (0, 1)]
    r = (comoment[0, 1] / spread[0] / spread[1]).clamp(-1, 1)
    return torch.where(constant, torch.nan, r)
