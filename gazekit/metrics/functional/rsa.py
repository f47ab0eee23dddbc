"""Representational similarity analysis: do two systems find the same stimuli alike?"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, reals
from gazekit.metrics.functional.encoding import pearson
from gazekit.metrics.functional.moments import largest_one
from gazekit.metrics.functional.ranks import average_ranks, kendall_tau_a

__all__ = ["RSACeiling", "RSAMethod", "rdm", "rsa", "rsa_ceiling", "rsa_of_draw"]

RSAMethod = Literal["spearman", "kendall_tau_a", "pearson"]


def rdm(patterns: ArrayLike) -> Tensor:
    """Representational dissimilarity matrix: 1 - Pearson's correlation of the patterns of each two stimuli.

    Source: Kriegeskorte, Mur and Bandettini 2008 (Frontiers in Systems Neuroscience 2, 4).

    Args:
        patterns: [..., n, D] responses of D voxels or features to n stimuli.
    Returns:
        [..., n, n] float64 from 0 (on the diagonal) to 2; NaN in row and column of a stimulus whose pattern
        is constant or holds NaN.
    Raises:
        TypeError: values are not real numbers.
        ValueError: no stimuli or feature dimension.

    Example:
        >>> import torch
        >>> rdm(torch.tensor([[0.0, 1.0, 2.0], [0.0, 2.0, 4.0], [3.0, 2.0, 1.0]])).round(decimals=9)
        tensor([[0., 0., 2.],
                [0., 0., 2.],
                [2., 2., 0.]], dtype=torch.float64)
    """
    patterns = reals("patterns", patterns)
    if patterns.dim() < 2:
        raise ValueError(f"patterns must have shape [..., n, D], got {list(patterns.shape)}")
    unit = unit_patterns(patterns, centred=True)
    distance = 1 - (unit @ unit.mT).clamp(-1, 1)
    undefined = distance.isnan()
    itself = torch.eye(patterns.shape[-2], dtype=torch.bool, device=patterns.device)
    return torch.where(itself & ~undefined, 0.0, distance)


def unit_patterns(patterns: Tensor, centred: bool) -> Tensor:
    """[..., D] divided by their length, after subtraction of their mean if `centred`; NaN for length 0."""
    if centred:
        patterns = patterns - patterns[..., :1]  # exactly 0 for a constant pattern
        patterns = patterns - patterns.mean(-1, keepdim=True)
    patterns = largest_one(patterns, -1)
    squares = patterns.square().sum(-1, keepdim=True)
    nothing = squares == 0
    return torch.where(nothing, torch.nan, patterns / torch.where(nothing, 1.0, squares).sqrt())


def rsa(rdm_a: ArrayLike, rdm_b: ArrayLike, method: RSAMethod = "spearman") -> Tensor:
    """Correlation of two dissimilarity matrices over all pairs of different stimuli.

    Source: Kriegeskorte, Mur and Bandettini 2008 (Frontiers in Systems Neuroscience 2, 4), with Spearman's
    rank correlation; Nili et al. 2014 (PLoS Computational Biology 10, e1003553) recommend Kendall's tau-a
    where a model predicts ties (categories), which Spearman's correlation favours.

    Args:
        rdm_a: [..., n, n] symmetric dissimilarities of n stimuli; the diagonal does not matter.
        rdm_b: [..., n, n] likewise, on any scale; leading dimensions broadcast.
        method: "spearman", "kendall_tau_a" (tied pairs count as neither concordant nor discordant) or
            "pearson". Only "pearson" is differentiable.
    Returns:
        [...] float64 from -1 to 1; NaN where a dissimilarity off the diagonal is NaN, for fewer than three
        stimuli, and (other than tau-a, which is 0) where one matrix is the same everywhere.
    Raises:
        TypeError: values are not real numbers.
        ValueError: matrices that are not square or not symmetric, shapes that don't fit, unknown method.

    Example:
        >>> import torch
        >>> model = torch.tensor([[0.0, 0.2, 0.9], [0.2, 0.0, 0.5], [0.9, 0.5, 0.0]])
        >>> brain = torch.tensor([[0.0, 0.1, 0.6], [0.1, 0.0, 0.7], [0.6, 0.7, 0.0]])
        >>> rsa(model, brain)
        tensor(0.5000, dtype=torch.float64)
    """
    rdm_a, rdm_b = _symmetric("rdm_a", rdm_a), _symmetric("rdm_b", rdm_b)
    wrong = (
        "rdm_a and rdm_b must hold equally many stimuli and broadcast, "
        f"got {list(rdm_a.shape)} and {list(rdm_b.shape)}"
    )
    if rdm_a.shape[-1] != rdm_b.shape[-1]:
        raise ValueError(wrong)
    try:
        a, b = torch.broadcast_tensors(_pairs(rdm_a), _pairs(rdm_b))
    except RuntimeError as error:
        raise ValueError(wrong) from error
    if method not in ("spearman", "kendall_tau_a", "pearson"):
        raise ValueError(f"method must be spearman, kendall_tau_a or pearson, got {method!r}")
    undefined = (a.isnan() | b.isnan()).any(-1) | (a.shape[-1] < 3)  # fewer than three pairs of stimuli
    return torch.where(undefined, torch.nan, _correlation(a, b, method))


class RSACeiling(NamedTuple):
    """Bounds of the score that a model as good as the subjects are alike would get."""

    lower: Tensor
    upper: Tensor


def rsa_ceiling(rdms: ArrayLike, method: RSAMethod = "spearman") -> RSACeiling:
    """How well subjects' dissimilarities are predicted by those of the group: the noise ceiling of `rsa`.

        lower = mean over subjects of rsa(subject, mean of the other subjects)
        upper = mean over subjects of rsa(subject, mean of all subjects)

    Source: Nili et al. 2014 (PLoS Computational Biology 10, e1003553). Deviation: there dissimilarities are
    ranked or standardised within subjects before the mean, which makes the upper bound tight; here the mean is
    that of the matrices as given. On the four subjects of the 92-object set the upper bound is .661 so and
    .666 with ranks.

    Args:
        rdms: [..., S, n, n] dissimilarities of S subjects, all in one unit.
        method: as in `rsa`.
    Returns:
        lower and upper, [...] float64; NaN for fewer than two subjects or where `rsa` is NaN for any subject.
    Raises:
        TypeError, ValueError: as `rsa`; no subject dimension.

    Example:
        >>> import torch
        >>> patterns = torch.randn(3, 8, 20, generator=torch.Generator().manual_seed(0))
        >>> ceiling = rsa_ceiling(rdm(patterns + 2 * patterns[:1]))
        >>> bool(ceiling.lower < ceiling.upper)
        True
    """
    rdms = reals("rdms", rdms)
    if rdms.dim() < 3:
        raise ValueError(f"rdms must have shape [..., S, n, n], got {list(rdms.shape)}")
    subjects = rdms.shape[-3]
    if subjects < 2:  # the group would be the subject itself
        rdms = torch.full_like(rdms, torch.nan)
    everyone = rdms.sum(-3, keepdim=True)
    lower = rsa(rdms, (everyone - rdms) / (subjects - 1), method)
    upper = rsa(rdms, everyone / subjects, method)
    return RSACeiling(lower.mean(-1), upper.mean(-1))


def rsa_of_draw(rdm_a: Tensor, rdm_b: Tensor, times: Tensor, method: RSAMethod) -> Tensor:
    """[] `rsa` of stimuli that are drawn so many times [n] each. Pairs of a stimulus with its copy are left out."""
    drawn = torch.arange(len(times), device=rdm_a.device).repeat_interleave(times)
    row, column = torch.triu_indices(len(drawn), len(drawn), offset=1, device=rdm_a.device)
    row, column = drawn[row], drawn[column]
    different = row != column
    a, b = (matrix[row[different], column[different]] for matrix in (rdm_a, rdm_b))
    if len(a) < 3 or (a.isnan() | b.isnan()).any():
        return a.new_tensor(torch.nan)
    return _correlation(a, b, method)


def _symmetric(name: str, matrix: ArrayLike) -> Tensor:
    matrix = reals(name, matrix)
    if matrix.dim() < 2 or matrix.shape[-1] != matrix.shape[-2]:
        raise ValueError(f"{name} must have shape [..., n, n], got {list(matrix.shape)}")
    if not torch.allclose(matrix, matrix.mT, rtol=1e-6, atol=1e-6, equal_nan=True):
        raise ValueError(f"{name} must be symmetric; `rdm` makes a matrix of dissimilarities of patterns")
    return matrix


def _pairs(matrix: Tensor) -> Tensor:
    """[..., n (n - 1) / 2] the dissimilarities above the diagonal."""
    row, column = torch.triu_indices(matrix.shape[-1], matrix.shape[-1], offset=1, device=matrix.device)
    return matrix[..., row, column]


def _correlation(a: Tensor, b: Tensor, method: RSAMethod) -> Tensor:
    if method == "kendall_tau_a":
        return kendall_tau_a(a, b)
    if method == "spearman":
        a, b = average_ranks(a), average_ranks(b)
    return pearson(a.movedim(-1, 0), b.movedim(-1, 0))
