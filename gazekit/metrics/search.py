"""Visual search over many trials; the definitions are in `functional`.

Published curves average categories of targets: `aggregation="group"` with the category of each trial.

Who looked at a trial: in B scanpaths, and in B lists of n_i scanpaths each, everybody listed, so that a scanpath
without fixations is a search that failed. In a padded panel [B, n, T] one without fixations is padding.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from gazekit.metrics.bootstrap import bootstrap_interval
from gazekit.metrics.functional.arguments import ArrayLike, boxes, whole_number
from gazekit.metrics.functional.visual_search import (
    found_by,
    probability_mismatch,
    scanpath_ratio,
    steps_to_target,
    tfp_auc,
    tfp_auc_mean,
)
from gazekit.metrics.item_metric import Aggregation, ItemMetric
from gazekit.metrics.panels import panel
from gazekit.metrics.score import Score
from gazekit.scanpath import Scanpaths, ScanpathsLike

__all__ = ["TFPAUC", "ProbabilityMismatch", "ScanpathRatio", "TFPAUCMean", "TargetFoundCurve"]


class SearchMetric(ItemMetric):
    """A value (or several) of each scanpath and box; subclasses define `score`."""

    def update(self, paths: ScanpathsLike, boxes_xyxy_px: ArrayLike, group: Tensor | None = None) -> None:
        """Add B trials.

        Args:
            paths: B scanpaths; or several of each trial, whose mean counts: B lists of n_i scanpaths (or B
                `Scanpaths`), where one without fixations failed, or a panel [B, n, T], where it is padding.
            boxes_xyxy_px: [B, 4] boxes of the targets; NaN where there is none, which is undefined. So is a
                trial without scanpaths.
            group: [B] integer ids of the categories of the targets.
        """
        self.add(self.mean_score("paths", paths, boxes_xyxy_px), group)

    def mean_score(self, name: str, paths: ScanpathsLike, boxes_xyxy_px: ArrayLike) -> Tensor:
        """[B] or [B, K] mean score of each trial's scanpaths."""
        paths, present, box = _trials(name, paths, boxes_xyxy_px)
        scores = self.score(paths, box)
        absent = ~present.reshape(present.shape + (1,) * (scores.dim() - 2))
        return scores.masked_fill(absent, torch.nan).nanmean(1)

    def score(self, paths: Scanpaths, box: Tensor) -> Tensor:
        """[B, n] or [B, n, K] of scanpaths [B, n, T] and boxes [B, 1, 4]."""
        raise NotImplementedError


class TargetFoundCurve(SearchMetric):
    """`functional.target_found_curve` over trials: [K] probabilities that the target was found by fixation k.

    Args:
        max_step: fixations after the first, K - 1; 6 for COCO-Search18.
        aggregation: as `ItemMetric`.

    Example:
        >>> metric = TargetFoundCurve(max_step=2)
        >>> metric.update([[[0, 0], [50, 50]], [[0, 0], [10, 0]]], [[40, 40, 60, 60], [40, 40, 60, 60]])
        >>> metric.compute()
        tensor([0.0000, 0.5000, 0.5000], dtype=torch.float64)

        Three people searched the first picture, one the second:

        >>> found, lost = [[0, 0], [50, 50]], [[0, 0], [10, 0]]
        >>> metric = TargetFoundCurve(max_step=2)
        >>> metric.update([[found, found, lost], [lost]], [[40, 40, 60, 60], [40, 40, 60, 60]])
        >>> metric.compute()
        tensor([0.0000, 0.3333, 0.3333], dtype=torch.float64)
    """

    higher_is_better = True

    def __init__(self, max_step: int, aggregation: Aggregation = "item") -> None:
        super().__init__(aggregation)
        self.max_step = whole_number("max_step", max_step, 0)
        self.parts = tuple(f"found by {k}" for k in range(1, max_step + 2))

    def score(self, paths: Scanpaths, box: Tensor) -> Tensor:
        return found_by(steps_to_target(paths, box), self.max_step)


class TFPAUC(SearchMetric):
    """`functional.tfp_auc` of the curve over trials: the sum of the K probabilities.

    Args:
        max_step: fixations after the first, K - 1; 6 for COCO-Search18.
        aggregation: as `ItemMetric`.

    Example:
        >>> metric = TFPAUC(max_step=2)
        >>> metric.update([[[0, 0], [50, 50]], [[0, 0], [10, 0]]], [[40, 40, 60, 60], [40, 40, 60, 60]])
        >>> metric.compute()
        tensor(1., dtype=torch.float64)
    """

    higher_is_better = True
    area = staticmethod(tfp_auc)

    def __init__(self, max_step: int, aggregation: Aggregation = "item") -> None:
        super().__init__(aggregation)
        self.max_step = whole_number("max_step", max_step, 0)

    def score(self, paths: Scanpaths, box: Tensor) -> Tensor:
        # the area of the mean curve is the mean of the areas of single trials' curves
        return type(self).area(found_by(steps_to_target(paths, box), self.max_step))


