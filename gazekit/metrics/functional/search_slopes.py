"""Search slopes, what one more item costs, and the asymmetry between two searches.

Source: Wolfe 1998 (Psychological Science 9, 33) on slopes; Gupta et al. 2021 (NeurIPS, visual search asymmetry)
for the index, whose two conditions are ordered by people's slopes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, reals

__all__ = ["asymmetry_index", "search_slope"]


def search_slope(set_size: ArrayLike, cost: ArrayLike) -> Tensor:
    """Least squares line of the cost of search on the number of items: slope and intercept.

    The slope is the search efficiency: cost (reaction time in ms, number of fixations) of one more item.
    The published slopes are of the mean cost at each set size, which weighs set sizes equally; trials weigh
    set sizes by their number. Differentiable in the cost.

    Args:
        set_size: [..., N] numbers of items; leading dimensions broadcast with those of the cost.
        cost: [..., N] costs.
    Returns:
        [..., 2] slope in units of cost per item, and intercept; NaN where there are fewer than two different
        set sizes, or any value is NaN or infinite.
    Raises:
        TypeError: not real numbers.
        ValueError: not equally many set sizes and costs, or leading dimensions that don't broadcast.

    Example:
        >>> search_slope([8, 16, 32], [565.0, 640.0, 750.0])  # line among curves, in ms
        tensor([  7.5893, 510.0000], dtype=torch.float64)
    """
    set_size, cost = reals("set_size", set_size, None), reals("cost", cost, None)
    if set_size.shape[-1] != cost.shape[-1]:
        raise ValueError(
            "set_size and cost must have equally many values, "
            f"got {list(set_size.shape)} and {list(cost.shape)}"
        )
    try:
        set_size, cost = torch.broadcast_tensors(set_size, cost)
    except RuntimeError as error:
        raise ValueError(
            "leading dimensions of set_size and cost must broadcast, "
            f"got {list(set_size.shape)} and {list(cost.shape)}"
        ) from error
    if not cost.shape[-1]:
        return cost.new_full((*cost.shape[:-1], 2), torch.nan)
    finite = set_size.isfinite() & cost.isfinite()
    fitted = finite.all(-1) & (set_size != set_size[..., :1]).any(-1)
    offset = torch.where(fitted[..., None], set_size - set_size.mean(-1, keepdim=True), 1.0)
    slope = (offset * cost).sum(-1) / offset.square().sum(-1)
    line = torch.stack([slope, cost.mean(-1) - slope * set_size.mean(-1)], -1)
    return torch.where(fitted[..., None], line, torch.nan)


def asymmetry_index(slope_hard: ArrayLike, slope_easy: ArrayLike, min_slope: float = 0.0) -> Tensor:
    """Asymmetry of two searches whose target and distractors are exchanged.

        A = (h - e) / (h + e),  h = max(0, slope_hard),  e = max(0, slope_easy)

    Source: Gupta et al. 2021. "Hard" is the condition with the larger slope of *people*, also for a model:
    1 says that only the search which is hard for people costs anything, below 0 that the model finds the
    other one harder. Two flat searches are not asymmetric: 0, as there.

    Args:
        slope_hard: [...] slope of the condition in which people's is larger, of people or of a model.
        slope_easy: [...] that of the other. They broadcast.
        min_slope: a searcher near the ceiling (one fixation in every display) has slopes of almost 0, whose index is
            -1, 0 or 1 by accident: undefined where neither slope reaches this. 0: always defined, as published.
    Returns:
        [...] from -1 to 1; NaN where a slope is NaN, or neither reaches `min_slope`.
    Raises:
        TypeError: not real numbers. ValueError: shapes that don't broadcast; a negative `min_slope`.

    Example:
        >>> asymmetry_index(96.0, 45.0)  # cross and non-cross, ms per item
        tensor(0.3617, dtype=torch.float64)
    """
    if not min_slope >= 0:
        raise ValueError(f"min_slope must be at least 0, got {min_slope}")
    hard, easy = (
        reals(name, slope).clamp(min=0)
        for name, slope in (("slope_hard", slope_hard), ("slope_easy", slope_easy))
    )
    try:
        total = hard + easy
    except RuntimeError as error:
        raise ValueError(
            f"slope_hard and slope_easy must broadcast, got {list(hard.shape)} and {list(easy.shape)}"
        ) from error
    flat = total == 0
    index = torch.where(flat, 0.0, (hard - easy) / torch.where(flat, 1.0, total))
    return torch.where(torch.maximum(hard, easy) < min_slope, torch.nan, index)
