"""Average precision over many instances; the definition is in `functional`."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics.bootstrap import bootstrap_statistic
from gazekit.metrics.functional.arguments import ArrayLike, binary, reals
from gazekit.metrics.functional.average_precision import average_precision, weighted_average_precision
from gazekit.metrics.grouped_metric import GroupedMetric
from gazekit.metrics.score import Score

__all__ = ["AveragePrecision"]


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
