"""Fewer channels: principal components of the features of the training pictures."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Reduction"]

_LIMIT = 5.0  # standard deviations


class Reduction(nn.Module):
    """Standardised channels, clipped at 5 standard deviations, projected on their leading principal components.

    Components are divided by the fourth root of their variance: between keeping it and whitening.

    Args:
        components: kept; a net with fewer channels leaves the rest 0.
        channels: of the net.
    """

    def __init__(self, channels: int, components: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))
        self.register_buffer("projection", torch.zeros(components, channels))

    def fit(self, maps: Tensor) -> None:
        """From [P, channels, C] of the training pictures."""
        self.mean.copy_(maps.mean((0, 2)))
        self.scale.copy_(maps.std((0, 2)).clamp(min=1e-4))
        flat = self._standard(maps).transpose(0, 1).flatten(1)
        values, vectors = torch.linalg.eigh(flat @ flat.T / flat.shape[1])
        kept = min(len(self.projection), len(values))
        leading = values.flip(0)[:kept].clamp(min=1e-6)
        self.projection.zero_()
        self.projection[:kept] = vectors.flip(1)[:, :kept].T / leading[:, None] ** 0.25

    def forward(self, maps: Tensor) -> Tensor:
        """[P, channels, C] to [P, components, C]."""
        return torch.einsum("kc,pcl->pkl", self.projection, self._standard(maps))

    def _standard(self, maps: Tensor) -> Tensor:
        return ((maps - self.mean[:, None]) / self.scale[:, None]).clamp(-_LIMIT, _LIMIT)
