"""Share of items whose predicted class is the true one."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, integers, reals

__all__ = ["accuracy"]


def accuracy(predicted: ArrayLike, label: ArrayLike) -> Tensor:
    """1 where the predicted class equals the label, else 0.

    Args:
        predicted: [B] integer classes, or [B, C] scores of all classes, of which the highest is taken (the first of
            equal ones).
        label: [B] integer classes; below 0 where the class is unknown.
    Returns:
        [B] float64; NaN without a label, or where a score is NaN.
    Raises:
        TypeError: labels (or one-dimensional predictions) that are not integers.
        ValueError: shapes that do not fit, no class.

    Example:
        >>> accuracy([0, 2, 1], [0, 1, -1])
        tensor([1., 0., nan], dtype=torch.float64)
    """
    label = integers("label", label)
    predicted = torch.as_tensor(predicted)
    if (
        label.dim() != 1
        or predicted.shape[:1] != label.shape
        or predicted.dim() > 2
        or 0 in predicted.shape[1:]
    ):
        raise ValueError(
            f"predicted must be [B] or [B, C] and label [B], got {list(predicted.shape)} and {list(label.shape)}"
        )
    unknown = label < 0
    if predicted.dim() == 2:
        scores = reals("predicted", predicted, None)
        unknown = unknown | scores.isnan().any(1)
        predicted = scores.argmax(1)
    return torch.where(unknown, torch.nan, (integers("predicted", predicted) == label).double())
