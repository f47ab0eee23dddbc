"""Predicted fixation durations: how well a model knows them, and whether its distributions are right."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, masked, values
from gazekit.metrics.functional.information_gain import outcome_bits

__all__ = ["LEVELS", "duration_calibration", "duration_gain_nats", "shares_below"]

LEVELS = torch.arange(1, 100, dtype=torch.float64) / 100
"""Quantiles at which calibration is looked at."""


def duration_gain_nats(
    duration_log_prob: ArrayLike, duration_log_chance: ArrayLike, duration_mask: ArrayLike
) -> Tensor:
    """Mean log ratio of the densities that a model and a baseline gave to the durations of fixations.

    The baseline of gazekit's reports is one log-normal for all fixations, fitted on the training part.

    Args:
        duration_log_prob: [...] natural logarithm of the model's density (per ms, or any unit that both share).
        duration_log_chance: [...] the same of the baseline, finite where valid.
        duration_mask: [...] bool, True = valid.
    Returns:
        [] float64, nats per fixation; NaN where `duration_log_prob` is NaN at a valid fixation, or if none is valid.
    Raises:
        TypeError, ValueError: as `information_gain_bits`.

    Example:
        >>> import torch
        >>> model, chance = torch.tensor([-5.0, -6.0]), torch.tensor([-5.5, -6.0])
        >>> duration_gain_nats(model, chance, torch.tensor([True, True]))
        tensor(0.2500, dtype=torch.float64)
    """
    names = ("duration_log_prob", "duration_log_chance", "duration_mask")
    bits = outcome_bits(duration_log_prob, duration_log_chance, duration_mask, names)
    return (bits * math.log(2))[torch.as_tensor(duration_mask)].mean()


def duration_calibration(duration_cdf: ArrayLike, duration_mask: ArrayLike) -> Tensor:
    """Largest gap between how many durations lie below a predicted quantile and how many should.

    Looked at for the quantiles .01, .02, ... .99: the Kolmogorov-Smirnov distance of the probability integral transform
    (Dawid 1984) from the uniform distribution, on a grid. A baseline that ignores everything can have 0; so it is no
    measure of knowledge.

    Args:
        duration_cdf: [...] probability that the model gave to a shorter fixation, from 0 to 1.
        duration_mask: [...] bool, True = valid.
    Returns:
        [] float64 from 0 to 1; NaN where `duration_cdf` is NaN at a valid fixation, or if none is valid.
    Raises:
        TypeError: values are not real numbers, the mask is not bool.
        ValueError: shapes differ, or a probability is not from 0 to 1.

    Example:
        >>> import torch
        >>> duration_calibration(torch.linspace(0, 0.5, 51), torch.ones(51, dtype=torch.bool))
        tensor(0.5000, dtype=torch.float64)
    """
    below, mask = shares_below(duration_cdf, duration_mask)
    return (below[mask].mean(0) - LEVELS.to(below)).abs().max()


def shares_below(duration_cdf: ArrayLike, duration_mask: ArrayLike) -> tuple[Tensor, Tensor]:
    """[..., 99] 1.0 where a duration lies at or below the predicted quantile, NaN where unknown; and the mask [...]."""
    cdf = values("duration_cdf", duration_cdf)
    mask = masked("duration_mask", duration_mask, cdf)
    if cdf.shape != mask.shape:
        raise ValueError(
            f"duration_cdf and duration_mask must share one shape, got {list(cdf.shape)} and {list(mask.shape)}"
        )
    bad = mask & ((cdf < 0) | (cdf > 1))
    if bad.any():
        raise ValueError(f"duration_cdf must lie between 0 and 1, got {float(cdf[bad][0])}")
    below = (cdf[..., None] <= LEVELS.to(cdf)).double()
    return torch.where(cdf.isnan()[..., None], torch.nan, below), mask
