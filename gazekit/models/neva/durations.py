"""How long each fixation lasts: an accumulator that the fall of the loss drives. Not fitted to people."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Accumulator"]


@dataclass(frozen=True)
class Accumulator:
    """Evidence rises from 0 with drift v and noise to a threshold of 1; then, after a constant, the eye leaves.

    v_t = base + gain g_t (1 / ms), g_t = (L_before,t - L_after,t) / L_before,0 clipped to [0, 1]: the share of the
    blurred picture's loss that the fixation explains. First passages of a diffusion are inverse Gaussian, of mean 1 / v
    and shape 1 / noise^2; durations are that plus `constant_ms`. The more a fixation explains, the shorter it is.

    Args:
        base_per_ms, gain_per_ms: of the drift; means are 310 ms for g = 0 and 185 ms for g = 1.
        noise: standard deviation of the evidence after 1 ms; 0 gives the means.
        constant_ms: of the duration that no evidence plays a part in.
    Raises:
        ValueError: a base that is not positive, another negative value.
    """

    base_per_ms: float = 1 / 250
    gain_per_ms: float = 1 / 250
    noise: float = 0.03
    constant_ms: float = 60.0

    def __post_init__(self) -> None:
        if not self.base_per_ms > 0 or min(self.gain_per_ms, self.noise, self.constant_ms) < 0:
            raise ValueError(f"base_per_ms must be positive and no value negative, got {self}")

    def durations_ms(self, before: Tensor, after: Tensor, generator: torch.Generator) -> Tensor:
        """[..., T] ms, from the losses before and with each fixation [..., T]; `losses` gives them.

        A picture whose blurred form has loss 0 has nothing to explain: g = 0.
        """
        whole = before[..., :1]
        share = torch.where(whole > 0, (before - after) / whole.clamp(min=1e-12), 0).clamp(0, 1).double()
        mean = 1 / (self.base_per_ms + self.gain_per_ms * share)
        if self.noise == 0:
            return self.constant_ms + mean
        normal = torch.randn(mean.shape, generator=generator, dtype=mean.dtype)
        uniform = torch.rand(mean.shape, generator=generator, dtype=mean.dtype)
        return self.constant_ms + _inverse_gaussian(mean, 1 / self.noise**2, normal, uniform)


def _inverse_gaussian(mean: Tensor, shape: float, normal: Tensor, uniform: Tensor) -> Tensor:
    """Draws by the transformation of Michael, Schucany and Haas 1976."""
    y = mean * normal.square()
    root = mean + mean / (2 * shape) * (y - (4 * shape * y + y.square()).sqrt())
    return torch.where(uniform <= mean / (mean + root), root, mean.square() / root)
