"""Search slopes and their asymmetry from single trials; the definitions are in `functional`."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics.bootstrap import bootstrap_interval
from gazekit.metrics.functional.arguments import ArrayLike, binary, reals
from gazekit.metrics.functional.search_asymmetry import mean_costs, slopes_of_means
from gazekit.metrics.functional.search_slopes import asymmetry_index, search_slope
from gazekit.metrics.grouped_metric import GroupedMetric
from gazekit.metrics.score import Score

__all__ = ["AsymmetryIndex", "SearchSlope", "SlopeMetric", "strata_of"]


class SlopeMetric(GroupedMetric):
    """Mean cost at each set size of each condition, of which subclasses compute a value.

    Trials whose cost is NaN or infinite (target not found) are left out and counted in `undefined`.

    Args:
        tables: further tables of rows that a subclass keeps, name to number of columns.
    """

    parts: tuple[str, ...] = ()

    def __init__(self, **tables: int) -> None:
        super().__init__("trials", trials=3, **tables)

    def add_trials(
        self, set_size: ArrayLike, cost: ArrayLike, condition: Tensor, group: ArrayLike | None
    ) -> None:
        set_size, cost = reals("set_size", set_size, None), reals("cost", cost, None)
        if not set_size.shape == cost.shape == condition.shape or cost.dim() != 1:
            raise ValueError(
                "each trial must have one set size, cost and condition, "
                f"got {list(set_size.shape)}, {list(cost.shape)} and {list(condition.shape)}"
            )
        if not set_size.isfinite().all():
            raise ValueError(f"set_size must be finite, got {set_size.tolist()}")
        self.add_grouped(torch.stack([condition.to(cost), set_size, cost], 1), group)

    def compute(self) -> Tensor:
        """[K] the values of the parts, or [] without parts; NaN where undefined."""
        values = self._value(*self._means())
        return values if self.parts else values[..., 0]

    def interval(
        self, n_resamples: int = 2000, level: float = 0.95, seed: int = 0
    ) -> Score | dict[str, Score]:
        """The value with its percentile bootstrap interval, or one for each of the `parts`.

        The bootstrap draws whole groups, or single trials if there are no groups. Those that belong to one set
        size of one condition (displays) are drawn among those of it, as the design says how many there are; those
        with trials in several (subjects) are drawn among all.

        `n` and `undefined` count trials, where a class does not say otherwise.

        Call it on all processes. There is no interval (NaN) where a set size has trials of fewer
        than two groups (fewer than two trials). See `bootstrap_interval`.
        """
        with self.sync_context():
            place, index, cost = self._trials()
            unit, units = self.units()
            finite = self.rows("trials")[:, 2].isfinite()
            strata = strata_of(self.rows("trials")[:, :2], unit, units)
            cell = unit[finite] * len(place) + index
            total, number = (
                cost.new_zeros(units * len(place)).index_add_(0, cell, x).unflatten(0, (units, len(place)))
                for x in (cost, torch.ones_like(cost))
            )
            drawn = bootstrap_interval(
                total, number, lambda means: self._value(place, means), n_resamples, level, seed, strata
            )
            counts = self._counts(drawn.value)
        scores = [Score.of(bounds, *count) for *bounds, count in zip(*drawn, counts, strict=True)]
        return dict(zip(self.parts, scores, strict=True)) if self.parts else scores[0]

    @property
    def undefined(self) -> Tensor:
        """[] number of trials of this process (of all inside `sync_context`) without a finite cost."""
        return (~self.rows("trials")[:, 2].isfinite()).sum()

    def _counts(self, value: Tensor) -> list[tuple[int, int]]:
        """What `n` and `undefined` of each of the K values count."""
        undefined = int(self.undefined)
        return [(self.count - undefined, undefined)] * len(value)

    def _means(self) -> tuple[Tensor, Tensor]:
        """[S, 2] the different conditions and set sizes, and the mean cost [S] at them."""
        trials = self.rows("trials")
        return mean_costs(trials[trials[:, 2].isfinite()])

    def _trials(self) -> tuple[Tensor, Tensor, Tensor]:
        """[S, 2] different conditions and set sizes; of which of them each trial is [I], and its cost [I]."""
        trials = self.rows("trials")
        trials = trials[trials[:, 2].isfinite()]
        place, index = trials[:, :2].unique(dim=0, return_inverse=True)
        return place, index, trials[:, 2]

    def _value(self, place: Tensor, means: Tensor) -> Tensor:
        """[..., K] from the mean costs [..., S]; K = 1 without parts."""
        raise NotImplementedError


def strata_of(place: Tensor, unit: Tensor, units: int) -> Tensor | None:
    """[units] among which units each is drawn: those of its place alone, or all that have several places.

    Args:
        place: [I, ...] where in the design each trial is (condition, set size).
        unit: [I] the unit, of 0 ... units - 1, that it belongs to.
    Returns:
        None where all units have several places.
    """
    if not len(place):
        return None
    _, cell = place.unique(dim=0, return_inverse=True)
    low, high = (
        cell.new_zeros(units).scatter_reduce_(0, unit, cell, reduce, include_self=False)
        for reduce in ("amin", "amax")
    )
    alone = low == high
    return torch.where(alone, low, -1) if alone.any() else None


class SearchSlope(SlopeMetric):
    """`functional.search_slope` of the mean cost at each set size: [2] slope and intercept.

    Example:
        >>> metric = SearchSlope()
        >>> metric.update([8, 8, 16, 32], [560.0, 570.0, 640.0, 750.0])
        >>> metric.compute()
        tensor([  7.5893, 510.0000], dtype=torch.float64)
    """

    higher_is_better = None
    parts = ("", "intercept")

    def update(self, set_size: ArrayLike, cost: ArrayLike, group: ArrayLike | None = None) -> None:
        """Add B trials of one condition.

        Args:
            set_size: [B] numbers of items.
            cost: [B] costs, say reaction times in ms; NaN or infinite where the target was not found.
            group: [B] integer ids of the subjects (images) that the trials belong to.
        """
        set_size = reals("set_size", set_size, None)
        self.add_trials(set_size, cost, torch.zeros_like(set_size), group)

    def _value(self, place: Tensor, means: Tensor) -> Tensor:
        return search_slope(place[:, 1], means)


class AsymmetryIndex(SlopeMetric):
    """`functional.asymmetry_index` of the slopes of two conditions, each through its mean costs.

    Example:
        >>> metric = AsymmetryIndex()
        >>> metric.update([3, 6, 9], [829.0, 1117.0, 1405.0], [True, True, True])
        >>> metric.update([3, 6, 9], [645.0, 780.0, 915.0], [False, False, False])
        >>> metric.compute()
        tensor(0.3617, dtype=torch.float64)
    """

    higher_is_better = None

    def update(
        self, set_size: ArrayLike, cost: ArrayLike, is_hard: ArrayLike, group: ArrayLike | None = None
    ) -> None:
        """Add B trials.

        Args:
            set_size: [B] numbers of items.
            cost: [B] costs, say reaction times in ms; NaN or infinite where the target was not found.
            is_hard: [B] bool, True = the trial is of the condition that is hard for people.
            group: [B] integer ids of the subjects (images) that the trials belong to.
        """
        self.add_trials(set_size, cost, binary("is_hard", is_hard), group)

    def _value(self, place: Tensor, means: Tensor) -> Tensor:
        easy, hard = slopes_of_means(place, means, 2).unbind(-1)
        return asymmetry_index(hard, easy)[..., None]
