"""Several searches at once: slopes, asymmetries and their likeness to people's; definitions in `functional`.

Conditions and tasks are integers, as batches give them; the lists of names say what each integer is. Displays
are drawn within their set size and condition (`SlopeMetric.interval`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, binary, integers, reals
from gazekit.metrics.functional.search_asymmetry import (
    asymmetries_of_means,
    indices_below,
    slope_correlation,
    slopes_of_means,
)
from gazekit.metrics.functional.search_slopes import asymmetry_index
from gazekit.metrics.search_slopes import SlopeMetric

__all__ = ["SearchAsymmetry", "SearchSlopes", "SlopeCorrelation", "index_of", "names_of"]


class SearchSlopes(SlopeMetric):
    """`functional.search_slopes`: cost of one more item in each condition.

    Args:
        conditions: their names, in the order of the integers that say which condition a trial is of.

    Example:
        >>> metric = SearchSlopes(["cross", "non_cross"])
        >>> metric.update(torch.tensor([0, 0, 1, 1]), [3, 9, 3, 9], [829.0, 1405.0, 645.0, 915.0])
        >>> metric.compute()
        tensor([96., 45.], dtype=torch.float64)
    """

    higher_is_better = None

    def __init__(self, conditions: Sequence[str]) -> None:
        super().__init__()
        self.parts = names_of("conditions", conditions)

    def update(
        self, condition: ArrayLike, set_size: ArrayLike, cost: ArrayLike, group: ArrayLike | None = None
    ) -> None:
        """Add B trials.

        Args:
            condition: [B] integers, places in the list of conditions.
            set_size: [B] numbers of items.
            cost: [B] costs, say reaction times in ms; NaN or infinite where the target was not found.
            group: [B] integer ids of the displays (or subjects) that the trials belong to.
        """
        self.add_trials(set_size, cost, index_of("condition", condition, len(self.parts)), group)

    def _value(self, place: Tensor, means: Tensor) -> Tensor:
        return slopes_of_means(place, means, len(self.parts))

    def _counts(self, value: Tensor) -> list[tuple[int, int]]:
        return _counts(self.rows("trials"), len(self.parts))


class SearchAsymmetry(SlopeMetric):
    """`functional.search_asymmetry`: the asymmetry index of each task, and the mean of those that are defined.

    Where neither slope of a task reaches `min_slope` all of its trials count as `undefined`. `n` and `undefined` of
    the mean count tasks. Each resample is treated as the data are: one in which a task falls below `min_slope` has no
    index of it, and its mean is over the other tasks.

    Args:
        tasks: their names, in the order of the integers that say which task a trial is of; none is "mean".
        min_slope: of `functional.asymmetry_index`, cost per item.

    Example:
        >>> metric = SearchAsymmetry(["intersection"])
        >>> task, hard = torch.tensor([0, 0, 0, 0]), [True, True, False, False]
        >>> metric.update(task, [3, 9, 3, 9], [829.0, 1405.0, 645.0, 915.0], hard)
        >>> metric.compute()
        tensor([0.3617, 0.3617], dtype=torch.float64)
    """

    higher_is_better = None

    def __init__(self, tasks: Sequence[str], min_slope: float = 0.0) -> None:
        super().__init__()
        if "mean" in tasks:
            raise ValueError("no task may have the name 'mean', which is that of the mean over tasks")
        asymmetry_index(0.0, 0.0, min_slope)  # which checks it
        self.tasks, self.min_slope = names_of("tasks", tasks), min_slope
        self.parts = (*self.tasks, "mean")

    def update(
        self,
        task: ArrayLike,
        set_size: ArrayLike,
        cost: ArrayLike,
        is_hard: ArrayLike,
        group: ArrayLike | None = None,
    ) -> None:
        """Add B trials.

        Args:
            task: [B] integers, places in the list of tasks.
            set_size: [B] numbers of items.
            cost: [B] costs, say reaction times in ms; NaN or infinite where the target was not found.
            is_hard: [B] bool, True = the trial is of the condition that is hard for people.
            group: [B] integer ids of the displays (or subjects) that the trials belong to.
        """
        task = index_of("task", task, len(self.tasks))
        self.add_trials(set_size, cost, 2 * task + (~binary("is_hard", is_hard)).long(), group)

    def _value(self, place: Tensor, means: Tensor) -> Tensor:
        return asymmetries_of_means(place, means, len(self.tasks), self.min_slope)

    def _counts(self, value: Tensor) -> list[tuple[int, int]]:
        trials = self.rows("trials").clone()
        trials[:, 0] = trials[:, 0].div(2, rounding_mode="floor")
        place, means = self._means()
        slopes = slopes_of_means(place, means, 2 * len(self.tasks)).view(-1, 2)
        below = indices_below(slopes[:, 0], slopes[:, 1], self.min_slope).tolist()
        counts = _counts(trials, len(self.tasks))
        counts = [(0, n + out) if low else (n, out) for (n, out), low in zip(counts, below, strict=True)]
        seen = torch.tensor([sum(count) > 0 for count in counts])
        defined = int(value[:-1].isfinite().sum())
        return [*counts, (defined, int(seen.sum()) - defined)]


class SlopeCorrelation(SlopeMetric):
    """`functional.slope_correlation`: how the slopes of a model follow those of people over conditions.

    `n` and `undefined` count conditions: those with both slopes, and those that lack one. The interval says how much r
    depends on the displays; the conditions stay the same.

    Args:
        conditions: their names, in the order of the integers that say which condition a trial is of.

    Example:
        >>> metric = SlopeCorrelation(["cross", "non_cross", "line_in_curves"])
        >>> condition, set_size = torch.tensor([0, 0, 1, 1, 2, 2]), [3, 9, 3, 9, 8, 32]
        >>> people = [96.0, 96.0, 45.0, 45.0, 7.59, 7.59]
        >>> metric.update(condition, set_size, [881.0, 1463.0, 762.0, 958.0, 671.0, 780.0], people)
        >>> metric.compute()
        tensor(0.9911, dtype=torch.float64)
    """

    higher_is_better = True

    def __init__(self, conditions: Sequence[str]) -> None:
        super().__init__(people=2)
        self.conditions = names_of("conditions", conditions)

    def update(
        self,
        condition: ArrayLike,
        set_size: ArrayLike,
        cost: ArrayLike,
        human_slope_ms: ArrayLike,
        group: ArrayLike | None = None,
    ) -> None:
        """Add B trials.

        Args:
            condition: [B] integers, places in the list of conditions; `set_size` and `cost` as in `SearchSlopes`.
            human_slope_ms: [B] people's slope in the condition of each trial; NaN where unknown.
            group: [B] integer ids of the displays (or subjects) that the trials belong to.
        """
        condition = index_of("condition", condition, len(self.conditions))
        human = reals("human_slope_ms", human_slope_ms, None)
        if human.shape != condition.shape:
            raise ValueError(
                f"human_slope_ms must have one value per trial, got {list(human.shape)} for {list(condition.shape)}"
            )
        self.add_trials(set_size, cost, condition, group)
        self.add_rows("people", torch.stack([condition.to(human), human], 1).unique(dim=0))

    def _value(self, place: Tensor, means: Tensor) -> Tensor:
        slopes = slopes_of_means(place, means, len(self.conditions))
        return slope_correlation(slopes, self._people())[..., None]

    def _people(self) -> Tensor:
        """[K] people's slopes, NaN where unknown."""
        rows = self.rows("people")
        rows = rows[rows[:, 1].isfinite()].unique(dim=0)
        twice = rows[1:, 0][rows[1:, 0] == rows[:-1, 0]].long().tolist()
        if twice:
            raise ValueError(f"condition {self.conditions[twice[0]]!r} has more than one human_slope_ms")
        slopes = rows.new_full((len(self.conditions),), torch.nan)
        return slopes.index_copy(0, rows[:, 0].long(), rows[:, 1])

    def _counts(self, value: Tensor) -> list[tuple[int, int]]:
        slopes = slopes_of_means(*self._means(), len(self.conditions))
        both = int((slopes.isfinite() & self._people().isfinite()).sum())
        return [(both, len(self.rows("trials")[:, 0].unique()) - both)]


def names_of(what: str, names: Sequence[str]) -> tuple[str, ...]:
    """The names, which must be different.

    Raises:
        ValueError: none, one string, or a name twice.
    """
    if isinstance(names, str) or not names or len(set(names)) < len(names):
        raise ValueError(f"{what} must be a list of different names, got {names!r}")
    return tuple(names)


def index_of(name: str, index: ArrayLike, count: int) -> Tensor:
    """[B] places in a list of names.

    Raises:
        TypeError: not integers. ValueError: a place that the list does not have.
    """
    index = integers(name, index)
    if ((index < 0) | (index >= count)).any():
        raise ValueError(
            f"{name} must be places 0 ... {count - 1} in the list of names, got {index.min()} to {index.max()}"
        )
    return index


def _counts(trials: Tensor, parts: int) -> list[tuple[int, int]]:
    """Trials with and without a cost of each part, which is the first column."""
    part, finite = trials[:, 0].long(), trials[:, 2].isfinite()
    return list(
        zip(
            torch.bincount(part[finite], minlength=parts).tolist(),
            torch.bincount(part[~finite], minlength=parts).tolist(),
            strict=True,
        )
    )
