"""Means, variances and covariances of maps, in one reading of them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gazekit.metrics.functional.maps import check_finite, inner, pieces

__all__ = ["MapProducts", "map_products"]

_SAFE = 1e-4  # variance over squared mean, above which raw moments keep 11 digits


class MapProducts(NamedTuple):
    """`mean` [K, R] of K maps of each of R images; `product` [K, K, R], their covariance over pixels."""

    mean: Tensor
    product: Tensor

    def variance(self, index: int) -> Tensor:
        """[R] population variance; NaN for a constant map."""
        return self.product[index, index]


def map_products(named: dict[str, tuple[Tensor, Tensor]], missing: tuple[str, ...] = ()) -> MapProducts:
    """Mean and covariance of maps over their pixels.

    Raw moments need one reading. Where the mean is so large against the spread that their difference would lose
    digits, the maps are read a second time, less their mean.

    Args:
        named: name of the map in errors, to rows [R, P] and the whole [..., H, W] that they are a part of.
        missing: the names of those that may be NaN as a whole.
    Raises:
        ValueError: a value that is not finite.
    """
    rows = tuple(part for part, _ in named.values())
    mean, raw = _moments(rows)
    for total, (name, (_, whole)) in zip(mean, named.items(), strict=True):
        check_finite(name, total, whole, missing=name in missing)
    size = torch.diagonal(raw).movedim(-1, 0)
    risky = ~(size - mean**2 > _SAFE * mean**2)  # NaN too
    product = raw - mean[:, None] * mean[None]
    if risky.any():
        offset, centred = _moments(rows, mean)
        centred = centred - offset[:, None] * offset[None]
        flat = torch.stack([part.amin(1) == part.amax(1) for part in rows])
        centred = torch.where(flat[:, None] | flat[None], torch.nan, centred)
        product = torch.where(risky.any(0), centred, product)
    return MapProducts(mean, product)


def _moments(rows: tuple[Tensor, ...], less: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """[K, R] means and [K, K, R] mean products of K maps [R, P], of each less a value [R]."""
    count, size = len(rows), rows[0].shape[1]
    mean, product = 0, 0
    for parts in pieces(*rows):
        if less is not None:
            parts = [part - value[:, None] for part, value in zip(parts, less, strict=True)]
        mean = mean + torch.stack([part.sum(1) for part in parts])
        upper = {(i, j): inner(parts[i], parts[j]) for i in range(count) for j in range(i, count)}
        cells = [upper[min(i, j), max(i, j)] for i in range(count) for j in range(count)]
        product = product + torch.stack(cells).reshape(count, count, -1)
    return mean / size, product / size
