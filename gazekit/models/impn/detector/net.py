"""The network of `TinyDetector`: a small residual backbone, two pyramid levels, dense boxes, and a head on regions.

Dense boxes without anchors as in Tian et al. 2019 (ICCV, FCOS), here without classes: they are proposals. Regions,
pooled by RoIAlign, are classified and refined as in Ren et al. 2015 (NeurIPS, Faster R-CNN). Group normalisation (Wu
and He 2018) because batches are a handful of frames. About 1.4 million parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu, softplus

from gazekit.kernels.roi_align import roi_align

__all__ = ["STRIDES", "Dense", "TinyNet", "apply_deltas", "deltas_between"]

STRIDES = (8, 16)
POOLED = 7


class Dense(NamedTuple):
    """At every place of every level.

    Args:
        centre: [L, 2] its pixel.
        stride: [L] of its level.
        logit: [B, L] whether a thing is there.
        boxes: [B, L, 4] the thing's box.
    """

    centre: Tensor
    stride: Tensor
    logit: Tensor
    boxes: Tensor


class TinyNet(nn.Module):
    """Pictures to dense boxes and pyramid levels; regions of them to features, classes and refinements.

    Args:
        n_labels: C.
        width: channels of the pyramid.
        feature_size: D of a region's features.
    """

    def __init__(self, n_labels: int, width: int = 96, feature_size: int = 128) -> None:
        super().__init__()
        self.stem = nn.Sequential(_conv(3, 24, 2), _conv(24, 32, 2), _Residual(32))
        self.level3 = nn.Sequential(_conv(32, 80, 2), _Residual(80))
        self.level4 = nn.Sequential(_conv(80, 128, 2), _Residual(128))
        self.lateral3, self.lateral4 = nn.Conv2d(80, width, 1), nn.Conv2d(128, width, 1)
        self.smooth = _conv(width, width)
        self.dense = nn.Sequential(_conv(width, width), nn.Conv2d(width, 5, 3, padding=1))
        self.region = nn.Linear(width * POOLED**2, feature_size)
        self.classes = nn.Linear(feature_size, n_labels + 1)
        self.deltas = nn.Linear(feature_size, 4)
        nn.init.constant_(self.dense[-1].bias[:1], -4.0)  # things are rare
        nn.init.zeros_(self.deltas.weight)
        nn.init.zeros_(self.deltas.bias)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Dense]:
        """[B, 3, H, W], sides multiples of 16, values about -2 to 2, to the level of stride 8 and dense boxes."""
        level3 = self.level3(self.stem(pictures))
        level4 = self.lateral4(self.level4(level3))
        level3 = self.smooth(self.lateral3(level3) + interpolate(level4, scale_factor=2.0))
        parts = [
            _places(self.dense(level), stride)
            for level, stride in zip((level3, level4), STRIDES, strict=True)
        ]
        centre, stride, logit, boxes = zip(*parts, strict=True)
        return level3, Dense(torch.cat(centre), torch.cat(stride), torch.cat(logit, 1), torch.cat(boxes, 1))

    def regions(self, level: Tensor, boxes: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """For each picture [K_i, 4] boxes to features [K, D], logits [K, C + 1] and deltas [K, 4] of all."""
        pooled = roi_align(level, boxes, (POOLED, POOLED), spatial_scale=1 / STRIDES[0], sampling_ratio=2)
        feature = relu(self.region(pooled.flatten(1)))
        return feature, self.classes(feature), self.deltas(feature)


def deltas_between(boxes: Tensor, target: Tensor) -> Tensor:
    """[K, 4] how to get from boxes to others: shift of the middle in box sides, log ratio of sides."""
    (middle, size), (to_middle, to_size) = _middle_size(boxes), _middle_size(target)
    return torch.cat([(to_middle - middle) / size, torch.log(to_size / size)], 1)


def apply_deltas(boxes: Tensor, deltas: Tensor) -> Tensor:
    """The inverse of `deltas_between`; sides change by a factor of e at most."""
    middle, size = _middle_size(boxes)
    middle = middle + deltas[:, :2] * size
    size = size * deltas[:, 2:].clamp(-1, 1).exp()
    return torch.cat([middle - size / 2, middle + size / 2], 1)


def _middle_size(boxes: Tensor) -> tuple[Tensor, Tensor]:
    return (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]


def _places(out: Tensor, stride: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """[B, 5, h, w] of a level to its part of `Dense`."""
    rows, columns = out.shape[2:]
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    centre = (torch.stack([x, y], -1).reshape(-1, 2).to(out) + 0.5) * stride
    logit, reach = out.flatten(2).transpose(1, 2).split([1, 4], -1)
    reach = softplus(reach) * 2 * stride  # from the place to the four sides
    boxes = torch.cat([centre - reach[..., :2], centre + reach[..., 2:]], -1)
    return centre, centre.new_full((len(centre),), float(stride)), logit[..., 0], boxes


def _conv(channels: int, out: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
    return nn.Sequential(conv, nn.GroupNorm(8, out), nn.ReLU())


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _conv(channels, channels)
        self.second = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.GroupNorm(8, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        return relu(x + self.second(self.first(x)))
