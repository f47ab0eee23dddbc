"""Several searches at once: slopes of many conditions, and what says that two of them are asymmetric.

Source: Gupta et al. 2021 (NeurIPS, visual search asymmetry). Everything starts from single trials (displays).
"""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, binary, integers, reals, whole_number
from gazekit.metrics.functional.search_slopes import asymmetry_index, search_slope

__all__ = [
    "asymmetries_of_means",
    "indices_below",
    "mean_costs",
    "search_asymmetry",
    "search_slopes",
    "slope_correlation",
    "slopes_of_means",
]

_ROUNDING = 1e-12


def search_slopes(set_size: ArrayLike, cost: ArrayLike, condition: ArrayLike, conditions: int) -> Tensor:
    """Cost of one more item in each condition: `search_slope` through its mean cost at each set size.

    Args:
        set_size: [N] number of items in the display of each trial.
        cost: [N] cost, say reaction time in ms; trials without a finite one are left out.
        condition: [N] integers from 0 to conditions - 1.
        conditions: number of conditions, K.
    Returns:
        [K] slopes, in ms per item for costs in ms; NaN for fewer than two set sizes.
    Raises:
        TypeError: costs or set sizes that are no real numbers, conditions that are no integers.
        ValueError: shapes that differ, a condition out of range, a set size that is not finite.

    Example:
        >>> search_slopes([3, 6, 9, 3, 6, 9], [829.0, 1117, 1405, 645, 780, 915], [0, 0, 0, 1, 1, 1], 2)
        tensor([96., 45.], dtype=torch.float64)
    """
    return slopes_of_means(*mean_costs(_trials(set_size, cost, condition, conditions)), conditions)


def search_asymmetry(
    set_size: ArrayLike,
    cost: ArrayLike,
    is_hard: ArrayLike,
    task: ArrayLike,
    tasks: int,
    min_slope: float = 0.0,
) -> Tensor:
    """`asymmetry_index` of the two conditions of each task, and its mean over tasks.

    The mean is over the tasks that have an index: one that lacks data, or whose slopes both stay below `min_slope`,
    is left out of it. Means of searchers for which different tasks are left out are not comparable.

    Args:
        set_size: [N]; `cost` as in `search_slopes`.
        is_hard: [N] bool, True = of the condition in which the slope of *people* is larger.
        task: [N] integers from 0 to tasks - 1.
        tasks: number of tasks, K.
        min_slope: of `asymmetry_index`, cost per item.
    Returns:
        [K + 1] the indices and, last, their mean; NaN where undefined.
    Raises:
        TypeError, ValueError: as `search_slopes` and `asymmetry_index`.

    Example:
        >>> hard = [True, True, True, False, False, False]
        >>> search_asymmetry([3, 6, 9, 3, 6, 9], [829.0, 1117, 1405, 645, 780, 915], hard, [0] * 6, 2)
        tensor([0.3617,    nan, 0.3617], dtype=torch.float64)
    """
    condition = 2 * integers("task", task) + (~binary("is_hard", is_hard)).long()
    return asymmetries_of_means(*mean_costs(_trials(set_size, cost, condition, 2 * tasks)), tasks, min_slope)


def slope_correlation(model_slope: ArrayLike, human_slope: ArrayLike) -> Tensor:
    """Pearson's r of the slopes of a model and of people over conditions.

    It sees the order and the spread of the conditions, not the size of the slopes: half as steep correlates as well.

    Args:
        model_slope: [..., K] slopes of a model; `human_slope` likewise, and leading dimensions broadcast. Conditions
            without one of the two (NaN) are left out.
    Returns:
        [...] from -1 to 1; NaN for fewer than three conditions (two points always lie on a line), or slopes that
        are all equal.
    Raises:
        TypeError: not real numbers. ValueError: shapes that don't broadcast.

    Example:
        >>> slope_correlation([0.0, 4.4, 97.0, 32.7], [0.8, 7.6, 96.0, 45.0])
        tensor(0.9914, dtype=torch.float64)
    """
    model, human = reals("model_slope", model_slope, None), reals("human_slope", human_slope, None)
    try:
        model, human = torch.broadcast_tensors(model, human)
    except RuntimeError as error:
        raise ValueError(
            f"model_slope and human_slope must broadcast, got {list(model.shape)} and {list(human.shape)}"
        ) from error
    known = model.isfinite() & human.isfinite()
    count = known.sum(-1, keepdim=True)
    model, human = (
        torch.where(known, x - torch.where(known, x, 0.0).sum(-1, keepdim=True) / count, 0.0)
        for x in (model, human)
    )
    spread = model.square().sum(-1) * human.square().sum(-1)
    r = (model * human).sum(-1) / spread.sqrt()
    return torch.where((count[..., 0] >= 3) & (spread > 0), r.clamp(-1, 1), torch.nan)


