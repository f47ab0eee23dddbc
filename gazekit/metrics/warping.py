"""Distances of a model's scanpaths from people's as curves; the definitions are in `functional`."""

from __future__ import annotations

from gazekit.metrics.functional.warping import dtw_px, frechet_px
from gazekit.metrics.item_metric import Aggregation
from gazekit.metrics.pair_metric import PairMetric

__all__ = ["DTW", "Frechet"]


class DTW(PairMetric):
    """Mean `functional.dtw_px` of a model's and people's scanpaths, over trials.

    Example:
        >>> metric = DTW()
        >>> metric.update([[[0, 0], [30, 40]]], [[[0, 0]]])
        >>> metric.compute()
        tensor(50., dtype=torch.float64)
    """

    function = staticmethod(dtw_px)
    higher_is_better = False

    def __init__(self, aggregation: Aggregation = "item") -> None:
        super().__init__(aggregation)


class Frechet(PairMetric):
    """Mean `functional.frechet_px` of a model's and people's scanpaths, over trials.

    Example:
        >>> metric = Frechet()
        >>> metric.update([[[0, 0], [30, 40]]], [[[0, 0], [40, 40]]])
        >>> metric.compute()
        tensor(10., dtype=torch.float64)
    """

    function = staticmethod(frechet_px)
    higher_is_better = False

    def __init__(self, aggregation: Aggregation = "item") -> None:
        super().__init__(aggregation)
