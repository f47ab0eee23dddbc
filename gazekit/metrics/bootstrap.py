"""How uncertain a mean over images is: the percentile bootstrap, with images as the units drawn.

Fixations (or trials) of one image depend on one another, so whole images are drawn, with replacement. A
metric over the drawn images is a ratio of sums (score over count, for example), which a matrix product of
"how often was each image drawn" with the sums of each image gives for many draws at once.

Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13; clusters as units: Davison
and Hinkley 1997, Bootstrap Methods and their Application, section 3.8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, values

__all__ = [
    "Interval",
    "bootstrap_draws",
    "bootstrap_interval",
    "bootstrap_statistic",
    "check_settings",
    "interval_of_draws",
]

_CHUNK_BYTES = 32 * 2**20


class Interval(NamedTuple):
    """A value and the bounds of its confidence interval, tensors of one shape."""

    value: Tensor
    low: Tensor
    high: Tensor


def bootstrap_interval(
    numerator: ArrayLike,
    denominator: ArrayLike,
    statistic: Callable[[Tensor], Tensor] | None = None,
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    strata: Tensor | None = None,
) -> Interval:
    """Percentile bootstrap interval of sum(numerator) / sum(denominator), drawing images.

    Resamples whose value is undefined (a column of which no drawn image has anything) are left out. There is
    no interval, NaN, where it would pretend a certainty that was not measured: for a column to which fewer
    than two images contribute, and for a value that is not finite (an information gain of -inf).

    Args:
        numerator: [I, K] sums of K quantities over each of I images; may be infinite.
        denominator: [I, K] what they are divided by, at least 0; 0 where an image has nothing to say.
        statistic: maps ratios [R, K] to [R] or [R, ...], row by row, and NaN to NaN; by default each column is a value.
        n_resamples: number of draws of I images.
        level: confidence level, between 0 and 1.
        seed: equal seeds give equal intervals.
        strata: [I] integers; images are drawn among those of the same stratum (set size, condition), as many as it
            has, so that no resample lacks one. None: among all.
    Returns:
        value, low and high, float64 [K], or [] or [...] with a statistic. NaN for columns of total denominator 0.
    Raises:
        TypeError: values are not real numbers.
        ValueError: shapes differ, a NaN, a negative or infinite denominator; level or n_resamples out of
            range.

    Example:
        >>> import torch
        >>> hits, trials = torch.tensor([[3.0], [1.0], [2.0], [4.0]]), torch.full((4, 1), 5.0)
        >>> [round(float(bound), 2) for bound in bootstrap_interval(hits, trials)]
        [0.5, 0.3, 0.7]
    """
    numerator, denominator = _checked(numerator, denominator)
    check_settings(n_resamples, level)
    statistic = statistic or (lambda ratios: ratios)
    value = statistic((numerator.sum(0) / denominator.sum(0))[None])[0]
    few = ((denominator > 0).sum(0) < 2) | ~numerator.isfinite().all(0)
    finite = torch.where(few, 0, numerator)  # 0 draws x an infinite sum would be NaN in the product
    draws = []
    for counts in bootstrap_draws(len(numerator), n_resamples, seed, strata=strata):
        counts = counts.to(numerator.device)
        ratios = (counts @ finite) / (counts @ denominator)
        draws.append(statistic(torch.where(few, torch.nan, ratios)))
    return interval_of_draws(value, torch.cat(draws), level)


def bootstrap_statistic(
    statistic: Callable[[Tensor], Tensor],
    units: int,
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    bytes_per_draw: int = 0,
    strata: Tensor | None = None,
) -> Interval:
    """Percentile bootstrap interval of a statistic that is no ratio of sums, drawing units (stimuli, images).

    Args:
        statistic: maps how often each unit was drawn, [R, units] float64 on the CPU, to values [R, ...]; NaN where
            undefined.
        units: number of units. There is no interval (NaN) for fewer than two.
        n_resamples: as `bootstrap_interval`; so are `level` and `seed`.
        bytes_per_draw: working memory that `statistic` needs per draw; R is chosen to keep it below 32 MiB.
        strata: as `bootstrap_interval`.
    Returns:
        value (of each unit once), low and high, [...].
    Raises:
        ValueError: level or n_resamples out of range.
    """
    check_settings(n_resamples, level)
    value = statistic(torch.ones(1, units, dtype=torch.float64))[0]
    if units < 2:
        return Interval(value, torch.full_like(value, torch.nan), torch.full_like(value, torch.nan))
    draws = [
        statistic(counts) for counts in bootstrap_draws(units, n_resamples, seed, bytes_per_draw, strata)
    ]
    return interval_of_draws(value, torch.cat(draws), level)


def interval_of_draws(value: Tensor, draws: Tensor, level: float) -> Interval:
    """The value [...] with percentiles of the draws [R, ...] that are defined; NaN where the value is not finite."""
    low, high = _percentiles(draws, (1 - level) / 2)
    known = value.isfinite()
    return Interval(value, torch.where(known, low, torch.nan), torch.where(known, high, torch.nan))


def check_settings(n_resamples: int, level: float) -> None:
    """That the settings of a bootstrap are in range."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    if n_resamples < 1:
        raise ValueError(f"n_resamples must be at least 1, got {n_resamples}")


