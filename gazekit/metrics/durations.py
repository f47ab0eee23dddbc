"""Predicted fixation durations; the definitions are in `functional`."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gazekit.metrics.bootstrap import bootstrap_interval
from gazekit.metrics.functional.arguments import ArrayLike, integers
from gazekit.metrics.functional.durations import LEVELS, shares_below
from gazekit.metrics.grouped_metric import GroupedMetric
from gazekit.metrics.information_gain import OutcomeGain
from gazekit.metrics.score import Score

__all__ = ["DurationCalibration", "DurationGain"]


class DurationGain(OutcomeGain):
    """`functional.duration_gain_nats` over all valid fixations of all batches, per fixation.

    Items are fixations. Those whose duration is unknown (NaN) are left out and counted in `undefined`.

    Args:
        aggregation: as `ItemMetric`; fixations have no weights.

    Example:
        >>> import torch
        >>> metric = DurationGain()
        >>> metric.update(torch.tensor([-5.0, -6.0]), torch.tensor([-5.5, -6.0]), torch.tensor([True, True]))
        >>> metric.compute()
        tensor(0.2500, dtype=torch.float64)
    """

    def update(
        self,
        duration_log_prob: Tensor,
        duration_log_chance: Tensor,
        duration_mask: Tensor,
        group: ArrayLike | None = None,
    ) -> None:
        """Add the fixations of B trials.

        Args:
            duration_log_prob: [B, T] natural logarithm of the model's density of each duration; NaN where unknown.
            duration_log_chance: [B, T] the same of one log-normal, finite where valid.
            duration_mask: [B, T] bool, True = valid.
            group: [B] integer ids of the trials' images (subjects).
        """
        self.add_outcomes(
            group,
            duration_log_prob=duration_log_prob,
            duration_log_chance=duration_log_chance,
            duration_mask=duration_mask,
        )

    def add(self, values: Tensor, group: ArrayLike | None = None, weight: ArrayLike | None = None) -> None:
        super().add(values * math.log(2), group, weight)  # outcomes come in bits


class DurationCalibration(GroupedMetric):
    """`functional.duration_calibration` over all valid fixations of all batches.

    Fixations whose duration is unknown (NaN) are left out and counted in `undefined`.

    Example:
        >>> import torch
        >>> metric = DurationCalibration()
        >>> metric.update(torch.linspace(0, 0.5, 51), torch.ones(51, dtype=torch.bool))
        >>> metric.compute()
        tensor(0.5000, dtype=torch.float64)
    """

    higher_is_better = False

    def __init__(self) -> None:
        super().__init__("fixations", fixations=1)

    def update(self, duration_cdf: Tensor, duration_mask: Tensor, group: ArrayLike | None = None) -> None:
        """Add the fixations of B trials.

        Args:
            duration_cdf: [B, T] probability that the model gave to a shorter fixation; NaN where unknown.
            duration_mask: [B, T] bool, True = valid.
            group: [B] integer ids of the trials' images (subjects).
        """
        _, mask = shares_below(duration_cdf, duration_mask)
        cdf = torch.as_tensor(duration_cdf).to(mask.device)
        if group is not None:
            group = integers("group", group).to(mask.device)
            group = group.reshape(-1, *[1] * (mask.dim() - 1)).expand(mask.shape)[mask]
        self.add_grouped(cdf[mask][:, None], group)

    def compute(self) -> Tensor:
        """[] the largest gap; NaN without a known duration."""
        below, known = self._below()
        return (below[known].mean(0) - LEVELS.to(below)).abs().max()

    def interval(self, n_resamples: int = 2000, level: float = 0.95, seed: int = 0) -> Score:
        """The gap with its percentile bootstrap interval, drawing groups, or single fixations without groups.

        A gap cannot be below 0, and chance makes it larger: the interval of a model that is right lies above 0, too.
        """
        with self.sync_context():
            below, known = self._below()
            unit, units = self.units()
            sums = below.new_zeros(units, below.shape[1]).index_add_(0, unit[known], below[known])
            counts = below.new_zeros(units).index_add_(0, unit[known], torch.ones_like(below[known][:, 0]))
            levels = LEVELS.to(below)
            found = bootstrap_interval(
                sums,
                counts[:, None].expand_as(sums),
                lambda shares: (shares - levels).abs().amax(-1),
                n_resamples,
                level,
                seed,
            )
            return Score.of(found, int(known.sum()), int((~known).sum()))

    @property
    def undefined(self) -> Tensor:
        """[] number of fixations of this process (of all inside `sync_context`) without a known duration."""
        return self.rows("fixations")[:, 0].isnan().sum()

    def _below(self) -> tuple[Tensor, Tensor]:
        """[N, 99] whether each duration lies below each predicted quantile; [N] whether it is known."""
        cdf = self.rows("fixations")[:, 0]
        return shares_below(cdf, torch.ones_like(cdf, dtype=torch.bool))[0], ~cdf.isnan()
