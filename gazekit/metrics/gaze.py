"""Gaze following and gaze estimation over many people; the definitions are in `functional`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from gazekit.metrics.bootstrap import bootstrap_interval
from gazekit.metrics.functional.angular_error import angular_error_deg
from gazekit.metrics.functional.arguments import ArrayLike, binary
from gazekit.metrics.functional.gaze_distance import (
    direction_error_deg,
    distance_to_mean_norm,
    gaze_angle_deg,
    mean_distance_norm,
    min_distance_norm,
)
from gazekit.metrics.functional.gaze_following import (
    Positives,
    attention_target_auc,
    check_square,
    gazefollow_auc,
)
from gazekit.metrics.functional.gaze_objects import looking_at_head_precision, point_in_mask
from gazekit.metrics.grouped_metric import GroupedMetric
from gazekit.metrics.item_metric import Aggregation, ItemMetric
from gazekit.metrics.renamed import renamed
from gazekit.metrics.score import Score
from gazekit.scanpath import ScanpathsLike

__all__ = [
    "AngularError",
    "AttentionTargetAUC",
    "DirectionError",
    "DistanceToMean",
    "GazeAngle",
    "GazeFollowAUC",
    "MeanDistance",
    "MinDistance",
    "PHead",
    "PointInMask",
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
        sigma_cells: as the function's; so are `size`, `edge` and `positives`.
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
        positives: Positives = "square",
    ) -> None:
        super().__init__(aggregation)
        check_square(sigma_cells, size, edge, positives)
        self.sigma_cells, self.size, self.edge, self.positives = sigma_cells, size, edge, positives

    def update(self, heatmap: ArrayLike, point_norm: ArrayLike, group: Tensor | None = None) -> None:
        """Add B heatmaps [B, size, size] and targets [B, 2], with integer ids [B] of groups, clips say."""
        settings = self.sigma_cells, self.size, self.edge
        self.add(attention_target_auc(heatmap, point_norm, *settings, positives=self.positives), group)


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


class DirectionError(GroupedMetric):
    """Mean `functional.direction_error_deg` over people: all, those who look into the frame, and out of it.

    People without a direction are left out and counted in `undefined`, each in their own part.

    Example:
        >>> metric = DirectionError()
        >>> metric.update([[1.0, 0.0], [1.0, 0.0]], [[1.0, 1.0], [0.0, 1.0]], [1, 0])
        >>> dict(zip(metric.parts, metric.compute().tolist()))
        {'': 67.5, 'inside': 45.0, 'outside': 90.0}
    """

    higher_is_better = False
    parts = "", "inside", "outside"

    def __init__(self) -> None:
        super().__init__("people", people=2)

    def update(
        self,
        predicted_direction_xy: ArrayLike,
        direction_xy: ArrayLike,
        labels: ArrayLike,
        group: ArrayLike | None = None,
    ) -> None:
        """Add B people.

        Args:
            predicted_direction_xy: [B, 2] in the picture's plane, of any length; `direction_xy` [B, 2] likewise, NaN
                where it is not known.
            labels: [B] bool, or integers 0 and 1: whether the target is in the frame.
            group: [B] integer ids, of pictures say.
        """
        error, labels = direction_error_deg(predicted_direction_xy, direction_xy), binary("labels", labels)
        if error.dim() != 1 or error.shape != labels.shape:
            raise ValueError(
                "directions must have shape [B, 2] and labels [B], "
                f"got {[*error.shape, 2]} and {list(labels.shape)}"
            )
        self.add_grouped(torch.stack([error.detach(), labels.to(error)], 1), group)

    def compute(self) -> Tensor:
        """[3] means over all, inside and outside; NaN without people."""
        top, bottom = self._sums()
        return top.sum(0) / bottom.sum(0)

    def interval(self, n_resamples: int = 2000, level: float = 0.95, seed: int = 0) -> dict[str, Score]:
        """The means with their percentile bootstrap intervals, by part; `n` and `undefined` count people.

        The bootstrap draws whole groups, or single people if there are no groups. Call it on all processes.
        """
        with self.sync_context():
            found = bootstrap_interval(*self._sums(), n_resamples=n_resamples, level=level, seed=seed)
            left_out, people = self.undefined.tolist(), self._members().sum(0).tolist()
        return {
            part: Score.of(bounds, n - undefined, undefined)
            for part, n, undefined, *bounds in zip(self.parts, people, left_out, *found, strict=True)
        }

    @property
    def undefined(self) -> Tensor:
        """[3] number of people of this process (of all inside `sync_context`) without an error, by part."""
        return (self._members() & self.rows("people")[:, :1].isnan()).sum(0)

    def _members(self) -> Tensor:
        """[N, 3] who belongs to which part."""
        inside = self.rows("people")[:, 1] > 0
        return torch.stack([torch.ones_like(inside), inside, ~inside], 1)

    def _sums(self) -> tuple[Tensor, Tensor]:
        """[G, 3] sums of errors and numbers of people, of groups or of single people."""
        error = self.rows("people")[:, :1]
        counted = self._members() & ~error.isnan()
        unit, count = self.units()
        top, bottom = torch.where(counted, error, 0.0), counted.to(error)
        return tuple(error.new_zeros(count, 3).index_add_(0, unit, x) for x in (top, bottom))


class PointInMask(ItemMetric):
    """Mean `functional.point_in_mask` over people: the share of points on the object that is looked at.

    Example:
        >>> metric = PointInMask()
        >>> metric.update([[0.6, 0.1], [0.1, 0.9]], [[[0, 1], [0, 0]], [[0, 1], [0, 0]]])
        >>> metric.compute()
        tensor(0.5000, dtype=torch.float64)
    """

    higher_is_better = True

    def update(self, predicted_norm: ArrayLike, true_mask: ArrayLike, group: ArrayLike | None = None) -> None:
        """Add B points [B, 2] and masks [B, H, W], empty for targets out of frame, with integer ids [B] of groups."""
        self.add(point_in_mask(predicted_norm, true_mask), group)


class PHead(ItemMetric):
    """Mean `functional.looking_at_head_precision` over people: the precision of "looks at a head".

    People who are not said to look at a head, and those who look out of frame, count as `undefined`.

    Example:
        >>> heads = [[0.0, 0.0, 0.2, 0.2], [0.8, 0.0, 1.0, 0.2]]
        >>> metric = PHead()
        >>> metric.update([[0.9, 0.1], [0.1, 0.1]], [[0.9, 0.2], [0.5, 0.5]], heads, [0, 0])
        >>> metric.compute()
        tensor(0.5000, dtype=torch.float64)
    """

    higher_is_better = True

    def update(
        self,
        predicted_norm: ArrayLike,
        point_norm: ArrayLike,
        head_norm: ArrayLike,
        picture: ArrayLike,
        group: ArrayLike | None = None,
    ) -> None:
        """Add B people, with all others of their pictures.

        Args:
            predicted_norm: [B, 2]; `point_norm` [B, 2] the targets, NaN if they are out of frame.
            head_norm: [B, 4] x_min, y_min, x_max, y_max of their heads.
            picture: [B] which picture of this batch each person is in.
            group: [B] integer ids, of videos say.
        """
        self.add(looking_at_head_precision(predicted_norm, point_norm, head_norm, picture), group)


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
