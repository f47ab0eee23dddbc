"""Share of items whose predicted class is the true one."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike
from gazekit.metrics.item_metric import ItemMetric

__all__ = ["Accuracy"]


class Accuracy(ItemMetric):
    """Mean over items of 1 where the predicted class equals the label, else 0; chance is the share of a class.

    An item without a label (below 0) has no value and is counted in `undefined`.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    def update(self, predicted: ArrayLike, label: ArrayLike, group: ArrayLike | None = None) -> None:
        """Add B items.

        Args:
            predicted: [B] integer classes, or [B, C] scores of all classes, the highest of which is taken.
            label: [B] integer classes; below 0 where the class is unknown.
            group: [B] integer ids of what the items belong to, which an interval draws.
        Raises:
            TypeError: labels that are not integers. ValueError: shapes that do not fit.
        """
        predicted, label = torch.as_tensor(predicted), torch.as_tensor(label)
        if label.is_floating_point() or label.dtype == torch.bool:
            raise TypeError(f"label must hold integer classes, got {label.dtype}")
        if predicted.dim() == 2:
            predicted = predicted.argmax(1)
        if predicted.shape != label.shape or label.dim() != 1:
            raise ValueError(
                f"predicted and label must be [B] or [B, C] and [B], got {list(predicted.shape)}, {list(label.shape)}"
            )
        self.add(_right(predicted, label), group)


def _right(predicted: Tensor, label: Tensor) -> Tensor:
    return torch.where(label < 0, torch.nan, (predicted == label).double())
