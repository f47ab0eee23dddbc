"""Features of a time series at several delays, for finite impulse responses."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, as_tensor, integers

__all__ = ["delayed"]


def delayed(x: ArrayLike, delays: Sequence[int], runs: ArrayLike | None = None) -> Tensor:
    """Features as they were some samples ago; a regression on them estimates a response kernel per feature.

    Source: the finite impulse response model of Nishimoto et al. 2011 (Current Biology 21), 4 delays of some seconds.

    Args:
        x: [T, F] features of T successive samples (such as volumes, one TR apart).
        delays: of the copies, in samples; 2 = the features of two samples before, negative ones = of samples to come.
        runs: [T] label of each sample's run, None = one run. Nothing is taken from another run.
    Returns:
        [T, F * len(delays)], all features of the first delay, then of the second, in the type of x. Where a run had not
        begun (or had ended) there is 0: centre the features of each run first if 0 is no ordinary value of theirs.
    Raises:
        TypeError: labels or delays are not integers.
        ValueError: other shapes, no delay, a delay twice, or a run that is interrupted by another.

    Example:
        >>> delayed(torch.tensor([[1.], [2.], [3.]]), [0, 2])
        tensor([[1., 0.],
                [2., 0.],
                [3., 1.]])
    """
    x, delays = as_tensor("x", x), list(delays)
    if x.dim() != 2:
        raise ValueError(f"x must have shape [T, F], samples first, got {list(x.shape)}")
    if not delays or len(set(delays)) < len(delays):
        raise ValueError(f"delays must be one or more different numbers of samples, got {delays}")
    if not all(isinstance(delay, int) for delay in delays):
        raise TypeError(f"delays must be whole numbers of samples, got {delays}")
    run = _run_numbers(runs, x)
    source = torch.arange(len(x), device=x.device)[:, None] - torch.tensor(delays, device=x.device)  # [T, D]
    inside = (source >= 0) & (source < len(x))
    source = source.clamp(0, max(len(x) - 1, 0))
    inside &= run[source] == run[:, None]
    return torch.where(inside[..., None], x[source], 0).to(x.dtype).flatten(1)


def _run_numbers(runs: ArrayLike | None, x: Tensor) -> Tensor:
    """[T] numbers that rise by one where a run begins."""
    if runs is None:
        return torch.zeros(len(x), dtype=torch.int64, device=x.device)
    labels = integers("runs", runs).to(x.device)
    if labels.shape != (len(x),):
        raise ValueError(f"runs must hold the label of each sample, [{len(x)}], got {list(labels.shape)}")
    begun = torch.cat([labels.new_zeros(1), (labels.diff() != 0).long()]).cumsum(0)[: len(x)]
    if len(begun) and int(begun[-1]) + 1 != len(labels.unique()):
        raise ValueError(
            "runs must follow each other, each in one piece, but a label comes back after another: give every run a "
            "label of its own, and sort the samples by time"
        )
    return begun
