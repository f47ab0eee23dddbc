"""Gaze following and gaze estimation over many people; the definitions are in `functional`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from gazekit.metrics.bootstrap import bootstrap_statistic
from gazekit.metrics.functional.angular_error import angular_error_deg
from gazekit.metrics.functional.arguments import ArrayLike, binary, reals
from gazekit.metrics.functional.average_precision import average_precision, weighted_average_precision
from gazekit.metrics.functional.gaze_distance import (
    distance_to_mean_norm,
    gaze_angle_deg,
    mean_distance_norm,
    min_distance_norm,
)
from gazekit.metrics.functional.gaze_following import attention_target_auc, check_square, gazefollow_auc
from gazekit.metrics.grouped_metric import GroupedMetric
from gazekit.metrics.item_metric import Aggregation, ItemMetric
from gazekit.metrics.renamed import renamed
from gazekit.metrics.score import Score
from gazekit.scanpath import ScanpathsLike

__all__ = [
    "AngularError",
    "AttentionTargetAUC",
    "AveragePrecision",
    "DistanceToMean",
    "GazeAngle",
    "GazeFollowAUC",
    "MeanDistance",
    "MinDistance",
]


class GazeFollowAUC(ItemMetric):
    """Mean `functional.gazefollow_auc` over people.

    Example:
        >>> import torch
        >>> metric = GazeFollowAUC()
        >>> metric.update(torch.tensor([[[0.1, 0.2, 0.1], [0.1, 0.9, 0.3]]]), [[[0.5, 0.6], [0.4, 0.2]]])
        >>> metric.compute()
        tensor(0.8750, dtype=torch.float64)
    """

    higher_is_better = True

    def update(
        self,
        heatmap: ArrayLike,
        points_norm: ScanpathsLike,
        size_px: ArrayLike | tuple[int, int] | None = None,
        group: Tensor | None = None,
    ) -> None:
        """Add B people.

        Args:
            heatmap: [B, h, w].
            points_norm: B sets of annotators' points, [P_i, 2] each.
            size_px: (width, height) of the pictures, one for all or [B, 2]; None = the heatmap as it is.
            group: [B] integer ids, of pictures say.
        """
        self.add(gazefollow_auc(heatmap, points_norm, size_px), group)


class AttentionTargetAUC(ItemMetric):
    """Mean `functional.attention_target_auc` over people and frames; who looks out of frame is `undefined`.

    Args:
        sigma_cells: as the function's; so are `size` and `edge`.
        aggregation: as `ItemMetric`.

    Example:
        >>> import torch
        >>> metric = AttentionTargetAUC()
        >>> heatmap = torch.zeros(2, 64, 64)
        >>> heatmap[0, 20, 30] = 1
        >>> metric.update(heatmap, torch.tensor([[0.47, 0.32], [-1.0, -1.0]]))
        >>> metric.compute().round(decimals=4), int(metric.undefined)
        (tensor(0.5014, dtype=torch.float64), 1)
    """

    higher_is_better = True

    def __init__(
        self,
        sigma_cells: int = 3,
        size: int = 64,
        edge: Literal["open", "closed"] = "open",
        aggregation: Aggregation = "item",
    ) -> None:
        super().__init__(aggregation)
        check_square(sigma_cells, size, edge)
        self.sigma_cells, self.size, self.edge = sigma_cells, size, edge

    def update(self, heatmap: ArrayLike, point_norm: ArrayLike, group: Tensor | None = None) -> None:
        """Add B heatmaps [B, size, size] and targets [B, 2], with integer ids [B] of groups, clips say."""
        self.add(attention_target_auc(heatmap, point_norm, self.sigma_cells, self.size, self.edge), group)


class PointMetric(ItemMetric):
    """Mean `function` of predicted points and annotators' over people."""

    function: Callable[..., Tensor]
    higher_is_better = False

    def update(
        self, predicted_norm: ArrayLike, points_norm: ScanpathsLike, group: Tensor | None = None
    ) -> None:
        """Add B people.

        Args:
            predicted_norm: [B, 2], from `functional.heatmap_point_norm` or otherwise.
            points_norm: B sets of annotators' points, [P_i, 2] each; [B, 1, 2] for one annotator.
            group: [B] integer ids, of pictures say.
        """
        self.add(type(self).function(predicted_norm, points_norm), group)


class DistanceToMean(PointMetric):
    """Mean `functional.distance_to_mean_norm` over people: GazeFollow's "Avg L2".

    Example:
        >>> metric = DistanceToMean()
        >>> metric.update([[0.5, 0.5]], [[[0.5, 0.4], [0.5, 0.8]]])
        >>> metric.compute()
        tensor(0.1000, dtype=torch.float64)
    """

    function = staticmethod(distance_to_mean_norm)


