"""MindEye's two contrastive losses (Scotti et al. 2023, arXiv 2305.18274): BiMixCo, then SoftCLIP.

P [B, D] are brains' embeddings, T [B, D] pictures', both of length 1; Z = P T^t / tau.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, normalize

__all__ = ["Mixture", "annealed", "bimixco", "mix_responses", "softclip"]


class Mixture(NamedTuple):
    """How responses were mixed: `weight` [B] of a response itself, the rest is of its `partner` [B]."""

    weight: Tensor
    partner: Tensor

    def targets(self) -> Tensor:
        """Q [B, B]: the weights on the diagonal, the rest at the partners; 1 for who is its own partner.

        Deviation: the release overwrites the diagonal by 1 - weight there.
        """
        return torch.diag(self.weight).scatter_add(1, self.partner[:, None], (1 - self.weight)[:, None])


def mix_responses(response: Tensor, share: float = 0.5, beta: float = 0.15) -> tuple[Tensor, Mixture]:
    """x_i <- b_i x_i + (1 - b_i) x_perm(i) for a random share of the responses [B, V], b ~ Beta(beta, beta).

    It draws from torch's global generator.
    """
    count = len(response)
    partner = torch.randperm(count, device=response.device)
    weight = torch.distributions.Beta(beta, beta).sample((count,)).to(response)
    weight = torch.where(torch.rand(count, device=response.device) < share, weight, 1.0)
    mixed = weight[:, None] * response + (1 - weight)[:, None] * response[partner]
    return mixed, Mixture(weight, partner)


def bimixco(brain: Tensor, picture: Tensor, mixture: Mixture, temperature: float = 0.006) -> Tensor:
    """Brains that are mixtures, each matched with the pictures of both parts, in both directions.

        L = -(mean_i sum_j Q_ij log softmax_j Z_ij + mean_j sum_i Q_ij log softmax_i Z_ij) / 2

    Args:
        brain, picture: [B, D], scaled to length 1 here.
        mixture: of `mix_responses`, which gives Q.
        temperature: tau.
    """
    return _both_ways(_similarities(brain, picture) / temperature, mixture.targets())


def softclip(brain: Tensor, picture: Tensor, temperature: float) -> Tensor:
    """Brains matched with pictures as softly as pictures are alike: Q = softmax(T T^t / tau), see `bimixco`.

    Q is normalised over the pictures to choose from in each direction.

    Args:
        brain, picture: [B, D], scaled to length 1 here.
        temperature: tau, of Q and of Z.
    """
    soft = (_similarities(picture, picture) / temperature).softmax(1)
    z = _similarities(brain, picture) / temperature
    return -((soft * log_softmax(z, 1)).sum(1).mean() + (soft * log_softmax(z.T, 1)).sum(1).mean()) / 2


def annealed(progress: float, first: float = 0.004, last: float = 0.0075) -> float:
    """The temperature on half a cosine from `first` (progress 0) to `last` (progress 1)."""
    return last + (first - last) * (1 + math.cos(math.pi * min(max(progress, 0.0), 1.0))) / 2


def _similarities(a: Tensor, b: Tensor) -> Tensor:
    return normalize(a, dim=1) @ normalize(b, dim=1).T


def _both_ways(z: Tensor, target: Tensor) -> Tensor:
    return -((target * log_softmax(z, 1)).sum(1).mean() + (target * log_softmax(z, 0)).sum(0).mean()) / 2
