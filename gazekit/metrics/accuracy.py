"""Accuracy over items."""

from __future__ import annotations

from gazekit.metrics.functional.accuracy import accuracy
from gazekit.metrics.functional.arguments import ArrayLike
from gazekit.metrics.item_metric import ItemMetric

__all__ = ["Accuracy"]


class Accuracy(ItemMetric):
    """Mean of `functional.accuracy` over items. Items without a label are left out and counted in `undefined`.

    Example:
        >>> metric = Accuracy()
        >>> metric.update([0, 2, 1, 1], [0, 1, -1, 1])
        >>> metric.compute()
        tensor(0.6667, dtype=torch.float64)
    """

    higher_is_better = True

    def update(self, predicted: ArrayLike, label: ArrayLike, group: ArrayLike | None = None) -> None:
        """Add B items.

        Args:
            predicted: [B] integer classes, or [B, C] scores of all classes, of which the highest is taken.
            label: [B] integer classes; below 0 where the class is unknown.
            group: [B] integer ids of what the items belong to, which an interval draws.
        Raises:
            TypeError, ValueError: as `functional.accuracy`.
        """
        self.add(accuracy(predicted, label), group)
