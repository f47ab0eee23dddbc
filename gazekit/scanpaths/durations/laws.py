"""Distributions of durations: densities per ms, what lies below and above, and draws.

A density is over continuous time in ms. Recordings come in whole ms, in which it is, to its curvature, the probability
of the 1 ms step; log densities are in nats.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

__all__ = ["GammaLaw", "Law", "LogNormalMixture", "quantile", "step_of"]

LONGEST_MS = 60_000.0
BISECTIONS = 60


class Law(Protocol):
    """A distribution for each of [...] fixations; `ms` broadcasts with them and is above 0."""

    def log_prob(self, ms: Tensor) -> Tensor:
        """[...] nats per ms."""

    def cdf(self, ms: Tensor) -> Tensor:
        """[...] probability of at most `ms`."""

    def log_survival(self, ms: Tensor) -> Tensor:
        """[...] log probability of more than `ms`."""


class LogNormalMixture(NamedTuple):
    """K log-normals.

    Args:
        log_weight: [..., K], sums to 1 over K when exponentiated.
        location: [..., K] mean of log ms; scale: [..., K] its standard deviation.
    """

    log_weight: Tensor
    location: Tensor
    scale: Tensor

    def log_prob(self, ms: Tensor) -> Tensor:
        z, log = self._z(ms), ms.log()
        each = -0.5 * z.square() - self.scale.log() - 0.5 * math.log(2 * math.pi)
        return (self.log_weight + each).logsumexp(-1) - log

    def cdf(self, ms: Tensor) -> Tensor:
        return (self.log_weight.exp() * torch.special.ndtr(self._z(ms))).sum(-1).clamp(max=1)

    def log_survival(self, ms: Tensor) -> Tensor:
        return (self.log_weight + torch.special.log_ndtr(-self._z(ms))).logsumexp(-1)

    def _z(self, ms: Tensor) -> Tensor:
        return (ms.log()[..., None] - self.location) / self.scale


class GammaLaw(NamedTuple):
    """Gamma of a shape and a rate (1 / ms), [...] each."""

    shape: Tensor
    rate: Tensor

    def log_prob(self, ms: Tensor) -> Tensor:
        peak = self.shape * self.rate.log() - torch.lgamma(self.shape)
        return peak + (self.shape - 1) * ms.log() - self.rate * ms

    def cdf(self, ms: Tensor) -> Tensor:
        return torch.special.gammainc(self.shape.expand_as(ms), self.rate * ms)

    def log_survival(self, ms: Tensor) -> Tensor:
        return torch.special.gammaincc(self.shape.expand_as(ms), self.rate * ms).log()


def quantile(law: Law, share: Tensor) -> Tensor:
    """[...] ms below which `share` [...] of a law lies, by bisection in log ms; between 0.001 ms and a minute."""
    low = torch.full_like(share, math.log(1e-3))
    high = torch.full_like(share, math.log(LONGEST_MS))
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        below = law.cdf(middle.exp()) < share
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return ((low + high) / 2).exp()


def step_of(law: Law, dim: int, step: int) -> Law:
    """The law of one fixation of each scanpath; `dim` is where the fixations are in its parameters."""
    return type(law)(*(part.select(dim, step) for part in law))
