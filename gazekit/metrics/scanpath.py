"""Comparisons of a model's scanpaths with people's; the definitions are in `functional`."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, values
from gazekit.metrics.functional.mannan import mannan_similarity, mannan_squared_distance
from gazekit.metrics.functional.point_sets import euclidean_px, eyenalysis_px, hausdorff_px
from gazekit.metrics.functional.recurrence import RECURRENCE_PARTS, cross_recurrence
from gazekit.metrics.functional.time_delay_embedding import (
    scaled_time_delay_embedding,
    time_delay_embedding_px,
)
from gazekit.metrics.item_metric import Aggregation
from gazekit.metrics.pair_metric import PairMetric, SizedPairMetric
from gazekit.scanpath import ScanpathsLike

__all__ = [
    "CrossRecurrence",
    "Euclidean",
    "Eyenalysis",
    "Hausdorff",
    "MannanSimilarity",
    "MannanSquaredDistance",
    "ScaledTimeDelayEmbedding",
    "TimeDelayEmbedding",
]


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


class Eyenalysis(PairMetric):
    """Mean `functional.eyenalysis_px` of a model's and people's scanpaths, over trials.

    Example:
        >>> metric = Eyenalysis()
        >>> metric.update([[[0, 0], [30, 40]]], [[[0, 0]]])
        >>> metric.compute()
        tensor(25., dtype=torch.float64)
    """

    function = staticmethod(eyenalysis_px)
    higher_is_better = False

    def __init__(self, aggregation: Aggregation = "item") -> None:
        super().__init__(aggregation)


class Euclidean(PairMetric):
    """Mean `functional.euclidean_px` of a model's and people's scanpaths, over trials with equal lengths.

    Example:
        >>> metric = Euclidean()
        >>> metric.update([[[0, 0], [30, 40]], [[0, 0]]], [[[0, 10], [0, 0]], [[5, 5], [6, 6]]])
        >>> metric.compute(), metric.undefined
        (tensor(30., dtype=torch.float64), tensor(1))
    """

    function = staticmethod(euclidean_px)
    higher_is_better = False

    def __init__(self, aggregation: Aggregation = "item") -> None:
        super().__init__(aggregation)


class MannanSquaredDistance(SizedPairMetric):
    """Mean `functional.mannan_squared_distance` of a model's and people's scanpaths, over trials.

    Example:
        >>> metric = MannanSquaredDistance()
        >>> metric.update([[[0, 0], [30, 40]]], [[[0, 0]]], size_px=(300, 400))
        >>> metric.compute()
        tensor(0.0025, dtype=torch.float64)
    """

    function = staticmethod(mannan_squared_distance)
    higher_is_better = False

    def __init__(self, aggregation: Aggregation = "item") -> None:
        super().__init__(aggregation)


class MannanSimilarity(SizedPairMetric):
    """Mean `functional.mannan_similarity` of a model's and people's scanpaths, over trials.

    Args:
        n_random: pairs of random scanpaths behind the baseline of each pair of lengths, drawn from `seed`.
        aggregation: see `ItemMetric`.

    Example:
        >>> metric = MannanSimilarity()
        >>> metric.update([[[0, 0], [30, 40]]], [[[30, 40], [0, 0]]], size_px=(300, 400))
        >>> metric.compute()
        tensor(100., dtype=torch.float64)
    """

    function = staticmethod(mannan_similarity)
    higher_is_better = True

    def __init__(self, n_random: int = 1000, seed: int = 0, aggregation: Aggregation = "item") -> None:
        super().__init__(aggregation, n_random=n_random, seed=seed)


class TimeDelayEmbedding(PairMetric):
    """Mean `functional.time_delay_embedding_px` from a model's to people's scanpaths, over trials.

    Args:
        k: as in the function, as are `reduce` and `window`.
        aggregation: see `ItemMetric`.

    Example:
        >>> metric = TimeDelayEmbedding(k=2)
        >>> metric.update([[[100, 0], [100, 130]]], [[[0, 0], [100, 0], [100, 100]]])
        >>> metric.compute()
        tensor(15., dtype=torch.float64)
    """

    higher_is_better = False

    def __init__(
        self,
        k: int,
        reduce: Literal["mean", "max"] = "mean",
        window: Literal["l2", "sum"] = "l2",
        aggregation: Aggregation = "item",
    ) -> None:
        super().__init__(aggregation, k=k, reduce=reduce, window=window)

    @staticmethod
    def function(model: ScanpathsLike, human: ScanpathsLike, **settings) -> Tensor:
        return time_delay_embedding_px(human, model, **settings)  # not symmetric


class ScaledTimeDelayEmbedding(SizedPairMetric):
    """Mean `functional.scaled_time_delay_embedding` (STDE) from a model's to people's scanpaths, over trials.

    Args:
        window: as in the function.
        aggregation: see `ItemMetric`.

    Example:
        >>> metric = ScaledTimeDelayEmbedding()
        >>> metric.update([[[100, 0], [100, 130]]], [[[0, 0], [100, 0], [100, 100]]], size_px=(800, 600))
        >>> metric.compute()
        tensor(0.9814, dtype=torch.float64)
    """

    higher_is_better = True

    def __init__(self, window: Literal["l2", "sum"] = "l2", aggregation: Aggregation = "item") -> None:
        super().__init__(aggregation, window=window)

    @staticmethod
    def function(model: ScanpathsLike, human: ScanpathsLike, size_px: Tensor, **settings) -> Tensor:
        return scaled_time_delay_embedding(human, model, size_px, **settings)  # not symmetric


class CrossRecurrence(PairMetric):
    """Mean `functional.cross_recurrence` of a model's and people's scanpaths, over trials; four values, `parts`.

    Args:
        min_run: as in the function, as is `variant`.
        aggregation: see `ItemMetric`.

    Example:
        >>> metric = CrossRecurrence()
        >>> metric.update([[[0, 0], [100, 0], [200, 0]]], [[[210, 0], [10, 0], [90, 0]]], radius_px=20)
        >>> metric.compute()
        tensor([33.3333, 66.6667,  0.0000,  0.0000], dtype=torch.float64)
    """

    function = staticmethod(cross_recurrence)
    parts = RECURRENCE_PARTS
    higher_is_better = None

    def __init__(
        self,
        min_run: int = 2,
        variant: Literal["runs", "linesum"] = "runs",
        aggregation: Aggregation = "item",
    ) -> None:
        super().__init__(aggregation, min_run=min_run, variant=variant)

    def update(
        self,
        model: ScanpathsLike,
        human: ScanpathsLike,
        radius_px: float | ArrayLike,
        group: Tensor | None = None,
    ) -> None:
        """Add B trials, as `PairMetric.update`.

        Args:
            radius_px: how far two fixations on the same place may be apart, one for all or [B].
        """
        radius = values("radius_px", radius_px)
        if radius.dim() > 1:
            raise ValueError(f"radius_px must be a number or have shape [B], got {list(radius.shape)}")
        self.add_pairs(model, human, group, radius.reshape(-1, 1, 1))
