"""How much of a response a perfect model could explain, from repeated presentations of the same stimuli.

The responses of a voxel are thought of as signal plus noise, the signal being what repeats have in common.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, masked, reals, whole_number
from gazekit.metrics.functional.moments import moments, unpack_moments

__all__ = ["explainable_variance", "noise_ceiling", "noise_ceiling_of_means"]


def noise_ceiling(repeats: ArrayLike, mask: ArrayLike | None = None, n_averaged: int | None = None) -> Tensor:
    """Highest fraction of variance (squared correlation) that a model can reach on averaged responses.

        noise  = mean over stimuli of the variance over repeats (divisor k - 1)
        signal = max(0, variance of all responses (divisor N - 1) - noise)
        ceiling = signal / (signal + noise * mean over stimuli of 1/k)

    With ncsnr = sqrt(signal / noise) and k repeats of every stimulus this is ncsnr^2 / (ncsnr^2 + 1/k).

    Source: Allen et al. 2022 (Nature Neuroscience 25, 116), the Natural Scenes Dataset, to our recollection.
    Deviation: there responses are z-scored within sessions, so that the variance of all is 1; here it is computed.

    Args:
        repeats: [R, n, ...] R presentations of n stimuli, usually [R, n, V] for V voxels.
        mask: [R, n] bool, True = this presentation took place; all by default. Stimuli shown once tell
            nothing about the noise, but count in everything else.
        n_averaged: over how many presentations the responses to be predicted are averaged; by default over
            all there are of each stimulus. 1 is the ceiling of single trials.
    Returns:
        [...] float64 from 0 to 1, to be compared with r^2; its square root is the ceiling of r. NaN for fewer
        than two stimuli, none of them repeated, a constant response, or a voxel that holds NaN.
    Raises:
        TypeError: values are not real numbers, the mask is not bool.
        ValueError: shapes don't fit, n_averaged below 1.

    Example:
        >>> import torch
        >>> noise_ceiling(torch.tensor([[1.0, 4.0, 6.0], [2.0, 4.0, 7.0]]))
        tensor(0.9669, dtype=torch.float64)
    """
    return ceiling_of(*repeat_statistics(repeats, mask), n_averaged)


def explainable_variance(repeats: ArrayLike, mask: ArrayLike | None = None) -> Tensor:
    """Fraction of the variance of single responses that is signal: 1 - noise / variance of all responses.

    Noise and variance are those of `noise_ceiling`; where it is not negative, the explainable variance is
    the noise ceiling of single trials.

    Source: Sahani and Linden 2003 (NIPS 15) for signal and noise power; in this form Cadena et al. 2019
    (PLoS Computational Biology 15, e1006897).

    Args:
        repeats: [R, n, ...] R presentations of n stimuli.
        mask: [R, n] bool, True = this presentation took place; all by default.
    Returns:
        [...] float64, at most 1, around 0 (also below) for pure noise. NaN as `noise_ceiling`.
    Raises:
        TypeError: values are not real numbers, the mask is not bool.
        ValueError: shapes don't fit.

    Example:
        >>> import torch
        >>> explainable_variance(torch.tensor([[1.0, 4.0, 6.0], [2.0, 4.0, 7.0]]))
        tensor(0.9359, dtype=torch.float64)
    """
    noise, total, _ = variances_of(*repeat_statistics(repeats, mask))
    return fraction_of(total - noise, total)


def noise_ceiling_of_means(means: ArrayLike, noise_variance: ArrayLike, repeats: int) -> Tensor:
    """`noise_ceiling` where only the mean responses over repeats and the noise variance are available.

        signal = max(0, variance of the means (divisor n - 1) - noise / repeats)
        ceiling = signal / (signal + noise / repeats)

    Args:
        means: [n, ...] mean responses to n stimuli, usually [n, V].
        noise_variance: [...] variance of single responses to the same stimulus.
        repeats: how many presentations each mean is taken over.
    Returns:
        [...] float64 from 0 to 1; NaN for fewer than two stimuli, a NaN, or neither signal nor noise.
    Raises:
        TypeError: values are not real numbers.
        ValueError: shapes don't fit, a negative variance, repeats below 1.

    Example:
        >>> import torch
        >>> noise_ceiling_of_means(torch.tensor([1.5, 4.0, 6.5]), torch.tensor(1 / 3), repeats=2)
        tensor(0.9733, dtype=torch.float64)
    """
    means, noise = reals("means", means), reals("noise_variance", noise_variance)
    if not means.dim() or means.shape[1:] != noise.shape:
        raise ValueError(
            "means and noise_variance must have shapes [n, ...] and [...], "
            f"got {list(means.shape)} and {list(noise.shape)}"
        )
    if (noise < 0).any():
        raise ValueError(f"noise_variance must be at least 0, got {noise.min().item():g}")
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}")
    count, _, comoment = unpack_moments(moments(means))
    variance, noise = comoment[0, 0] / (count - 1), noise / repeats
    signal = (variance - noise).clamp(min=0)
    return torch.where(count > 1, fraction_of(signal, signal + noise), torch.nan)


def repeat_statistics(repeats: ArrayLike, mask: ArrayLike | None) -> tuple[Tensor, Tensor]:
    """What noise and signal variance follow from: statistics that add up over disjoint sets of stimuli.

    Returns:
        [3, ...] `moments` of all presentations, which `merge_moments` merges; and [4, ...] sums: of the
        variance over repeats, of the repeated stimuli, of 1 / presentations, of the stimuli.
    """
    repeats = reals("repeats", repeats)
    if repeats.dim() < 2:
        raise ValueError(f"repeats must have shape [R, n, ...], got {list(repeats.shape)}")
    took_place = masked("mask", mask, repeats.new_empty(repeats.shape[:2]))
    if took_place.shape != repeats.shape[:2]:
        raise ValueError(f"mask must have shape {list(repeats.shape[:2])}, got {list(took_place.shape)}")
    presented = repeats[took_place]  # [N, ...]
    valid = took_place.reshape(*took_place.shape, *(1,) * (repeats.dim() - 2))
    shown = valid.sum(0)  # [n, 1...]
    near = torch.where(valid, repeats - presented[:1].sum(0), 0.0)  # digits survive a large mean
    mean = near.sum(0) / shown.clamp(min=1)
    squares = torch.where(valid, near - mean, 0.0).square().sum(0)
    variance = squares / (shown - 1).clamp(min=1)  # 0 for a stimulus shown once
    some = (shown > 0).to(repeats)
    sums = [variance, (shown > 1).to(repeats), some / shown.clamp(min=1), some]
    return moments(presented), torch.stack([s.expand(repeats.shape[1:]).sum(0) for s in sums])


def variances_of(packed: Tensor, sums: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """[...] noise, variance of all responses, mean of 1 / presentations; NaN where unknown."""
    count, _, comoment = unpack_moments(packed)
    variance, repeated, inverse, stimuli = sums
    noise = torch.where(stimuli > 1, variance / repeated, torch.nan)
    return noise, comoment[0, 0] / (count - 1), inverse / stimuli


def ceiling_of(packed: Tensor, sums: Tensor, n_averaged: int | None) -> Tensor:
    """`noise_ceiling` from `repeat_statistics`."""
    if n_averaged is not None:
        whole_number("n_averaged", n_averaged, 1)
    noise, total, share = variances_of(packed, sums)
    signal = (total - noise).clamp(min=0)
    left = noise * (share if n_averaged is None else 1 / n_averaged)
    return fraction_of(signal, signal + left)


def fraction_of(part: Tensor, whole: Tensor) -> Tensor:
    """part / whole, NaN where the whole is 0 (with a gradient of 0 there)."""
    nothing = whole == 0
    return torch.where(nothing, torch.nan, part / torch.where(nothing, 1.0, whole))
