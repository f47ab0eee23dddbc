"""Average precision of scores for two classes."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, binary, reals

__all__ = ["average_precision", "weighted_average_precision"]


def average_precision(scores: ArrayLike, labels: ArrayLike) -> Tensor:
    """Area under the precision-recall curve as a step function, over the distinct scores from high to low.

        AP = sum_n (R_n - R_{n-1}) P_n

    Equal scores share one threshold and enter together, so their order does not matter. scikit-learn's
    definition, which gaze following uses for "is the target in frame". Detection's AP is `detection_ap`.

    Args:
        scores: [..., N], higher = rather positive.
        labels: [..., N] bool, or integers 0 and 1.
    Returns:
        [...] from 0 to 1; NaN without a positive, and where a score is NaN.
    Raises:
        TypeError: scores are not real numbers, labels not booleans or integers.
        ValueError: shapes differ, labels other than 0 and 1.

    Example:
        >>> average_precision([0.9, 0.6, 0.6, 0.1], [1, 0, 1, 0])
        tensor(0.8333, dtype=torch.float64)
    """
    scores, labels = reals("scores", scores, None), binary("labels", labels)
    if scores.shape != labels.shape:
        raise ValueError(
            f"scores and labels must share one shape, got {list(scores.shape)} and {list(labels.shape)}"
        )
    if not scores.shape[-1]:
        return scores.new_full(scores.shape[:-1], torch.nan)
    ordered, order = (-scores).sort(-1)
    positive = labels.gather(-1, order)
    # number of scores at least as high as each: where its group of equal scores ends
    end = torch.searchsorted(ordered, ordered, right=True)
    hits = positive.cumsum(-1).gather(-1, end - 1)
    precision = hits / end.to(scores)
    total = positive.sum(-1)
    mean = torch.where(positive, precision, 0.0).sum(-1) / total
    return torch.where(scores.isnan().any(-1), torch.nan, mean)


def weighted_average_precision(scores: Tensor, labels: Tensor, weight: Tensor) -> Tensor:
    """[R] `average_precision` of scores [N] and bool labels [N], each counted as often as weight [R, N] says."""
    if not len(scores):
        return weight.new_full(weight.shape[:1], torch.nan)
    ordered, order = (-scores).sort()
    end = torch.searchsorted(ordered, ordered, right=True) - 1
    everyone = weight[:, order]
    positive = everyone * labels[order]
    precision = positive.cumsum(1)[:, end] / everyone.cumsum(1)[:, end]
    return torch.where(positive > 0, positive * precision, 0.0).sum(1) / positive.sum(1)
