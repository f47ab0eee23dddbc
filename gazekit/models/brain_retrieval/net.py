"""From voxels to the space of pictures: MindEye's residual MLP at any width, and that space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from gazekit.base import Data

__all__ = ["BrainMLP", "PictureSpace", "Voxels"]


class BrainMLP(nn.Module):
    """Linear, layer norm, GELU, dropout; residual blocks of the same; linear to the embedding.

    Deviation from MindEye: no projector behind it, which there keeps the contrastive loss from the input of a diffusion
    prior; there is none here.

    Args:
        voxels: V.
        dimensions: D of the embedding.
        hidden: width; MindEye 4096.
        blocks: residual blocks; MindEye 4.
        dropout: of the first layer and of the blocks.
    """

    def __init__(
        self,
        voxels: int,
        dimensions: int,
        hidden: int = 4096,
        blocks: int = 4,
        dropout: Sequence[float] = (0.5, 0.15),
    ) -> None:
        super().__init__()
        self.first = _layer(voxels, hidden, dropout[0])
        self.blocks = nn.ModuleList(_layer(hidden, hidden, dropout[1]) for _ in range(blocks))
        self.last = nn.Linear(hidden, dimensions)

    def forward(self, response: Tensor) -> Tensor:
        """[B, D] of standardised responses [B, V]."""
        x = self.first(response)
        for block in self.blocks:
            x = x + block(x)
        return self.last(x)


def _layer(before: int, after: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(before, after), nn.LayerNorm(after), nn.GELU(), nn.Dropout(dropout))


class Voxels(nn.Module):
    """Responses standardised by the training pictures; a missing or constant one is 0, the mean."""

    def __init__(self, voxels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(voxels))
        self.register_buffer("scale", torch.ones(voxels))

    def fit(self, response: Tensor) -> None:
        """From training responses [n, V], NaN = none."""
        mean = response.nanmean(0)
        deviation = (response - mean).square().nanmean(0).sqrt()
        self.mean.copy_(mean.nan_to_num(0.0))
        self.scale.copy_(torch.where(deviation > 0, deviation, 1.0))

    def forward(self, response: Tensor) -> Tensor:
        return ((response - self.mean) / self.scale).nan_to_num(0.0)


class PictureSpace(nn.Module):
    """Frozen features of pictures on the first principal components of the training pictures.

    Each layer is centred and scaled to a total variance of 1 before, so that none counts for its size. Stands in for
    MindEye's 257 x 768 tokens of CLIP at any width, without what all pictures share.

    Args:
        layers: layer to [C, H, W].
        components: K.
    """

    def __init__(self, layers: Mapping[str, Sequence[int]], components: int) -> None:
        super().__init__()
        self.layers = list(layers)
        width = sum(int(torch.Size(shape).numel()) for shape in layers.values())
        if not 1 <= components <= width:
            raise ValueError(
                f"model.components must be 1 to {width}, the number of features, got {components}"
            )
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("axes", torch.zeros(width, components))

    def fit(self, features: Mapping[str, Tensor]) -> None:
        """From training features, layer to [n, C, H, W].

        Raises:
            ValueError: no more pictures than components.
        """
        flat = [features[layer].flatten(1).float() for layer in self.layers]
        if len(flat[0]) <= self.axes.shape[1]:
            raise ValueError(
                f"model.components={self.axes.shape[1]} needs more training pictures than that, got {len(flat[0])}"
            )
        scale = torch.cat(
            [x.new_full((x.shape[1],), float(x.var(0).sum().clamp(min=1e-12).rsqrt())) for x in flat]
        )
        x = torch.cat(flat, 1)
        self.mean.copy_(x.mean(0))
        _, _, axes = torch.linalg.svd((x - self.mean) * scale, full_matrices=False)
        axes = axes[: self.axes.shape[1]].T
        sign = axes.gather(0, axes.abs().argmax(0)[None]).sign()  # the same on every machine
        self.axes.copy_(axes * sign * scale[:, None])

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """[B, K]."""
        x = torch.cat([features[layer].flatten(1).float() for layer in self.layers], 1)
        return (x - self.mean) @ self.axes


def fit_sides(space: PictureSpace, voxels: Voxels, data: Data) -> tuple[Tensor, Tensor]:
    """Fit both on the training pictures; returns standardised responses [n, V] and embeddings [n, K] of these."""
    train = data.arrays("train")
    space.fit(train.features)
    voxels.fit(train.response)
    return voxels(train.response), space(train.features)
