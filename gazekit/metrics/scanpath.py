"""Comparisons of a model's scanpaths with people's; the definitions are in `functional`."""

from __future__ import annotations

from gazekit.metrics.functional.point_sets import hausdorff_px
from gazekit.metrics.item_metric import Aggregation
from gazekit.metrics.pair_metric import PairMetric

__all__ = ["Hausdorff"]


class Hausdorff(PairMetric):
    """Mean `functional.hausdorff_px` of a model's and people's scanpaths, over trials.

    Example:
        >>> metric = Hausdorff()
        >>> metric.update([[[0, 0], [30, 40]]], [[[0, 0]]])
        >>> metric.compute()
        tensor(50., dtype=torch.float64)
    """

    function = staticmethod(hausdorff_px)
    higher_is_better = False

    def __init__(self, aggregation: Aggregation = "item") -> None:
        super().__init__(aggregation)