class TFPAUCMean(TFPAUC):
    """`functional.tfp_auc_mean` of the curve over trials: the mean of the K probabilities.

    Args:
        max_step: fixations after the first, K - 1; 6 for COCO-Search18.
        aggregation: as `ItemMetric`.

    Example:
        >>> metric = TFPAUCMean(max_step=2)
        >>> metric.update([[[0, 0], [50, 50]], [[0, 0], [10, 0]]], [[40, 40, 60, 60], [40, 40, 60, 60]])
        >>> metric.compute()
        tensor(0.3333, dtype=torch.float64)
    """

    area = staticmethod(tfp_auc_mean)


class ScanpathRatio(SearchMetric):
    """Mean `functional.scanpath_ratio` over the trials that found the target; the others are `undefined`.

    Args:
        max_step: fixations after the first within which the target must be found; None = any number.
        aggregation: as `ItemMetric`.

    Example:
        >>> metric = ScanpathRatio()
        >>> metric.update([[[0, 0], [30, 0], [30, 40]]], [[20, 30, 40, 50]])
        >>> metric.compute()
        tensor(0.7143, dtype=torch.float64)
    """

    higher_is_better = True

    def __init__(self, max_step: int | None = None, aggregation: Aggregation = "item") -> None:
        super().__init__(aggregation)
        self.max_step = None if max_step is None else whole_number("max_step", max_step, 0)

    def score(self, paths: Scanpaths, box: Tensor) -> Tensor:
        return scanpath_ratio(paths, box, self.max_step)


class ProbabilityMismatch(SearchMetric):
    """`functional.probability_mismatch` of the curves of a model and of people on the same trials.

    Args:
        max_step: fixations after the first, K - 1; 6 for COCO-Search18.
        aggregation: "item" = curves over trials, "group" = mean over categories of their curves. One trial has
            no mismatch, so there is no "none".

    Example:
        >>> metric = ProbabilityMismatch(max_step=2)
        >>> metric.update([[[0, 0], [50, 50]]], [[[0, 0], [90, 90], [50, 50]]], [[40, 40, 60, 60]])
        >>> metric.compute()
        tensor(1., dtype=torch.float64)
    """

    higher_is_better = False

    def __init__(self, max_step: int, aggregation: Literal["item", "group"] = "item") -> None:
        if aggregation not in ("item", "group"):
            raise ValueError(f"aggregation must be item or group, got {aggregation!r}")
        super().__init__(aggregation)
        self.max_step = whole_number("max_step", max_step, 0)
        self.parts = tuple(
            f"{who} found by {k}" for who in ("model", "human") for k in range(1, max_step + 2)
        )

    def update(
        self,
        model: ScanpathsLike,
        human: ScanpathsLike,
        boxes_xyxy_px: ArrayLike,
        group: Tensor | None = None,
    ) -> None:
        """Add B trials.

        Args:
            model: the model's scanpaths as `paths` of the other search metrics; `human` people's likewise.
            boxes_xyxy_px: [B, 4] boxes of the targets; NaN where there is none. The trial is undefined then, and
                where there is no scanpath of the model or of people.
            group: [B] integer ids of the categories of the targets.
        """
        curves = torch.cat(
            [
                self.mean_score("model", model, boxes_xyxy_px),
                self.mean_score("human", human, boxes_xyxy_px),
            ],
            1,
        )
        # both curves are over the same trials
        self.add(curves.masked_fill(curves.isnan().any(1, keepdim=True), torch.nan), group)

    def score(self, paths: Scanpaths, box: Tensor) -> Tensor:
        return found_by(steps_to_target(paths, box), self.max_step)

    def compute(self) -> Tensor:
        """[] the mismatch; NaN before there was a target."""
        return self._mismatch(self._ratio())

    def interval(self, n_resamples: int = 2000, level: float = 0.95, seed: int = 0) -> Score:
        """As `ItemMetric.interval`; `n` and `undefined` count trials."""
        with self.sync_context():
            found = bootstrap_interval(*self._sums(), self._mismatch, n_resamples, level, seed)
            undefined = int(self.undefined)
            return Score.of(found, self.count - undefined, undefined)

    @property
    def undefined(self) -> Tensor:
        """[] number of trials of this process (of all inside `sync_context`) without a target, or a searcher."""
        return self.item_values.isnan().any(1).sum()

    def _mismatch(self, curves: Tensor) -> Tensor:
        return probability_mismatch(*curves.split(self.max_step + 1, -1))


def _trials(name: str, paths: ScanpathsLike, boxes_xyxy_px: ArrayLike) -> tuple[Scanpaths, Tensor, Tensor]:
    """Scanpaths [B, n, T], which of them there are [B, n], and boxes [B, 1, 4]."""
    box = boxes("boxes_xyxy_px", boxes_xyxy_px)
    paths, present = panel(name, paths)
    if box.shape != (len(paths), 4):
        raise ValueError(
            f"{name} and boxes_xyxy_px must hold equally many trials, [B, T] or [B, n, T] and [B, 4], "
            f"got leading shape {list(paths.shape)} and shape {list(box.shape)}"
        )
    return paths, present, box[:, None]
