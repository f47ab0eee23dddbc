"""Can the stimulus be told from the response? Predicted patterns matched with measured ones."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, values
from gazekit.metrics.functional.rsa import unit_patterns

__all__ = [
    "Similarity",
    "comparisons_won",
    "identification_accuracy",
    "similarity_patterns",
    "two_versus_two",
]

Similarity = Literal["pearson", "cosine"]
_CHUNK_BYTES = 64 * 2**20
_TIE = 1e-12  # sums of similarities that differ by no more are equal but for rounding


def two_versus_two(
    prediction: ArrayLike, response: ArrayLike, similarity: Similarity = "pearson", chunk: int | None = None
) -> Tensor:
    """Fraction of pairs of stimuli in which matched patterns are more alike than swapped ones.

        mean over i < j of [ s(p_i, y_i) + s(p_j, y_j) > s(p_i, y_j) + s(p_j, y_i) ],  equality (to 1e-12) counting 1/2

    Source: Mitchell et al. 2008 (Science 320, 1191), with cosine similarity and stimuli left out in pairs.

    Args:
        prediction: [n, V] predicted responses of V voxels to n stimuli.
        response: [n, V] measured ones.
        similarity: s, "pearson" over voxels, or "cosine" without subtraction of the mean over voxels.
        chunk: stimuli compared with all others at once; by default as many as keep tables below 64 MiB.
    Returns:
        [] float64 from 0 to 1, chance 0.5. Pairs with a stimulus whose similarity is undefined (a constant or,
        for cosine, zero pattern, a NaN) are left out; NaN if no pair is left.
    Raises:
        TypeError: values are not real numbers.
        ValueError: shapes are not one [n, V]; unknown similarity; chunk below 1.

    Example:
        >>> import torch
        >>> response = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
        >>> two_versus_two(response[[0, 2, 1]], response)
        tensor(0.6667, dtype=torch.float64)
    """
    return _compare(prediction, response, similarity, chunk, swapped=True)


def identification_accuracy(
    prediction: ArrayLike, response: ArrayLike, similarity: Similarity = "pearson", chunk: int | None = None
) -> Tensor:
    """How often the prediction for a stimulus is more like its own response than like that to another one.

        mean over i, j != i of [ s(p_i, y_i) > s(p_i, y_j) ],  equality (to 1e-12) counting 1/2

    Also called pairwise identification or two-way identification; the mean over j is the normalised rank of
    the right response. Source: Kay et al. 2008 (Nature 452, 352) for identification by correlation.

    Args:
        prediction: [n, V] predicted responses of V voxels to n stimuli.
        response: [n, V] measured ones.
        similarity: s, "pearson" over voxels, or "cosine" without subtraction of the mean over voxels.
        chunk: stimuli compared with all others at once; by default as many as keep tables below 64 MiB.
    Returns:
        [] float64 from 0 to 1, chance 0.5. Comparisons whose similarities are undefined (a constant or, for
        cosine, zero pattern, a NaN) are left out; NaN if none is left.
    Raises:
        TypeError: values are not real numbers.
        ValueError: shapes are not one [n, V]; unknown similarity; chunk below 1.

    Example:
        >>> import torch
        >>> response = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
        >>> identification_accuracy(response[[0, 2, 1]], response)
        tensor(0.5000, dtype=torch.float64)
    """
    return _compare(prediction, response, similarity, chunk, swapped=False)


def similarity_patterns(
    prediction: ArrayLike, response: ArrayLike, similarity: Similarity
) -> tuple[Tensor, Tensor]:
    """[n, V] both, so scaled that the dot product is the similarity; NaN rows have none."""
    prediction, response = values("prediction", prediction), values("response", response)
    if prediction.shape != response.shape or prediction.dim() != 2:
        raise ValueError(
            "prediction and response must share one shape [n, V], "
            f"got {list(prediction.shape)} and {list(response.shape)}"
        )
    if similarity not in ("pearson", "cosine"):
        raise ValueError(f"similarity must be pearson or cosine, got {similarity!r}")
    centred = similarity == "pearson"
    return unit_patterns(prediction, centred), unit_patterns(response, centred)


def _compare(
    prediction: ArrayLike, response: ArrayLike, similarity: Similarity, chunk: int | None, swapped: bool
) -> Tensor:
    p, y = similarity_patterns(prediction, response, similarity)
    return comparisons_won(p, y, p.new_ones(1, len(p)), swapped, chunk)[0]


def comparisons_won(p: Tensor, y: Tensor, weight: Tensor, swapped: bool, chunk: int | None = None) -> Tensor:
    """[R] share of comparisons won of `similarity_patterns` [n, V], each stimulus counted as
    often as weight [R, n] says.

    A stimulus is never compared with a copy of itself.
    """
    if chunk is None:
        chunk = max(1, _CHUNK_BYTES // (8 * 6 * max(1, len(p))))  # about six tables at the peak
    if chunk < 1:
        raise ValueError(f"chunk must be at least 1, got {chunk}")
    matched = (p * y).sum(-1)
    total, count = weight.new_zeros(len(weight)), weight.new_zeros(len(weight))
    everyone = torch.arange(len(p), device=p.device)
    for rows in everyone.split(chunk):
        margin = matched[rows, None] - p[rows] @ y.T  # [chunk, n]
        if swapped:
            margin = margin + matched - y[rows] @ p.T
        counted = ((rows[:, None] != everyone) & ~margin.isnan()).to(margin)
        won = ((margin > _TIE).to(margin) + (margin.abs() <= _TIE).to(margin) / 2) * counted
        total = total + (weight[:, rows] @ won * weight).sum(1)
        count = count + (weight[:, rows] @ counted * weight).sum(1)
    return total / count
