"""What each of several feature spaces explains: R2 split among bands, and nested models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, as_tensor
from gazekit.metrics.functional.encoding import r2_score

__all__ = ["Fitted", "VariancePartition", "split_r2", "variance_partition"]


def split_r2(parts: ArrayLike, response: ArrayLike) -> Tensor:
    """R2 split among bands whose predictions are added, by the product measure.

    R2_k = sum_i p_ki (2 y_i - sum_j p_ji) / sum_i y_i^2, as himalaya's `r2_score_split` (Dupre la Tour et al. 2022,
    NeuroImage 264). The sum over bands is the R2 of mean(y) + the sum of predictions. A share may be negative, or
    exceed the R2 of its band alone, where bands are correlated. Deviations: y is centred here; a constant voxel is NaN.

    Args:
        parts: [K, n, V] what each band adds (`BandedRidge.parts`).
        response: [n, V] of held-out pictures, NaN = missing.
    Returns:
        [K, V] float64; NaN for voxels whose response is constant or missing throughout.
    Raises:
        ValueError: other shapes.
    """
    parts, response = as_tensor("parts", parts).double(), as_tensor("response", response).double()
    if parts.dim() != 3 or parts.shape[1:] != response.shape:
        raise ValueError(
            "parts must have shape [K, n, V] and response [n, V], "
            f"got {list(parts.shape)} and {list(response.shape)}"
        )
    y = response - response.nanmean(0)
    present = ~y.isnan()
    y = y.nan_to_num()
    remaining = torch.where(present, 2 * y - parts.sum(0), 0)
    flat = response.nan_to_num(nan=-torch.inf).amax(0) <= response.nan_to_num(nan=torch.inf).amin(0)
    return torch.einsum("knv,nv->kv", parts, remaining) / y.square().sum(0).where(~flat, torch.nan)


class Fitted(Protocol):
    """What a fit gives: something that predicts from the same bands."""

    def predict(self, xs: Sequence[Tensor]) -> Tensor: ...


class VariancePartition(NamedTuple):
    """R2 of held-out responses by nested models, each [V] or [K, V], float64.

    Args:
        full: of all bands.
        alone: [K, V] of each band by itself.
        unique: [K, V] what is lost without the band.
        shared: what no band explains uniquely: full minus the sum of unique. Below 0 where bands only explain together.
    """

    full: Tensor
    alone: Tensor
    unique: Tensor
    shared: Tensor


def variance_partition(
    fit: Callable[[list[Tensor]], Fitted], train: Sequence[Tensor], test: Sequence[Tensor], response: Tensor
) -> VariancePartition:
    """Unique and shared variance by fitting each band alone, all, and all but each.

    For two bands: unique_1 = R2(1, 2) - R2(2), shared = R2(1) + R2(2) - R2(1, 2). Unlike `split_r2` it needs up to
    2 K + 1 fits, and what it calls shared is not divided.

    Args:
        fit: takes bands of the training pictures, some of `train` in their order, and returns the fitted model, such as
            `lambda xs: banded_ridge_cv(xs, y, alphas)`.
        train, test: K >= 2 bands of features, [n, F_k] and [m, F_k].
        response: [m, V] of the test pictures.
    Returns:
        See `VariancePartition`; NaN where R2 is (constant voxels).
    Raises:
        ValueError: fewer than two bands, or another number of bands for the test.
    """
    bands = range(len(train))
    if len(train) < 2 or len(test) != len(train):
        raise ValueError(
            f"train and test must hold the same bands, two or more, got {len(train)} and {len(test)}"
        )

    @cache
    def explained(*chosen: int) -> Tensor:
        model = fit([train[k] for k in chosen])
        return r2_score(model.predict([test[k] for k in chosen]), response)

    full = explained(*bands)
    alone = torch.stack([explained(k) for k in bands])
    without = torch.stack([explained(*(j for j in bands if j != k)) for k in bands])
    unique = full - without
    return VariancePartition(full, alone, unique, full - unique.sum(0))
