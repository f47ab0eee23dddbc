"""Differences of two conditions of search, and what each condition takes; the definitions are in `functional`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gazekit.metrics.bootstrap import bootstrap_interval, bootstrap_statistic
from gazekit.metrics.functional.arguments import ArrayLike, binary, reals, values
from gazekit.metrics.functional.search_conditions import comparison_of_sums, sums_of_trials
from gazekit.metrics.grouped_metric import GroupedMetric
from gazekit.metrics.score import Score
from gazekit.metrics.search_asymmetry import index_of, names_of
from gazekit.metrics.search_slopes import strata_of

__all__ = ["FoundRate", "MeanFixations", "SearchModelComparison"]


class SearchModelComparison(GroupedMetric):
    """p of `functional.search_model_comparison` in each task: do its two conditions differ in slope or intercept?

    Trials without a finite cost are left out and counted in `undefined`.

    Args:
        tasks: their names, in the order of the integers that say which task a trial is of.

    Example:
        >>> metric = SearchModelComparison(["curvature"])
        >>> set_size, hard = [3, 3, 6, 6] * 2, [True] * 4 + [False] * 4
        >>> task = torch.zeros(8, dtype=torch.long)
        >>> metric.update(task, set_size, [1.0, 1.2, 2.0, 2.2, 1.0, 1.2, 1.1, 1.2], hard)
        >>> metric.compute()
        tensor(0.0045, dtype=torch.float64)
    """

    higher_is_better = None

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__("trials", trials=4)
        self.parts = names_of("tasks", tasks)

    def update(
        self,
        task: ArrayLike,
        set_size: ArrayLike,
        cost: ArrayLike,
        is_hard: ArrayLike,
        group: ArrayLike | None = None,
    ) -> None:
        """Add B trials, as `SearchAsymmetry.update`."""
        task, is_hard = index_of("task", task, len(self.parts)), binary("is_hard", is_hard)
        set_size, cost = reals("set_size", set_size, None), reals("cost", cost, None)
        if not task.shape == set_size.shape == cost.shape == is_hard.shape or cost.dim() != 1:
            raise ValueError(
                "each trial must have one task, set size, cost and is_hard, got "
                + ", ".join(str(list(x.shape)) for x in (task, set_size, cost, is_hard))
            )
        if not set_size.isfinite().all():
            raise ValueError(f"set_size must be finite, got {set_size.tolist()}")
        self.add_grouped(torch.stack([task.to(cost), is_hard.to(cost), set_size, cost], 1), group)

    def compute(self) -> Tensor:
        """[K] p of each task."""
        return comparison_of_sums(self._sums(*self.units()).sum(1))[:, 1]

    def interval(self, n_resamples: int = 2000, level: float = 0.95, seed: int = 0) -> dict[str, Score]:
        """p of each task, and the range of the p values of resampled displays (or subjects, given as `group`).

        The range says how much p depends on the displays that were drawn. It is *not* a confidence interval: p has no
        true value to cover, and resamples, which repeat displays, have smaller p than new displays would. There is
        none (NaN) for a task with a set size of fewer than two groups. Displays are drawn as `SlopeMetric.interval`
        says.
        """
        with self.sync_context():
            unit, units = self.units()
            trials, sums = self.rows("trials"), self._sums(unit, units)
            strata = strata_of(trials[:, :3], unit, units)

            def drawn(counts: Tensor) -> Tensor:
                of_tasks = [(counts.to(sums) @ one.flatten(1)).unflatten(1, (2, 6)) for one in sums]
                return torch.stack([comparison_of_sums(one)[:, 1] for one in of_tasks], 1)

            found = bootstrap_statistic(drawn, units, n_resamples, level, seed, strata=strata)
            few = self._few(trials[:, :3], unit)
            finite, task = trials[:, 3].isfinite(), trials[:, 0].long()
            n, out = (torch.bincount(task[s], minlength=len(self.parts)).tolist() for s in (finite, ~finite))
        low, high = (torch.where(few, torch.nan, bound) for bound in found[1:])
        return {
            part: Score.of((found.value[k], low[k], high[k]), n[k], out[k])
            for k, part in enumerate(self.parts)
        }

    @property
    def undefined(self) -> Tensor:
        """[] number of trials of this process (of all inside `sync_context`) without a finite cost."""
        return (~self.rows("trials")[:, 3].isfinite()).sum()

    def _sums(self, unit: Tensor, units: int) -> Tensor:
        """[K, units, 2, 6] the sums of each unit's trials in each task, hard condition first."""
        task, is_hard, set_size, cost = self.rows("trials").unbind(1)
        found = cost.new_zeros(len(self.parts), units * 2, 6)
        for k, sums in enumerate(found):
            of = task == k
            side = 2 * unit[of] + (is_hard[of] == 0)
            sums.index_add_(0, side, sums_of_trials(set_size[of], cost[of]))
        return found.unflatten(1, (units, 2))

    def _few(self, place: Tensor, unit: Tensor) -> Tensor:
        """[K] bool: a set size of the task has fewer than two units."""
        cells, index = place.unique(dim=0, return_inverse=True)
        pairs = torch.stack([index, unit], 1).unique(dim=0)[:, 0]
        single = torch.bincount(pairs, minlength=len(cells)) < 2
        return torch.bincount(cells[single, 0].long(), minlength=len(self.parts)) > 0