class MinDistance(PointMetric):
    """Mean `functional.min_distance_norm` over people: GazeFollow's "Min L2".

    Example:
        >>> metric = MinDistance()
        >>> metric.update([[0.5, 0.5]], [[[0.5, 0.45], [0.5, 0.8]]])
        >>> metric.compute()
        tensor(0.0500, dtype=torch.float64)
    """

    function = staticmethod(min_distance_norm)


class MeanDistance(PointMetric):
    """Mean `functional.mean_distance_norm` over people.

    Example:
        >>> metric = MeanDistance()
        >>> metric.update([[0.5, 0.5]], [[[0.5, 0.4], [0.5, 0.8]]])
        >>> metric.compute()
        tensor(0.2000, dtype=torch.float64)
    """

    function = staticmethod(mean_distance_norm)


class GazeAngle(ItemMetric):
    """Mean `functional.gaze_angle_deg` over people.

    Example:
        >>> import torch
        >>> metric = GazeAngle()
        >>> metric.update(torch.tensor([[100, 100]]), torch.tensor([[200, 100]]), torch.tensor([[200, 200]]))
        >>> metric.compute()
        tensor(45., dtype=torch.float64)
    """

    higher_is_better = False

    def update(
        self, eye_xy: ArrayLike, predicted_xy: ArrayLike, true_xy: ArrayLike, group: Tensor | None = None
    ) -> None:
        """Add B people: positions [B, 2] in one unit, with integer ids [B] of groups."""
        self.add(gaze_angle_deg(eye_xy, predicted_xy, true_xy), group)


class AngularError(ItemMetric):
    """Mean `functional.angular_error_deg` over images; with the people as groups, mean over people of theirs.

    Example:
        >>> import torch
        >>> metric = AngularError()
        >>> metric.update(torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[0.0, 1.0, 1.0]]))
        >>> metric.compute()
        tensor(45., dtype=torch.float64)
    """

    higher_is_better = False

    @renamed(prediction="predicted_direction", target="true_direction")
    def update(
        self, predicted_direction: ArrayLike, true_direction: ArrayLike, group: ArrayLike | None = None
    ) -> None:
        """Add B directions; `functional.direction_of_pitch_yaw` and `direction_of_yaw_pitch` make them of angles.

        Args:
            predicted_direction: [B, 3] vectors of any length; `true_direction` [B, 3] likewise.
            group: [B] integer ids of what the images belong to (people).
        """
        self.add(angular_error_deg(predicted_direction, true_direction), group)


class AveragePrecision(GroupedMetric):
    """`functional.average_precision` over all instances of all batches ("is the target in frame").

    Instances whose score is NaN are left out and counted in `undefined`.

    Example:
        >>> metric = AveragePrecision()
        >>> metric.update([0.9, 0.6, 0.6, 0.1], [1, 0, 1, 0])
        >>> metric.compute()
        tensor(0.8333, dtype=torch.float64)
    """

    higher_is_better = True

    def __init__(self) -> None:
        super().__init__("instances", instances=2)

    def update(self, scores: ArrayLike, labels: ArrayLike, group: ArrayLike | None = None) -> None:
        """Add B instances.

        Args:
            scores: [B], higher = rather positive.
            labels: [B] bool, or integers 0 and 1.
            group: [B] integer ids of the pictures (subjects) that the instances belong to.
        """
        scores, labels = reals("scores", scores, None), binary("labels", labels)
        if scores.dim() != 1 or scores.shape != labels.shape:
            raise ValueError(
                f"scores and labels must both have shape [B], got {list(scores.shape)} and {list(labels.shape)}"
            )
        self.add_grouped(torch.stack([scores, labels.to(scores)], 1), group)

    def compute(self) -> Tensor:
        """[] the average precision; NaN without a positive."""
        scores, labels = self.rows("instances").unbind(1)
        known = ~scores.isnan()
        return average_precision(scores[known], labels[known] > 0)

    def interval(self, n_resamples: int = 2000, level: float = 0.95, seed: int = 0) -> Score:
        """The value with its percentile bootstrap interval; `n` and `undefined` count instances.

        The bootstrap draws whole groups, or single instances if there are no groups. Call it on all processes.
        """
        with self.sync_context():
            scores, labels = self.rows("instances").unbind(1)
            unit, units = self.units()
        known = ~scores.isnan()
        scores, labels, unit = scores[known], labels[known] > 0, unit[known]

        def drawn(counts: Tensor) -> Tensor:
            return weighted_average_precision(scores, labels, counts.to(scores)[:, unit])

        found = bootstrap_statistic(drawn, units, n_resamples, level, seed, 64 * len(scores))
        return Score.of(found, len(scores), int((~known).sum()))

    @property
    def undefined(self) -> Tensor:
        """[] number of instances of this process (of all inside `sync_context`) whose score is NaN."""
        return self.rows("instances")[:, 0].isnan().sum()
