"""What an object looks like, as a vector: from its crop, from its category, or nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gazekit.scene import SceneBatch

__all__ = ["CategoryAppearance", "CropAppearance", "NoAppearance"]


class CropAppearance(nn.Module):
    """The paper's small convolutional network, shared by objects, target and past fixations.

    Conv 5x5 to 16, max-pool, ReLU; conv 3x3 to 32, max-pool, ReLU; linear. With 150 x 93 crops and pools
    5 and 3 the sizes are the paper's: 146x89, 29x17, 27x15, 9x5, so 1440 numbers enter the linear layer.
    Crops are RGB in [0, 1] (the released code feeds one data set as BGR 0-255).

    Args:
        width: of the output.
        crop_size: (height, width) of the crops in pixels.
        pools: the two max-pools.
        pyramid_levels: 0, or 2 to 4: replace the second pool by spatial pyramid max-pooling with 1, 2, 4, 8
            bins a side, after which crops may have any size.
    Raises:
        ValueError: crops too small for the pools, or an unknown number of levels.
    """

    def __init__(
        self,
        width: int,
        crop_size: tuple[int, int] = (150, 93),
        pools: tuple[int, int] = (5, 3),
        pyramid_levels: int = 0,
    ) -> None:
        super().__init__()
        self.bins = [2**level for level in range(pyramid_levels)]
        # A ReLU commutes with a max-pool, and costs a fraction behind it.
        self.convolutions = nn.Sequential(
            nn.Conv2d(3, 16, 5), nn.MaxPool2d(pools[0]), nn.ReLU(), nn.Conv2d(16, 32, 3)
        )
        if pyramid_levels not in (0, 2, 3, 4):
            raise ValueError(f"pyramid_levels must be 0, 2, 3 or 4, got {pyramid_levels}")
        self.crop_size = tuple(crop_size)
        height, breadth = (((side - 4) // pools[0] - 2) // pools[1] for side in crop_size)
        if min(height, breadth) < 1 and not self.bins:
            raise ValueError(f"crops of {tuple(crop_size)} px are too small for max-pools of {tuple(pools)}")
        self.pool = nn.MaxPool2d(pools[1])
        features = 32 * (sum(b * b for b in self.bins) or height * breadth)
        self.project = nn.Linear(features, width)

    def forward(self, scenes: SceneBatch) -> Tensor:
        """[S, N, width] of every object, 0 in padding."""
        if scenes.crops is None:
            raise ValueError(
                "appearance 'crop' needs a data set with crops; choose appearance=category or none"
            )
        if tuple(scenes.crops.shape[-2:]) != self.crop_size and not self.bins:
            raise ValueError(f"made for crops of {self.crop_size} px, got {tuple(scenes.crops.shape[-2:])}")
        # Channels last halves the time of these convolutions on a CPU.
        crops = _standardised(scenes)[scenes.object_mask].contiguous(memory_format=torch.channels_last)
        maps = self.convolutions(crops)
        if self.bins:
            pooled = [nn.functional.adaptive_max_pool2d(maps, b).flatten(1) for b in self.bins]
            vector = torch.cat(pooled, 1)
        else:
            vector = self.pool(maps).flatten(1)
        looks = self.project(vector.relu())
        return looks.new_zeros(*scenes.object_mask.shape, looks.shape[-1]).masked_scatter(
            scenes.object_mask[..., None], looks
        )


def _standardised(scenes: SceneBatch) -> Tensor:
    """The crops with mean 0 and variance 1 in each colour channel over the objects of a scene.

    What all crops share (background, exposure) tells no object from another, but would fill the vectors.
    """
    valid = scenes.object_mask[:, :, None, None, None].to(scenes.crops)
    count = valid.sum((1, 3, 4), keepdim=True).clamp(min=1) * scenes.crops.shape[-1] * scenes.crops.shape[-2]
    mean = (scenes.crops * valid).sum((1, 3, 4), keepdim=True) / count
    variance = ((scenes.crops - mean) ** 2 * valid).sum((1, 3, 4), keepdim=True) / count
    return (scenes.crops - mean) / (variance + 1e-4).sqrt()


class CategoryAppearance(nn.Module):
    """A learned vector for each category name; names never trained on share one vector.

    Args:
        width: of the output.
        n_categories: size of the vocabulary (`SceneBatch.category` runs from 0 to n_categories).
        p_unknown: share of scenes whose names are hidden in training, so that the vector for unknown names
            is trained too.
    """

    def __init__(self, width: int, n_categories: int, p_unknown: float = 0.1) -> None:
        super().__init__()
        self.embed = nn.Embedding(n_categories + 1, width)
        self.p_unknown = p_unknown

    def forward(self, scenes: SceneBatch) -> Tensor:
        category = scenes.category
        if self.training and self.p_unknown:
            hide = torch.rand(len(category), 1, device=category.device) < self.p_unknown
            category = category.masked_fill(hide, 0)
        return self.embed(category)


class NoAppearance(nn.Module):
    """One learned vector for every object: geometry alone."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.vector = nn.Parameter(torch.randn(width) * 0.02)

    def forward(self, scenes: SceneBatch) -> Tensor:
        return self.vector.expand(*scenes.object_mask.shape, -1)