def mean_costs(trials: Tensor) -> tuple[Tensor, Tensor]:
    """[S, 2] different conditions and set sizes of trials [N, 3] (with the cost, finite), and the mean costs [S]."""
    place, index = trials[:, :2].unique(dim=0, return_inverse=True)
    total, count = (
        trials.new_zeros(len(place)).index_add_(0, index, x)
        for x in (trials[:, 2], torch.ones_like(trials[:, 2]))
    )
    return place, total / count


def slopes_of_means(place: Tensor, means: Tensor, conditions: int) -> Tensor:
    """[..., K] slopes of conditions 0 ... K - 1 from mean costs [..., S] at conditions and set sizes [S, 2].

    What rounding leaves of equal means is 0: the index of two slopes of 1e-14 ms would be -1 or 1.
    """
    return torch.stack([_slope(place[s, 1], means[..., s]) for s in _of_each(place, conditions)], -1)


def _of_each(place: Tensor, conditions: int) -> list[Tensor]:
    return [place[:, 0] == condition for condition in range(conditions)]


def _slope(set_size: Tensor, cost: Tensor) -> Tensor:
    slope = search_slope(set_size, cost)[..., 0]
    if not len(set_size):
        return slope
    rise = slope.abs() * (set_size.max() - set_size.min())
    return torch.where(rise < _ROUNDING * cost.abs().amax(-1), 0.0, slope)


def asymmetries_of_means(place: Tensor, means: Tensor, tasks: int, min_slope: float) -> Tensor:
    """[..., K + 1] indices and their mean; conditions of task k are 2 k, which is hard for people, and 2 k + 1."""
    hard, easy = slopes_of_means(place, means, 2 * tasks).unflatten(-1, (tasks, 2)).unbind(-1)
    index = asymmetry_index(hard, easy, min_slope)
    # a slope that only this resample lacks makes the mean undefined; a task without data is left out of all
    sizes = torch.stack([of.sum() for of in _of_each(place, 2 * tasks)])
    out = indices_below(hard, easy, min_slope) | (sizes.view(tasks, 2) < 2).any(1)
    mean = torch.where(out, 0.0, index).sum(-1) / (~out).sum(-1)
    return torch.cat([index, mean[..., None]], -1)


def indices_below(hard: Tensor, easy: Tensor, min_slope: float) -> Tensor:
    """[...] bool: neither slope reaches `min_slope`."""
    return (torch.maximum(hard, easy) < min_slope) & (min_slope > 0)


def _trials(set_size: ArrayLike, cost: ArrayLike, condition: ArrayLike, conditions: int) -> Tensor:
    """[N, 3] condition, set size and cost of the trials that have a finite cost."""
    whole_number("the number of conditions", conditions, 1)
    set_size, cost = reals("set_size", set_size, None), reals("cost", cost, None)
    condition = integers("condition", condition)
    if not set_size.shape == cost.shape == condition.shape or cost.dim() != 1:
        raise ValueError(
            "each trial must have one set size, cost and condition, "
            f"got {list(set_size.shape)}, {list(cost.shape)} and {list(condition.shape)}"
        )
    if not set_size.isfinite().all():
        raise ValueError(f"set_size must be finite, got {set_size.tolist()}")
    if ((condition < 0) | (condition >= conditions)).any():
        raise ValueError(
            f"condition must lie in 0 ... {conditions - 1}, got {condition.min()} to {condition.max()}"
        )
    return torch.stack([condition.to(cost), set_size, cost], 1)[cost.isfinite()]
