"""Information gain: how many bits a model knows about the next fixation beyond a baseline."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, values

__all__ = [
    "information_gain_bits",
    "information_gain_sums",
    "information_gain_with_stop_bits",
    "outcome_bits",
]


def information_gain_bits(log_prob: ArrayLike, log_baseline: ArrayLike, mask: ArrayLike) -> Tensor:
    """Mean log2 ratio of the probabilities that model and baseline gave to what happened.

    Source: Kümmerer, Wallis and Bethge 2015 (PNAS 112, 16054), there over pixels; the outcome may as well
    be the next fixated object.
    Deviation: no small constant is added: a model that excluded what happened has gain -inf.

    Args:
        log_prob: [...] natural logarithm of the model's probability (or density) of the outcome.
        log_baseline: [...] the same of the baseline, finite where valid.
        mask: [...] bool, True = valid.
    Returns:
        [] float64, bits per outcome; NaN where `log_prob` is NaN at a valid outcome, or if none is valid.
    Raises:
        TypeError: values are not real numbers, the mask is not bool.
        ValueError: shapes differ, or the baseline is not finite at a valid outcome.

    Example:
        >>> import torch
        >>> model, uniform = torch.tensor([0.5, 0.25]).log(), torch.tensor([0.125, 0.125]).log()
        >>> information_gain_bits(model, uniform, torch.tensor([True, True]))
        tensor(1.5000, dtype=torch.float64)
    """
    return outcome_bits(log_prob, log_baseline, mask)[torch.as_tensor(mask)].mean()


def information_gain_with_stop_bits(
    outcome_log_prob: ArrayLike, outcome_log_baseline: ArrayLike, outcome_mask: ArrayLike
) -> Tensor:
    """`information_gain_bits` where the decision to stop is an outcome too, after the last fixation.

    Args:
        outcome_log_prob: [...] natural logarithm of the model's probability of each outcome, a fixation or the stop.
        outcome_log_baseline: [...] the same of the baseline, finite where valid.
        outcome_mask: [...] bool, True = valid.
    Returns, Raises:
        As `information_gain_bits`.

    Example:
        >>> import torch
        >>> model, uniform = torch.tensor([0.5, 0.25]).log(), torch.tensor([0.125, 0.125]).log()
        >>> information_gain_with_stop_bits(model, uniform, torch.tensor([True, True]))
        tensor(1.5000, dtype=torch.float64)
    """
    names = ("outcome_log_prob", "outcome_log_baseline", "outcome_mask")
    bits = outcome_bits(outcome_log_prob, outcome_log_baseline, outcome_mask, names)
    return bits[torch.as_tensor(outcome_mask)].mean()


def information_gain_sums(
    log_prob: ArrayLike, log_baseline: ArrayLike, mask: ArrayLike
) -> tuple[Tensor, Tensor, Tensor]:
    """The sums behind `information_gain_bits`, for those who accumulate over batches.

    Args:
        log_prob: as in `information_gain_bits`; so are `log_baseline` and `mask`.
    Returns:
        total gain in bits over the defined outcomes, their number, and the number of valid outcomes whose
        `log_prob` is NaN.
    """
    bits = outcome_bits(log_prob, log_baseline, mask)
    mask = torch.as_tensor(mask)
    defined = mask & ~bits.isnan()
    return torch.where(defined, bits, 0.0).sum(), defined.sum(), (mask & ~defined).sum()


def outcome_bits(
    log_prob: ArrayLike,
    log_baseline: ArrayLike,
    mask: ArrayLike,
    names: tuple[str, str, str] = ("log_prob", "log_baseline", "mask"),
) -> Tensor:
    """[...] float64 gain of each outcome in bits; NaN where `log_prob` is NaN or `mask` is False.

    Args:
        log_prob: as in `information_gain_bits`; so are `log_baseline` and `mask`.
        names: what errors call these three.
    """
    log_prob, log_baseline = values(names[0], log_prob), values(names[1], log_baseline)
    mask = torch.as_tensor(mask)
    if mask.dtype != torch.bool:
        raise TypeError(f"{names[2]} must be bool, got {mask.dtype}")
    if not log_prob.shape == log_baseline.shape == mask.shape:
        raise ValueError(
            f"{names[0]}, {names[1]} and {names[2]} must share one shape, "
            f"got {list(log_prob.shape)}, {list(log_baseline.shape)} and {list(mask.shape)}"
        )
    if not log_baseline[mask].isfinite().all():
        raise ValueError(
            f"{names[1]} must be finite wherever {names[2]} is True: the baseline excludes what happened"
        )
    return torch.where(mask, (log_prob - log_baseline) / math.log(2), torch.nan)
