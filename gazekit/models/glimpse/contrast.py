"""The cosine contrast of glimpse prediction: like the true next glimpse, unlike all others of the batch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["SAME_GLIMPSE", "Contrast", "cosine_contrast"]

SAME_GLIMPSE = 0.999
"""Two targets of a scanpath with at least this cosine are one glimpse that was fixated twice."""


class Contrast(NamedTuple):
    """Mean cosines of predictions, [] each; NaN where there is no such pair.

    Args:
        target: with what they predict.
        same_scanpath: with the other targets of the same scanpath.
        other_scanpaths: with targets of all other scanpaths, also of the same picture.
    """

    target: Tensor
    same_scanpath: Tensor
    other_scanpaths: Tensor

    @property
    def loss(self) -> Tensor:
        """(same_scanpath + other_scanpaths) / 2 - target, from about -2 to 1; a term without pairs counts as 0."""
        others = (self.same_scanpath, self.other_scanpaths)
        return sum(torch.where(x.isnan(), 0.0, x) for x in others) / 2 - self.target


def cosine_contrast(target: Tensor, prediction: Tensor, mask: Tensor | None = None) -> Contrast:
    """Contrast over all pairs of N = B T targets a_i and predictions p_j, without a table of N x N.

    The mean of cosines over a set of pairs is a product of sums of unit vectors, so that the pairs of different
    scanpaths cost N D instead of N^2 D; only pairs within a scanpath, B T^2, are looked at one by one.

        L = ( mean_{same scanpath, kept} S + mean_{other scanpaths} S ) / 2 - mean_{i = j} S,   S_ij = cos(a_i, p_j)

    A pair within a scanpath is kept if cos(a_i, a_j) < `SAME_GLIMPSE`. Source: released code of the glimpse prediction
    network (arXiv 2511.12715).

    Args:
        target: [B, T, D] true next embeddings.
        prediction: [B, T, D].
        mask: [B, T] bool, True = this step exists; None = all do.
    Returns:
        The means; the gradient reaches both arguments. A vector of zeros has cosine 0 with everything.
    Raises:
        ValueError: shapes that differ.
    """
    if target.dim() != 3 or target.shape != prediction.shape:
        raise ValueError(
            f"target and prediction must be [B, T, D] alike, got {list(target.shape)} and {list(prediction.shape)}"
        )
    if mask is None:
        mask = torch.ones(target.shape[:2], dtype=torch.bool, device=target.device)
    elif mask.shape != target.shape[:2]:
        raise ValueError(f"mask must be {list(target.shape[:2])} like target, got {list(mask.shape)}")
    # lengths divide products of vectors, not the vectors: no copy of all embeddings is made
    a, p = (mask / x.norm(dim=2).clamp(min=1e-12) for x in (target, prediction))  # [B, T]
    steps = mask.sum(1).to(a)
    within = target @ prediction.mT * a[:, :, None] * p[:, None]  # [B, T, T]
    with torch.no_grad():
        kept = target @ target.mT * a[:, :, None] * a[:, None] < SAME_GLIMPSE
        kept &= mask[:, :, None] & mask[:, None]
        kept &= ~torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
    matched = within.diagonal(dim1=1, dim2=2).sum()
    everything = (a.flatten() @ target.flatten(0, 1)) @ (p.flatten() @ prediction.flatten(0, 1))
    pairs = steps.sum() ** 2 - (steps**2).sum()
    return Contrast(
        _mean(matched, steps.sum()),
        _mean((within * kept).sum(), kept.sum()),
        _mean(everything - within.sum(), pairs),
    )


def _mean(total: Tensor, count: Tensor) -> Tensor:
    return torch.where(count > 0, total / count.clamp(min=1), torch.nan)
