"""Scores of pictures: the response that an encoder predicts for a region."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from gazekit.backbones import Backbone

__all__ = ["picture_values", "region_score"]


def picture_values(pictures: Tensor, backbone: Backbone) -> Tensor:
    """Differentiable pictures as a backbone expects them, at the size that they have.

    Unlike `Backbone.preprocess` it neither rounds nor resizes.

    Args:
        pictures: RGB [n, 3, H, W] in [0, 1].
    """
    how = backbone.preprocessing
    mean, std = (pictures.new_tensor(values)[:, None, None] for values in (how.mean, how.std))
    return ((pictures if how.channels == "rgb" else pictures.flip(1)) - mean) / std


def region_score(
    predict: Callable[[Mapping[str, Tensor]], Tensor], backbone: Backbone, voxels: Sequence[int] | Tensor
) -> Callable[[Tensor], Tensor]:
    """Pictures [n, 3, H, W] in [0, 1] to the mean predicted response [n] of a region.

    Args:
        predict: layers of the backbone, name to [n, C, H, W], to responses [n, V]: a read-out or a transformer
            encoder, fitted.
        backbone: what the encoder was fitted on.
        voxels: numbers of the region's voxels.
    Raises:
        ValueError: no voxels.
    """
    voxels = torch.as_tensor(voxels, dtype=torch.long)
    if not len(voxels):
        raise ValueError("the region has no voxels: choose another one")

    def score(pictures: Tensor) -> Tensor:
        return predict(backbone(picture_values(pictures, backbone)))[:, voxels].mean(1)

    return score
