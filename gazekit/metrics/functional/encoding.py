"""How well predicted responses follow measured ones, voxel by voxel over stimuli.

A voxel stands for any measured unit: a vertex of the cortical surface, an electrode, a neuron.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, reals
from gazekit.metrics.functional.moments import correlation, largest_one, moments, unpack_moments

__all__ = ["normalised_correlation", "normalised_r2", "pearson", "r2_score"]


def pearson(prediction: ArrayLike, response: ArrayLike, constant: Literal["nan", "zero"] = "nan") -> Tensor:
    """Pearson's correlation of predicted and measured responses over stimuli: encoding accuracy.

        r = sum_i (p_i - mean p)(y_i - mean y) / sqrt(sum_i (p_i - mean p)^2 sum_i (y_i - mean y)^2)

    Source: Pearson 1895 (Proceedings of the Royal Society 58, 240); as a score of encoding models, Naselaris
    et al. 2011 (NeuroImage 56, 400).

    Args:
        prediction: [n, ...] of n stimuli, usually [n, V] for V voxels.
        response: likewise.
        constant: what a voxel scores whose prediction or response does not vary: "nan" = undefined; "zero" =
            0, a model that says nothing, as encoding toolboxes have it.
    Returns:
        [...] float64 from -1 to 1; NaN for fewer than two stimuli, and for a voxel that holds NaN.
    Raises:
        TypeError: values are not real numbers.
        ValueError: shapes differ or have no stimuli dimension; an unknown `constant`.

    Example:
        >>> import torch
        >>> response = torch.tensor([[1.0, 5.0], [2.0, 4.0], [4.0, 0.0]])
        >>> prediction = torch.tensor([[1.0, 0.0], [3.0, 0.0], [2.0, 0.0]])
        >>> pearson(prediction, response)
        tensor([0.3273,    nan], dtype=torch.float64)
    """
    sides = stimuli_by_voxels(prediction, response)
    return correlation_or(constant, moments(*(largest_one(side, 0) for side in sides)))


def correlation_or(constant: Literal["nan", "zero"], packed: Tensor) -> Tensor:
    """`correlation` of packed moments, 0 for what does not vary if `constant` is "zero"."""
    if constant not in ("nan", "zero"):
        raise ValueError(f"constant must be 'nan' or 'zero', got {constant!r}")
    r = correlation(packed)
    if constant == "nan":
        return r
    count, _, comoment = unpack_moments(packed)
    flat = (comoment[0, 0] == 0) | (comoment[1, 1] == 0)
    return torch.where(flat & (count > 1) & ~comoment.isnan().any(0).any(0), 0.0, r)


def r2_score(prediction: ArrayLike, response: ArrayLike) -> Tensor:
    """Coefficient of determination of the measured responses over stimuli.

        R^2 = 1 - sum_i (y_i - p_i)^2 / sum_i (y_i - mean y)^2

    Unlike `pearson` it asks for the right mean and scale, and it is negative where predicting the mean of
    the tested responses would have been better.

    Args:
        prediction: [n, ...] of n stimuli, usually [n, V] for V voxels.
        response: likewise.
    Returns:
        [...] float64, at most 1; NaN for fewer than two stimuli, a constant response, or a voxel that holds
        NaN (scikit-learn and others put 0 or 1 for a constant response).
    Raises:
        TypeError: values are not real numbers.
        ValueError: shapes differ or have no stimuli dimension.

    Example:
        >>> import torch
        >>> r2_score(torch.tensor([1.0, 3.0, 2.0]), torch.tensor([1.0, 2.0, 4.0]))
        tensor(-0.0714, dtype=torch.float64)
    """
    both = largest_one(torch.cat(stimuli_by_voxels(prediction, response)), 0)  # one scale for the two
    return r2_of(moments(*both.tensor_split(2)))


def r2_of(packed: Tensor) -> Tensor:
    """R^2 from the packed moments of prediction and response."""
    count, mean, comoment = unpack_moments(packed)
    total = comoment[1, 1]
    residual = comoment[0, 0] - 2 * comoment[0, 1] + total + count * (mean[0] - mean[1]) ** 2
    flat = total == 0
    return torch.where(flat, torch.nan, 1 - residual / torch.where(flat, 1.0, total))


def normalised_correlation(r: ArrayLike, ceiling: ArrayLike, min_ceiling: float) -> Tensor:
    """Correlation relative to the best that the noise of the response allows: r / sqrt(ceiling).

    Source: Schoppe et al. 2016 (Frontiers in Computational Neuroscience 10, 10). The ceiling is an estimate, so
    values above 1 occur, the more the lower the ceiling.

    Args:
        r: [...] `pearson` of each voxel.
        ceiling: [...] `noise_ceiling` of each voxel, the fraction of variance from 0 to 1.
        min_ceiling: voxels with a lower ceiling, and those with 0, are undefined. The choice moves averages:
            report it with the number of voxels left.
    Returns:
        [...] float64; NaN where r or the ceiling is undefined or the ceiling too low.
    Raises:
        TypeError: values are not real numbers.
        ValueError: shapes that don't broadcast, a ceiling or min_ceiling outside 0 to 1.

    Example:
        >>> import torch
        >>> normalised_correlation(torch.tensor([0.3, 0.3]), torch.tensor([0.36, 0.01]), min_ceiling=0.05)
        tensor([0.5000,    nan], dtype=torch.float64)
    """
    r, ceiling = _above(r, ceiling, min_ceiling)
    return r / ceiling.sqrt()


def normalised_r2(r: ArrayLike, ceiling: ArrayLike, min_ceiling: float) -> Tensor:
    """Explained relative to explainable variance, with the sign of the correlation: sign(r) r^2 / ceiling.

    The "noise-normalised" score of the Algonauts 2023 challenge is its median over vertices, in percent
    (Gifford et al. 2023, arXiv 2301.03198). Deviation: there a negative r counts as 0, to our recollection;
    here it stays negative.

    Args:
        r: [...] `pearson` of each voxel.
        ceiling: [...] `noise_ceiling` of each voxel, the fraction of variance from 0 to 1.
        min_ceiling: voxels with a lower ceiling, and those with 0, are undefined.
    Returns:
        [...] float64; NaN where r or the ceiling is undefined or the ceiling too low.
    Raises:
        TypeError: values are not real numbers.
        ValueError: shapes that don't broadcast, a ceiling or min_ceiling outside 0 to 1.

    Example:
        >>> import torch
        >>> normalised_r2(torch.tensor([0.3, -0.3]), torch.tensor([0.36, 0.18]), min_ceiling=0.05)
        tensor([ 0.2500, -0.5000], dtype=torch.float64)
    """
    r, ceiling = _above(r, ceiling, min_ceiling)
    return r * r.abs() / ceiling


def stimuli_by_voxels(prediction: ArrayLike, response: ArrayLike) -> tuple[Tensor, Tensor]:
    """Both as float64 tensors of one shape [n, ...]."""
    prediction, response = reals("prediction", prediction), reals("response", response)
    if prediction.shape != response.shape or not prediction.dim():
        raise ValueError(
            "prediction and response must share one shape [n, ...], stimuli first, "
            f"got {list(prediction.shape)} and {list(response.shape)}"
        )
    return prediction, response


def check_ceiling(ceiling: ArrayLike, min_ceiling: float) -> Tensor:
    """The ceiling as a float64 tensor.

    Raises:
        ValueError: it, or min_ceiling, lies outside 0 to 1.
    """
    ceiling = reals("ceiling", ceiling)
    if ((ceiling < 0) | (ceiling > 1)).any():
        raise ValueError(
            "ceiling must be a fraction of variance from 0 to 1 (not percent), "
            f"got {ceiling.min().item():g} to {ceiling.max().item():g}"
        )
    if not 0 <= min_ceiling <= 1:
        raise ValueError(f"min_ceiling must lie between 0 and 1, got {min_ceiling}")
    return ceiling


def _above(r: ArrayLike, ceiling: ArrayLike, min_ceiling: float) -> tuple[Tensor, Tensor]:
    r, ceiling = reals("r", r), check_ceiling(ceiling, min_ceiling)
    try:
        torch.broadcast_shapes(r.shape, ceiling.shape)
    except RuntimeError as error:
        raise ValueError(
            f"r and ceiling must broadcast, got {list(r.shape)} and {list(ceiling.shape)}"
        ) from error
    low = (ceiling < min_ceiling) | (ceiling == 0)
    return r, torch.where(low, torch.nan, ceiling)
