"""Variance of a brain's dissimilarities that a model's explain, with weights that cannot be negative.

The measure of the glimpse prediction network (arXiv 2511.12715, released code): a regression with intercept of the
brain's pairs on the model's, both standardised, whose weights are at least 0. A model that finds alike what the brain
finds different explains nothing. Pairs are those of `similarity.upper_pairs`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["RDMVariance", "ceiling_r2", "nonnegative_r2", "partition_r2"]


class RDMVariance(NamedTuple):
    """R2 of two models, [S] each.

    Args:
        both: of a regression on both. first, second: on one alone.
        unique_first, unique_second: max(0, both - other alone).
        shared: max(0, first + second - both).
    """

    both: Tensor
    first: Tensor
    second: Tensor
    unique_first: Tensor
    unique_second: Tensor
    shared: Tensor


def nonnegative_r2(model: Tensor, brain: Tensor) -> Tensor:
    """[M, S] variance of S brains explained by each of M models alone: r squared for a positive r, else 0.

    Args:
        model: [M, P] dissimilarities of P pairs of pictures.
        brain: [S, P].
    Returns:
        float64, NaN where one side is constant or has NaN.
    Raises:
        ValueError: other shapes.
    """
    return _correlation(model, brain).clamp(min=0) ** 2


def ceiling_r2(brain: Tensor) -> Tensor:
    """[S] `nonnegative_r2` of each subject with the mean of the others: what a model as good as the group reaches.

    Args:
        brain: [S, P]; the matrices of others are averaged as they are.
    Returns:
        float64, NaN with one subject.
    """
    subjects = len(brain)
    if subjects < 2:
        return torch.full((subjects,), torch.nan, dtype=torch.float64)
    brain = brain.double()
    others = (brain.sum(0) - brain) / (subjects - 1)
    return nonnegative_r2(others, brain).diagonal()


def partition_r2(first: Tensor, second: Tensor, brain: Tensor) -> RDMVariance:
    """What two models explain of S brains, uniquely and together.

    With two predictors the regression with weights of at least 0 has a closed form: ordinary least squares where both
    of its weights are positive, else the better one alone. Alike models (r = 1) share all.

    Args:
        first, second: [P]. brain: [S, P].
    """
    model = torch.stack([first, second])
    r = _correlation(model, brain)  # [2, S]
    between = _correlation(model, model)[0, 1]
    alone = r.clamp(min=0) ** 2
    weight = (r - between * r.flip(0)) / (1 - between**2)
    fitted = (weight * r).sum(0)
    inside = (weight > 0).all(0) & (between.abs() < 1 - 1e-12)
    both = torch.where(inside, fitted, alone.amax(0))
    unique = (both - alone.flip(0)).clamp(min=0)
    return RDMVariance(both, *alone, *unique, (alone.sum(0) - both).clamp(min=0))


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    """[M, S] Pearson's."""
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"expected pairs [M, P] and [S, P], got {list(a.shape)} and {list(b.shape)}")
    unit = []
    for side in (a, b):
        centred = side.double() - side.double().mean(1, keepdim=True)
        length = centred.norm(dim=1, keepdim=True)
        flat = length <= 1e-12 * side.double().abs().amax(1, keepdim=True)
        unit.append(centred / length.where(~flat, torch.nan))
    return (unit[0] @ unit[1].T).clamp(-1, 1)
