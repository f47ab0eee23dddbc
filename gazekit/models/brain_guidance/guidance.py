"""Guidance of any diffusion sampler by the gradient of a score, such as the predicted response of a brain region.

Of the noisy x_t = sqrt(abar) x_0 + sqrt(1 - abar) noise a net predicts the noise, eps(x_t, abar). BrainDiVE (Luo et al.
2023) samples with

    eps' = eps - s sqrt(1 - abar) da / dx_t

and so draws from p(x) exp(s a(x)) instead of p(x), as far as the score of what x_t shows stands for that of x_0. No net
comes with this module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

__all__ = ["blended_picture", "clean_picture", "ddim", "gradient_guidance"]

Noise = Callable[[Tensor, Tensor], Tensor]
"""Noisy x [B, ...] and abar [] to the predicted noise [B, ...]."""


def clean_picture(x: Tensor, noise: Tensor, abar: Tensor) -> Tensor:
    """The mean of what x_t may come from, as the noise implies it: x_0 = (x_t - sqrt(1 - abar) eps) / sqrt(abar)."""
    return (x - (1 - abar).sqrt() * noise) / abar.sqrt()


def blended_picture(x: Tensor, noise: Tensor, abar: Tensor) -> Tensor:
    """What BrainDiVE scores: sqrt(1 - abar) x_0 + (1 - sqrt(1 - abar)) x_t, with x_0 of `clean_picture`."""
    share = (1 - abar).sqrt()
    return share * clean_picture(x, noise, abar) + (1 - share) * x


def gradient_guidance(
    score_fn: Callable[[Tensor], Tensor],
    noise_fn: Noise,
    scale: float,
    seen: Literal["clean", "blended", "noisy"] = "clean",
) -> Noise:
    """A noise prediction that leads any sampler to what has a high score, in the place of `noise_fn`.

    For Gaussian x_0 and a linear score w.x, "clean" is exact: the mean of x_0 given x_t moves by `scale` times the
    variance of x_0 given x_t times w, and that of the samples by scale sigma^2 w. The gradient goes through
    `noise_fn`.

    Args:
        score_fn: pictures [B, ...] to scores [B], differentiable.
        noise_fn: x [B, ...] and abar [] to the predicted noise [B, ...].
        scale: s of the equation above.
        seen: what is scored: "clean" = `clean_picture`, "blended" = `blended_picture`, "noisy" = x_t itself.
    Raises:
        ValueError: another word for `seen`; scores of another shape than [B], or without a gradient.
    """
    views = {"clean": clean_picture, "blended": blended_picture, "noisy": lambda x, noise, abar: x}
    if seen not in views:
        raise ValueError(f"seen must be one of {', '.join(views)}, got {seen!r}")

    def guided(x: Tensor, abar: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            noise = noise_fn(x, abar)
            score = score_fn(views[seen](x, noise, abar))
            if score.shape != x.shape[:1] or not score.requires_grad:
                raise ValueError(
                    f"score_fn must give differentiable scores [{len(x)}], got {list(score.shape)}, "
                    f"requires_grad={score.requires_grad}"
                )
            (gradient,) = torch.autograd.grad(score.sum(), x)
        return (noise - scale * (1 - abar).sqrt() * gradient).detach()

    return guided


@torch.no_grad()
def ddim(noise_fn: Noise, start: Tensor, abars: Tensor) -> Tensor:
    """The deterministic sampler of Song et al. 2021 (equation 12 with sigma 0).

    Args:
        noise_fn: see `gradient_guidance`.
        start: [B, ...] noise, drawn from a standard normal.
        abars: [steps] increasing, from the noisiest to the last before the picture.
    Returns:
        [B, ...] pictures.
    Raises:
        ValueError: abars that do not increase, or not between 0 and 1.
    """
    if not ((abars > 0) & (abars < 1)).all() or not (abars.diff() > 0).all():
        raise ValueError("abars must increase and lie between 0 and 1")
    x = start
    for abar, after in zip(abars, [*abars[1:], torch.ones_like(abars[0])], strict=True):
        noise = noise_fn(x, abar)
        x = after.sqrt() * clean_picture(x, noise, abar) + (1 - after).sqrt() * noise
    return x
