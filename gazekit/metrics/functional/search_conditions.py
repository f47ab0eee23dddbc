"""Do two conditions of search differ in the way their cost grows; and how many fixations do they take?

Source of the comparison: Gupta et al. 2021 (NeurIPS, visual search asymmetry), an analysis of variance of two nested
models; textbook: Draper and Smith 1998, Applied Regression Analysis, section 6.1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, binary, integers, reals, values, whole_number

__all__ = ["comparison_of_sums", "found_rate", "mean_fixations", "search_model_comparison", "sums_of_trials"]

_ROUNDING = 1e-12


def search_model_comparison(set_size: ArrayLike, cost: ArrayLike, is_hard: ArrayLike) -> Tensor:
    """F test of cost ~ 1 + N against cost ~ 1 + N + condition + N x condition, by least squares over trials.

        F = ((R1 - R2) / 2) / (R2 / (n - 4)),   p = P(F(2, n - 4) >= F) = (R2 / R1) ^ ((n - 4) / 2)

    R1 and R2 are the sums of squared residuals of one line, and of a line for each condition; with two degrees of
    freedom above, the distribution has this closed form. A small p says that the conditions differ in slope or in
    intercept, *not* that their asymmetry is people's. Trials count as independent, which trials of one subject are not.

    Args:
        set_size: [N] number of items of each trial (display).
        cost: [N] cost; trials without a finite one are left out.
        is_hard: [N] bool, the condition.
    Returns:
        [2] F and p. NaN where a condition has fewer than two set sizes, or with fewer than five trials. Without any
        residual (a deterministic searcher that makes as many fixations in all displays of a set size, on a line): F is
        inf and p is 0 if the two lines differ, both are NaN if they are one line, as there is no noise to compare with.
    Raises:
        TypeError: not real numbers, `is_hard` not bool. ValueError: shapes that differ.

    Example:
        >>> set_size, hard = [3, 3, 6, 6] * 2, [True] * 4 + [False] * 4
        >>> search_model_comparison(set_size, [1.0, 1.2, 2.0, 2.2, 1.0, 1.2, 1.1, 1.2], hard)
        tensor([2.7769e+01, 4.5136e-03], dtype=torch.float64)
    """
    set_size, cost = reals("set_size", set_size, None), reals("cost", cost, None)
    is_hard = binary("is_hard", is_hard)
    if not set_size.shape == cost.shape == is_hard.shape or cost.dim() != 1:
        raise ValueError(
            "each trial must have one set size, cost and condition, "
            f"got {list(set_size.shape)}, {list(cost.shape)} and {list(is_hard.shape)}"
        )
    sums = sums_of_trials(set_size, cost)
    return comparison_of_sums(torch.stack([sums[is_hard].sum(0), sums[~is_hard].sum(0)]))


def sums_of_trials(set_size: Tensor, cost: Tensor) -> Tensor:
    """[N, 6] of each trial 1, x, y, x^2, x y, y^2, of centred set size and cost; 0 for a cost that is not finite.

    Centring changes no residual, and keeps the digits that squares of reaction times would lose.
    """
    finite = cost.isfinite()
    x, y = (torch.where(finite, v, 0.0) for v in (set_size, cost))
    number = finite.sum().clamp(min=1)
    x, y = (torch.where(finite, v - v.sum() / number, 0.0) for v in (x, y))
    return torch.stack([finite.to(x), x, y, x * x, x * y, y * y], 1)


def comparison_of_sums(sums: Tensor) -> Tensor:
    """[..., 2] F and p from the sums [..., 2, 6] over trials of the two conditions."""
    total = sums.sum(-2)
    trials, scale = total[..., 0], _ROUNDING * total[..., 5]
    one, apart = _residual(total)[0], _residual(sums)
    two = apart[0].sum(-1)
    two = torch.where(two > scale, two, 0.0)  # what rounding leaves
    extra = torch.where(one - two > scale, one - two, 0.0)
    left = trials - 4
    f = (extra / 2) / (two / left)  # x / 0 is inf, 0 / 0 is NaN
    p = (two / (two + extra)) ** (left / 2)
    defined = apart[1].all(-1) & (left > 0)
    return torch.where(defined[..., None], torch.stack([f, p], -1), torch.nan)


def _residual(sums: Tensor) -> tuple[Tensor, Tensor]:
    """[...] sum of squared residuals of a line, and whether there are two set sizes to lay it through."""
    n, x, y, xx, xy, yy = sums.unbind(-1)
    n = n.clamp(min=1)
    sxx, sxy, syy = xx - x * x / n, xy - x * y / n, yy - y * y / n
    line = sxx > _ROUNDING * xx
    return (syy - sxy * sxy / torch.where(line, sxx, 1.0)).clamp(min=0), line


def mean_fixations(fixations: ArrayLike, condition: ArrayLike, conditions: int) -> Tensor:
    """Mean number of saccades up to the target in each condition.

    Args:
        fixations: [N] saccades up to and including the one into the target; trials without a finite number, where
            it was not found, are left out.
        condition: [N] integers from 0 to conditions - 1.
        conditions: their number, K.
    Returns:
        [K]; NaN for a condition without such trials.
    Raises:
        TypeError: not numbers, conditions that are no integers. ValueError: other shapes, a condition out of range.

    Example:
        >>> mean_fixations([1.0, 2.0, 4.0], [0, 0, 1], 3)
        tensor([1.5000, 4.0000,    nan], dtype=torch.float64)
    """
    whole_number("the number of conditions", conditions, 1)
    fixations, condition = values("fixations", fixations), integers("condition", condition)
    if fixations.shape != condition.shape or fixations.dim() != 1:
        raise ValueError(
            "each trial must have one value and one condition, "
            f"got {list(fixations.shape)} and {list(condition.shape)}"
        )
    if ((condition < 0) | (condition >= conditions)).any():
        raise ValueError(
            f"condition must lie in 0 ... {conditions - 1}, got {condition.min()} to {condition.max()}"
        )
    finite = fixations.isfinite()
    of = torch.nn.functional.one_hot(condition[finite], conditions).to(fixations)
    return fixations[finite] @ of / of.sum(0)


def found_rate(found: ArrayLike, condition: ArrayLike, conditions: int) -> Tensor:
    """Share of trials in which the target was found, in each condition.

    Args:
        found: [N] bool.
        condition: [N] integers from 0 to conditions - 1.
        conditions: their number, K.
    Returns:
        [K] from 0 to 1; NaN for a condition without trials.
    Raises:
        TypeError: `found` is not bool; and as `mean_fixations`.

    Example:
        >>> found_rate([True, False, True], [0, 0, 1], 2)
        tensor([0.5000, 1.0000], dtype=torch.float64)
    """
    return mean_fixations(binary("found", found).double(), condition, conditions)