def _checked(numerator: ArrayLike, denominator: ArrayLike) -> tuple[Tensor, Tensor]:
    numerator, denominator = values("numerator", numerator), values("denominator", denominator)
    if numerator.dim() != 2 or numerator.shape != denominator.shape:
        raise ValueError(
            "numerator and denominator must share one shape [I, K], "
            f"got {list(numerator.shape)} and {list(denominator.shape)}"
        )
    if numerator.isnan().any():
        raise ValueError("numerator holds NaN: leave undefined items out of both sums")
    if not (denominator.isfinite() & (denominator >= 0)).all():
        raise ValueError("denominator must be finite and at least 0")
    return numerator, denominator


def bootstrap_draws(
    images: int, n_resamples: int, seed: int, bytes_per_draw: int = 0, strata: Tensor | None = None
) -> Iterator[Tensor]:
    """How often each image was drawn, [R, I] float64, the R of all parts adding to `n_resamples`."""
    generator = torch.Generator().manual_seed(seed)
    draw = _among_all if strata is None or not images else _within(strata.cpu())
    # indices and counts, 8 bytes each
    rows = max(1, _CHUNK_BYTES // max(16 * max(images, 1), bytes_per_draw))
    for start in range(0, n_resamples, rows):
        shape = (min(rows, n_resamples - start), images)
        yield torch.zeros(shape, dtype=torch.float64).scatter_add_(
            1, draw(shape, generator), torch.ones(1, 1).double().expand(shape)
        )


def _among_all(shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    """[R, I] images drawn, with replacement."""
    images = shape[1]
    return torch.randint(images, shape, generator=generator) if images else torch.zeros(shape).long()


def _within(strata: Tensor) -> Callable[[tuple[int, int], torch.Generator], Tensor]:
    """Draws for each image one of its stratum."""
    order = strata.argsort(stable=True)
    _, size = strata[order].unique_consecutive(return_counts=True)
    first = (size.cumsum(0) - size).repeat_interleave(size)
    size = size.repeat_interleave(size)

    def draw(shape: tuple[int, int], generator: torch.Generator) -> Tensor:
        place = torch.rand(shape, generator=generator, dtype=torch.float64) * size
        return order[first + place.long().clamp(max=size - 1)]

    return draw


def _percentiles(draws: Tensor, tail: float) -> tuple[Tensor, Tensor]:
    """The quantiles `tail` and 1 - `tail` of the draws [R, ...] that are defined, linearly interpolated."""
    ordered = draws.sort(0).values  # NaN last
    last = (~draws.isnan()).sum(0) - 1
    bounds = []
    for quantile in (tail, 1 - tail):
        place = (quantile * last.double()).clamp(min=0)
        below = place.floor().long()
        above = torch.minimum(below + 1, last.clamp(min=0))
        low, high = (ordered.gather(0, index[None])[0] for index in (below, above))
        bounds.append(torch.lerp(low, high, place - below))
    return bounds[0], bounds[1]
