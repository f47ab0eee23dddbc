"""Means, variances and covariances of maps, in one reading of them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gazekit.metrics.functional import map_blocks
from gazekit.metrics.functional.map_blocks import Blocks
from gazekit.metrics.functional.maps import check_finite, in_numpy, precise

__all__ = ["MapProducts", "map_products"]

_SAFE = 1e-4  # variance over squared mean, above which raw moments keep 11 digits


class MapProducts(NamedTuple):
    """Of K maps, times `scale`, of each of R images: what they are over pixels.

    `mean` [K, R], `product` [K, K, R] their covariance, `varies` [K, R] bool whether they are not constant, and
    `scale` [K, R] powers of 2, 1 but for maps whose squares would leave the range of numbers.
    """

    mean: Tensor
    product: Tensor
    varies: Tensor
    scale: Tensor

    def deviation(self, index: int) -> Tensor:
        """[R] population standard deviation; 1 stands in for that of a constant map, so that derivatives exist."""
        return torch.where(self.varies[index], self.product[index, index], 1).sqrt()


def map_products(named: dict[str, tuple[Tensor, Tensor]], missing: tuple[str, ...] = ()) -> MapProducts:
    """Mean and covariance of maps over their pixels.

    Raw moments need one reading. Where the mean is so large against the spread that their difference would lose
    digits, the maps are read a second time, less their mean.

    Args:
        named: name of the map in errors, to rows [R, P] and the whole [..., H, W] that they are a part of.
        missing: the names of those that may be NaN as a whole, for which a constant map stands in.
    Raises:
        ValueError: a value that is not finite.
    """
    rows = tuple(part for part, _ in named.values())
    mean, raw = _moments(rows)
    for total, (name, (_, whole)) in zip(mean, named.items(), strict=True):
        check_finite(name, total, whole, missing=name in missing)
    size = torch.diagonal(raw).movedim(-1, 0)
    scale, limits = torch.ones_like(size), torch.finfo(size.dtype)
    extreme = ~((size > limits.tiny**0.75) & (size < limits.max**0.75))  # NaN too
    if extreme.any():
        rows, scale = _rescaled(rows, extreme)
        mean, raw = _moments(rows)
        size = torch.diagonal(raw).movedim(-1, 0)
    risky = ~(size - mean**2 > _SAFE * mean**2)
    product, varies = raw - mean[:, None] * mean[None], torch.ones_like(risky)
    if risky.any():
        offset, centred = _moments(rows, mean)
        centred = centred - offset[:, None] * offset[None]
        varies = torch.stack([part.amin(1) != part.amax(1) for part in rows])
        product = torch.where(risky.any(0), centred, product)
    return MapProducts(mean, product, varies, scale)


def _rescaled(rows: tuple[Tensor, ...], extreme: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
    """Maps [R, P] whose largest magnitude is about 1 where `extreme` [K, R]; 0 for NaN; and the factors [K, R]."""
    found, scales = [], []
    for part, wanted in zip(rows, extreme, strict=True):
        part = precise(part)
        largest = part.detach().abs().amax(1)
        limit = torch.finfo(part.dtype).max / 2**8
        within = largest.clamp(1 / limit, limit)
        scale = torch.where(wanted & ~largest.isnan(), torch.frexp(within).mantissa / within, 1)
        found.append(torch.where(largest.isnan()[:, None], 0, part * scale[:, None]))
        scales.append(scale)
    return tuple(found), torch.stack(scales)


def _moments(rows: tuple[Tensor, ...], less: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """[K, R] means and [K, K, R] mean products of K maps [R, P], of each less a value [R]."""
    size = rows[0].shape[1]
    if in_numpy(*rows):
        offsets = [None] * len(rows) if less is None else less.numpy()[..., None]
        maps = tuple(Blocks(part.numpy(), offset) for part, offset in zip(rows, offsets, strict=True))
        mean, product = (torch.from_numpy(found) for found in map_blocks.moments(maps))
    else:
        maps = torch.stack([precise(part) for part in rows])
        maps = maps if less is None else maps - less[..., None]
        mean, product = maps.sum(-1), torch.einsum("irp,jrp->ijr", maps, maps)
    return mean / size, product / size
