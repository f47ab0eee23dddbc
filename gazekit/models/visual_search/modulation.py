"""From the maps of a target and of a picture to one map of where the target may be.

Source: Gupta et al. 2021 (NeurIPS, eccNET): the target's features are a kernel that is slid over the picture's features
at several depths; the maps are normalised, weighted, summed and sharpened.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import cv2
import torch
from torch import Tensor
from torch.nn import functional as F

from gazekit.models.visual_search.trunk import Trunk

__all__ = ["Sharpening", "combined", "correlated", "sharpened", "target_kernels", "to_pixels"]

Sharpening = tuple[tuple[int, float], tuple[int, float]]
"""Size and sigma (places) of the narrow and of the wide Gaussian; sigma 0 is OpenCV's choice for the size."""
ROUNDS = 3


def target_kernels(trunk: Trunk, targets: Tensor, background: Tensor) -> list[Tensor]:
    """The target's features at each depth, [U, C, ceil(h / stride), ceil(w / stride)].

    Deviation: the released model feeds the bare picture of the target, whose zero padding puts a frame into the kernel;
    here the background of the display goes on around it, as it does in the display.

    Args:
        targets: uint8 [U, h, w, 3] of one size.
        background: uint8 [3].
    """
    maps, corner = trunk.plain(trunk.early(targets, background))
    x, y = (-corner[0] // trunk.stride).tolist()
    rows, columns = (-(-side // trunk.stride) for side in targets.shape[1:3])
    return [m[..., y : y + rows, x : x + columns].contiguous() for m in maps]


def correlated(maps: Tensor, kernels: Tensor, which: Tensor) -> Tensor:
    """Cross-correlation of each map with its own kernel, [B, h - k + 1, w - l + 1].

    One product of all places with all places of the kernel, then a sum along the kernel: a convolution with a single
    output channel leaves most of the arithmetic units idle.

    Args:
        maps: [B, C, h, w].
        kernels: [U, C, k, l].
        which: [B] kernel of each map.
    Raises:
        ValueError: a kernel that is larger than the map.
    """
    height, width = (side - k + 1 for side, k in zip(maps.shape[-2:], kernels.shape[-2:], strict=True))
    if height < 1 or width < 1:
        raise ValueError(
            f"the target covers {list(kernels.shape[-2:])} places of a map of {list(maps.shape[-2:])}: it is larger "
            "than the picture"
        )
    flat = kernels.flip(-2, -1).flatten(2).transpose(1, 2)[which]  # `fold` adds the other way round
    product = torch.bmm(flat, maps.flatten(2))
    full = [side + k - 1 for side, k in zip(maps.shape[-2:], kernels.shape[-2:], strict=True)]
    summed = F.fold(product, full, kernels.shape[-2:])[:, 0]
    rows, columns = kernels.shape[-2] - 1, kernels.shape[-1] - 1
    return summed[:, rows : rows + height, columns : columns + width]


def combined(maps: Sequence[Tensor], weights: Literal["peak", "equal"]) -> Tensor:
    """Weighted sum of the maps, each scaled to [0, 1]; a map without any difference becomes 0.

    Args:
        maps: [B, h, w] each.
        weights: "peak" weighs a map by its largest value before scaling, "equal" all alike (natural scenes); they sum
            to 1. A peak below 0, of layers that have negative values, has no weight.
    """
    stack = torch.stack(list(maps), 1)
    low, peak = stack.amin((2, 3), keepdim=True), stack.amax((2, 3), keepdim=True)
    scaled = (stack - low) / torch.where(peak > low, peak - low, 1.0)
    share = peak.clamp_min(0) if weights == "peak" else torch.ones_like(peak)
    share = share / share.sum(1, keepdim=True).clamp_min(torch.finfo(share.dtype).tiny)
    return (share * scaled).sum(1)


def sharpened(maps: Tensor, sharpening: Sharpening) -> Tensor:
    """Three times the map plus the difference of a narrow and a wide Gaussian of it, [B, h, w]."""
    x = maps[:, None]
    for _ in range(ROUNDS):
        narrow, wide = (_blurred(x, size, sigma) for size, sigma in sharpening)
        x = x + (narrow - wide)
    return x[:, 0]


def _blurred(x: Tensor, size: int, sigma: float) -> Tensor:
    """[B, 1, h, w] mirrored at the border, as OpenCV does; repeated where a map is narrower than the kernel."""
    weight = torch.from_numpy(cv2.getGaussianKernel(size, sigma)[:, 0]).to(x)
    half = size // 2
    mode = "reflect" if min(x.shape[-2:]) > half else "replicate"
    x = F.pad(x, (half,) * 4, mode=mode)
    return F.conv2d(F.conv2d(x, weight.view(1, 1, 1, -1)), weight.view(1, 1, -1, 1))


def to_pixels(
    maps: Tensor, corner_xy_px: Tensor, stride: int, target_size_px: tuple[int, int], size_px: tuple[int, int]
) -> Tensor:
    """The map for every pixel at which the target may be centred, bilinear, [B, H, W].

    Place (i, j) of a map says that the target's upper left corner lies at the corner of this place, so there is no
    shift between a net's maps and the picture to correct. Beyond the last place its value goes on.

    Args:
        maps: [B, h, w] of `correlated`.
        corner_xy_px: [B, 2] the picture's pixel at the corner of place 0.
        target_size_px, size_px: (height, width) of the target and of the picture.
    """
    weights = []
    for dim, target, side, places in zip((1, 0), target_size_px, size_px, maps.shape[-2:], strict=True):
        pixel = torch.arange(side, dtype=torch.float32) + 0.5 - target / 2
        place = ((pixel - corner_xy_px[:, dim, None]) / stride).clamp(0, places - 1)
        weights.append(
            (1 - (place[..., None] - torch.arange(places)).abs()).clamp_min(0).to(maps)
        )  # hat functions
    return weights[0] @ maps @ weights[1].transpose(1, 2)