class _ConditionMeans(GroupedMetric):
    """Mean of one number per trial in each condition; trials without a finite one are left out and counted."""

    def __init__(self, conditions: Sequence[str]) -> None:
        super().__init__("trials", trials=2)
        self.parts = names_of("conditions", conditions)

    def add_trials(self, condition: ArrayLike, value: Tensor, group: ArrayLike | None) -> None:
        condition = index_of("condition", condition, len(self.parts))
        if condition.shape != value.shape or value.dim() != 1:
            raise ValueError(
                "each trial must have one value and one condition, "
                f"got {list(value.shape)} and {list(condition.shape)}"
            )
        self.add_grouped(torch.stack([condition.to(value), value], 1), group)

    def compute(self) -> Tensor:
        """[K] the mean of each condition; NaN without trials."""
        top, bottom = self._sums()
        return top.sum(0) / bottom.sum(0)

    def interval(self, n_resamples: int = 2000, level: float = 0.95, seed: int = 0) -> dict[str, Score]:
        """The means with percentile bootstrap intervals, drawing as `SlopeMetric.interval` does, within conditions."""
        with self.sync_context():
            unit, units = self.units()
            trials = self.rows("trials")
            strata = strata_of(trials[:, :1], unit, units)
            top, bottom = (x.new_zeros(units, x.shape[1]).index_add_(0, unit, x) for x in self._sums())
            found = bootstrap_interval(top, bottom, None, n_resamples, level, seed, strata)
            all_trials = torch.bincount(trials[:, 0].long(), minlength=len(self.parts)).tolist()
        n = bottom.sum(0).long().tolist()
        return {
            part: Score.of(bounds, n[k], all_trials[k] - n[k])
            for k, (part, *bounds) in enumerate(zip(self.parts, *found, strict=True))
        }

    @property
    def undefined(self) -> Tensor:
        """[] number of trials of this process (of all inside `sync_context`) without a finite number."""
        return (~self.rows("trials")[:, 1].isfinite()).sum()

    def _sums(self) -> tuple[Tensor, Tensor]:
        """[I, K] the number of each trial in the column of its condition, and where it counts."""
        condition, value = self.rows("trials").unbind(1)
        of = torch.nn.functional.one_hot(condition.long(), len(self.parts)).to(value)
        finite = value.isfinite()[:, None]
        return of * torch.where(finite[:, 0], value, 0.0)[:, None], of * finite


class MeanFixations(_ConditionMeans):
    """`functional.mean_fixations`: mean number of saccades up to the target in each condition.

    Args:
        conditions: their names, in the order of the integers that say which condition a trial is of.

    Example:
        >>> metric = MeanFixations(["cross", "non_cross"])
        >>> metric.update(torch.tensor([0, 0, 1]), [2.0, 3.0, 1.0])
        >>> metric.compute()
        tensor([2.5000, 1.0000], dtype=torch.float64)
    """

    higher_is_better = None

    def update(self, condition: ArrayLike, saccades: ArrayLike, group: ArrayLike | None = None) -> None:
        """Add B trials.

        Args:
            condition: [B] integers, places in the list of conditions.
            saccades: [B] number of saccades up to and including the one into the target; NaN where it was not found.
            group: [B] integer ids of the displays (or subjects) that the trials belong to.
        """
        self.add_trials(condition, values("saccades", saccades), group)


class FoundRate(_ConditionMeans):
    """`functional.found_rate`: share of trials in which the target was found, in each condition.

    Args:
        conditions: their names, in the order of the integers that say which condition a trial is of.

    Example:
        >>> metric = FoundRate(["cross", "non_cross"])
        >>> metric.update(torch.tensor([0, 0, 1]), [True, False, True])
        >>> metric.compute()
        tensor([0.5000, 1.0000], dtype=torch.float64)
    """

    higher_is_better = True

    def update(self, condition: ArrayLike, found: ArrayLike, group: ArrayLike | None = None) -> None:
        """Add B trials.

        Args:
            condition: [B] integers, places in the list of conditions.
            found: [B] bool.
            group: [B] integer ids of the displays (or subjects) that the trials belong to.
        """
        self.add_trials(condition, binary("found", found).double(), group)
