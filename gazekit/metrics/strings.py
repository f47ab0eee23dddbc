"""String comparisons of a model's scanpaths with people's; the definitions are in `functional`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike
from gazekit.metrics.functional.clusters import cluster_centres
from gazekit.metrics.functional.labels import OffFrame
from gazekit.metrics.functional.scanmatch import scanmatch
from gazekit.metrics.functional.scanpath_strings import (
    cluster_edit_distance,
    cluster_sequence_score,
    grid_edit_distance,
    grid_sequence_score,
    semantic_edit_distance,
    semantic_sequence_score,
)
from gazekit.metrics.item_metric import Aggregation
from gazekit.metrics.pair_metric import PairMetric, SizedPairMetric
from gazekit.scanpath import ScanpathsLike

__all__ = [
    "ClusterEditDistance",
    "ClusterSequenceScore",
    "GridEditDistance",
    "GridSequenceScore",
    "ScanMatch",
    "SemanticEditDistance",
    "SemanticSequenceScore",
]


class ScanMatch(SizedPairMetric):
    """Mean `functional.scanmatch` of a model's and people's scanpaths, over trials.

    Args:
        grid: as in the function, as are `threshold`, `gap`, `bin_ms`, `variant` and `on_outside`.
        aggregation: see `ItemMetric`.

    Example:
        >>> metric = ScanMatch(bin_ms=50)
        >>> metric.update([[[100, 100, 200], [700, 500, 300]]], [[[150, 100, 250], [700, 420, 100]]], (800, 600))
        >>> metric.compute()
        tensor(0.4286, dtype=torch.float64)
    """

    function = staticmethod(scanmatch)
    higher_is_better = True

    def __init__(
        self,
        grid: tuple[int, int] = (12, 8),
        threshold: float = 3.5,
        gap: float = 0.0,
        bin_ms: float | None = None,
        variant: Literal["global", "gazeparser"] = "global",
        on_outside: OffFrame = "raise",
        aggregation: Aggregation = "item",
    ) -> None:
        super().__init__(
            aggregation,
            grid=grid,
            threshold=threshold,
            gap=gap,
            bin_ms=bin_ms,
            variant=variant,
            on_outside=on_outside,
        )


class GridSequenceScore(SizedPairMetric):
    """Mean `functional.grid_sequence_score` of a model's and people's scanpaths, over trials.

    Args:
        grid: as in the function, as are `bin_ms` and `on_outside`.
        aggregation: see `ItemMetric`.

    Example:
        >>> metric = GridSequenceScore()
        >>> metric.update([[[100, 100], [700, 500]]], [[[150, 100], [700, 400]]], size_px=(800, 600))
        >>> metric.compute()
        tensor(0.5000, dtype=torch.float64)
    """

    function = staticmethod(grid_sequence_score)
    higher_is_better = True

    def __init__(
        self,
        grid: tuple[int, int] = (5, 5),
        bin_ms: float | None = None,
        on_outside: OffFrame = "raise",
        aggregation: Aggregation = "item",
    ) -> None:
        super().__init__(aggregation, grid=grid, bin_ms=bin_ms, on_outside=on_outside)


class GridEditDistance(SizedPairMetric):
    """Mean `functional.grid_edit_distance` of a model's and people's scanpaths, over trials.

    Args:
        grid: as in the function, as are `bin_ms`, `substitution_cost`, `normalised` and `on_outside`.
        aggregation: see `ItemMetric`.

    Example:
        >>> metric = GridEditDistance()
        >>> metric.update([[[100, 100], [700, 500]]], [[[150, 100], [700, 400]]], size_px=(800, 600))
        >>> metric.compute()
        tensor(1., dtype=torch.float64)
    """

    function = staticmethod(grid_edit_distance)
    higher_is_better = False

    def __init__(
        self,
        grid: tuple[int, int] = (5, 5),
        bin_ms: float | None = None,
        substitution_cost: float = 1.0,
        normalised: bool = False,
        on_outside: OffFrame = "raise",
        aggregation: Aggregation = "item",
    ) -> None:
        super().__init__(
            aggregation,
            grid=grid,
            bin_ms=bin_ms,
            substitution_cost=substitution_cost,
            normalised=normalised,
            on_outside=on_outside,
        )


class _ClusterPairMetric(PairMetric):
    def update(
        self,
        model: ScanpathsLike,
        human: ScanpathsLike,
        centres_px: ArrayLike | Sequence[ArrayLike],
        group: Tensor | None = None,
    ) -> None:
        """Add B trials, as `PairMetric.update`.

        Args:
            centres_px: [K, 2] centres of clusters for all, [B, K, 2] (rows of NaN = absent) or B of [K_i, 2].
        """
        centres = cluster_centres(centres_px)
        self.add_pairs(model, human, group, centres.reshape(-1, 1, 1, *centres.shape[-2:]))


class ClusterSequenceScore(_ClusterPairMetric):
    """Mean `functional.cluster_sequence_score` (SS) of a model's and people's scanpaths, over trials.

    Args:
        bin_ms: as in the function.
        aggregation: see `ItemMetric`.

    Example:
        >>> import numpy as np
        >>> metric, centres = ClusterSequenceScore(), np.array([[100, 100], [700, 450]])
        >>> metric.update([[[90, 120], [650, 500]]], [[[720, 400]]], centres)
        >>> metric.compute()
        tensor(0.5000, dtype=torch.float64)
    """

    function = staticmethod(cluster_sequence_score)
    higher_is_better = True

    def __init__(self, bin_ms: float | None = None, aggregation: Aggregation = "item") -> None:
        super().__init__(aggregation, bin_ms=bin_ms)


class ClusterEditDistance(_ClusterPairMetric):
    """Mean `functional.cluster_edit_distance` (FED) of a model's and people's scanpaths, over trials.

    Args:
        bin_ms: as in the function, as are `substitution_cost` and `normalised`.
        aggregation: see `ItemMetric`.

    Example:
        >>> import numpy as np
        >>> metric, centres = ClusterEditDistance(), np.array([[100, 100], [700, 450]])
        >>> metric.update([[[90, 120], [650, 500]]], [[[720, 400]]], centres)
        >>> metric.compute()
        tensor(1., dtype=torch.float64)
    """

    function = staticmethod(cluster_edit_distance)
    higher_is_better = False

    def __init__(
        self,
        bin_ms: float | None = None,
        substitution_cost: float = 1.0,
        normalised: bool = False,
        aggregation: Aggregation = "item",
    ) -> None:
        super().__init__(
            aggregation, bin_ms=bin_ms, substitution_cost=substitution_cost, normalised=normalised
        )


class _SemanticPairMetric(PairMetric):
    def update(
        self,
        model: ScanpathsLike,
        human: ScanpathsLike,
        label_map: ArrayLike,
        group: Tensor | None = None,
    ) -> None:
        """Add B trials, as `PairMetric.update`.

        Args:
            label_map: [H, W] integer classes of the pixels for all, or [B, H, W].
        """
        label_map = torch.as_tensor(label_map)
        if label_map.dim() not in (2, 3):
            raise ValueError(f"label_map must have shape [H, W] or [B, H, W], got {list(label_map.shape)}")
        self.add_pairs(model, human, group, label_map.reshape(-1, 1, 1, *label_map.shape[-2:]))


class SemanticSequenceScore(_SemanticPairMetric):
    """Mean `functional.semantic_sequence_score` (SemSS) of a model's and people's scanpaths, over trials.

    Args:
        bin_ms: as in the function, as is `on_outside`.
        aggregation: see `ItemMetric`.

    Example:
        >>> import numpy as np
        >>> metric, sky_and_sea = SemanticSequenceScore(), np.array([[1, 1, 1], [2, 2, 2]])
        >>> metric.update([[[0, 0], [2, 1]]], [[[2, 0], [1, 0]]], sky_and_sea)
        >>> metric.compute()
        tensor(0.5000, dtype=torch.float64)
    """

    function = staticmethod(semantic_sequence_score)
    higher_is_better = True

    def __init__(
        self,
        bin_ms: float | None = None,
        on_outside: OffFrame = "raise",
        aggregation: Aggregation = "item",
    ) -> None:
        super().__init__(aggregation, bin_ms=bin_ms, on_outside=on_outside)


class SemanticEditDistance(_SemanticPairMetric):
    """Mean `functional.semantic_edit_distance` (SemFED) of a model's and people's scanpaths, over trials.

    Args:
        bin_ms: as in the function, as are `substitution_cost`, `normalised` and `on_outside`.
        aggregation: see `ItemMetric`.

    Example:
        >>> import numpy as np
        >>> metric, sky_and_sea = SemanticEditDistance(), np.array([[1, 1, 1], [2, 2, 2]])
        >>> metric.update([[[0, 0], [2, 1]]], [[[2, 0], [1, 0]]], sky_and_sea)
        >>> metric.compute()
        tensor(1., dtype=torch.float64)
    """

    function = staticmethod(semantic_edit_distance)
    higher_is_better = False

    def __init__(
        self,
        bin_ms: float | None = None,
        substitution_cost: float = 1.0,
        normalised: bool = False,
        on_outside: OffFrame = "raise",
        aggregation: Aggregation = "item",
    ) -> None:
        super().__init__(
            aggregation,
            bin_ms=bin_ms,
            substitution_cost=substitution_cost,
            normalised=normalised,
            on_outside=on_outside,
        )
