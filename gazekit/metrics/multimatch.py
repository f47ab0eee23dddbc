"""MultiMatch of a model's scanpaths with people's; the definition is in `functional`."""

from __future__ import annotations

from gazekit.metrics.functional.grouping import Grouping
from gazekit.metrics.functional.multimatch import MULTIMATCH_PARTS, multimatch
from gazekit.metrics.item_metric import Aggregation
from gazekit.metrics.pair_metric import SizedPairMetric

__all__ = ["MultiMatch"]


class MultiMatch(SizedPairMetric):
    """Mean `functional.multimatch` of a model's and people's scanpaths, over trials; five values, `parts`.

    Args:
        grouping: thresholds for merging saccades before the comparison; None = no merging.
        aggregation: see `ItemMetric`.

    Example:
        >>> metric = MultiMatch()
        >>> path = [[0, 0, 200], [300, 400, 150], [300, 0, 250]]
        >>> metric.update([path], [path], size_px=(800, 600))
        >>> dict(zip(metric.parts, metric.compute().tolist()))
        {'vector': 1.0, 'direction': 1.0, 'length': 1.0, 'position': 1.0, 'duration': 1.0}
    """

    function = staticmethod(multimatch)
    parts = MULTIMATCH_PARTS
    higher_is_better = True

    def __init__(self, grouping: Grouping | None = None, aggregation: Aggregation = "item") -> None:
        super().__init__(aggregation, grouping=grouping)
