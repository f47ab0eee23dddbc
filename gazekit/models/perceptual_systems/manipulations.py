"""What the battery does to pictures: occlusion, and removal of low or high spatial frequencies.

Source: Deza and Konkle 2020 (arXiv 2006.07991) and its scripts. Everything is done to finished pictures, to what a
system has already seen of a scene; the result is rounded to whole grey levels, as the scripts write files. Levels
are given for pictures of 256 px and scale with the side; at 256 px they are the published ones.

Pictures are [..., 3, S, S] from 0 to 255, floating.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

__all__ = [
    "HIGH_PASS_SIGMA_PX",
    "LOW_PASS_SIGMA_PX",
    "OCCLUSIONS",
    "OCCLUSION_LEVELS",
    "PASS_LEVELS",
    "centre_half_px",
    "grey",
    "high_pass",
    "low_pass",
    "occlude",
]

PUBLISHED_SIDE_PX = 256
OCCLUSIONS = ("scotoma", "glaucoma", "left to right", "top to bottom")
OCCLUSION_LEVELS = 17
LOW_PASS_SIGMA_PX = (1.0, 3.0, 5.0, 7.0, 9.0, 15.0, 40.0)
HIGH_PASS_SIGMA_PX = (3.0, 1.5, 1.0, 0.7, 0.55, 0.45, 0.4)
PASS_LEVELS = 1 + len(LOW_PASS_SIGMA_PX)
OCCLUDER = 128.0
LUMA = (0.2989, 0.5870, 0.1140)  # of red, green and blue, as in MATLAB's rgb2gray


def centre_half_px(level: int, side_px: int) -> int:
    """Half the side of a centred square of (level - 1) / 16 of the picture, rounded up."""
    return math.ceil(side_px * math.sqrt((level - 1) / (OCCLUSION_LEVELS - 1)) / 2)


def occlude(pictures: Tensor, kind: str, level: int) -> Tensor:
    """Pictures of which (level - 1) / 16 is grey 128.

    Args:
        kind: "scotoma" hides a centred square, "glaucoma" all but one, the others a border that grows from the left
        or
            the top.
        level: 1 (nothing hidden) to 17 (everything).
    Raises:
        ValueError: an unknown kind or level.
    """
    if kind not in OCCLUSIONS or not 1 <= level <= OCCLUSION_LEVELS:
        raise ValueError(f"no occlusion {kind!r} of level {level}: {', '.join(OCCLUSIONS)}, levels 1 to 17")
    side = pictures.shape[-1]
    middle, hidden = side // 2, side * (level - 1) // (OCCLUSION_LEVELS - 1)
    occluded = pictures.clone()
    if kind == "left to right":
        occluded[..., :hidden] = OCCLUDER
    elif kind == "top to bottom":
        occluded[..., :hidden, :] = OCCLUDER
    elif kind == "scotoma":
        half = centre_half_px(level, side)
        occluded[..., middle - half : middle + half, middle - half : middle + half] = OCCLUDER
    else:
        half = centre_half_px(OCCLUSION_LEVELS + 1 - level, side)
        occluded[:] = OCCLUDER
        inside = slice(middle - half, middle + half)
        occluded[..., inside, inside] = pictures[..., inside, inside]
    return occluded


def low_pass(pictures: Tensor, level: int) -> Tensor:
    """Level 1 is the picture; 2 to 8 are blurred with `LOW_PASS_SIGMA_PX`."""
    return pictures if level == 1 else _blurred(pictures, LOW_PASS_SIGMA_PX[level - 2]).round().clamp(0, 255)


def high_pass(pictures: Tensor, level: int, mean_colour: Tensor) -> Tensor:
    """Level 1 is the picture; 2 to 8 are what a blur with `HIGH_PASS_SIGMA_PX` takes away, around a mean colour.

    Args:
        mean_colour: [..., 3] of the system over its validation pictures, of 255.
    """
    if level == 1:
        return pictures
    rest = pictures - _blurred(pictures, HIGH_PASS_SIGMA_PX[level - 2])
    rest = rest - rest.mean((-2, -1), keepdim=True) + mean_colour[..., None, None]
    return rest.round().clamp(0, 255)


def grey(pictures: Tensor) -> Tensor:
    """The luminance in all three channels."""
    luma = (pictures * pictures.new_tensor(LUMA)[:, None, None]).sum(-3, keepdim=True).round()
    return luma.expand_as(pictures)


def _blurred(pictures: Tensor, sigma_px: float) -> Tensor:
    matrix = _blur_matrix(pictures.shape[-1], sigma_px).to(pictures)
    return matrix @ pictures @ matrix.T


@lru_cache(maxsize=64)
def _blur_matrix(side_px: int, sigma_px: float) -> Tensor:
    """[S, S] the scripts' blur along one side: a Gaussian sampled up to 2 sigma, the outermost pixel repeated.

    `sigma_px` is for 256 px. A smaller picture is taken as one of about 256 px in which a pixel is a block of equal
    ones, blurred there and averaged over blocks again: a Gaussian much narrower than a pixel could not be sampled,
    and the high-pass levels would be empty.
    """
    block = max(1, round(PUBLISHED_SIDE_PX / side_px))
    fine = side_px * block
    sigma = sigma_px * fine / PUBLISHED_SIDE_PX
    reach = math.ceil(2 * sigma)
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float64) / sigma) ** 2)
    source = (torch.arange(fine)[:, None] + torch.arange(-reach, reach + 1)).clamp(0, fine - 1)
    matrix = torch.zeros(fine, fine, dtype=torch.float64).scatter_add_(
        1, source, (taps / taps.sum()).expand(fine, -1)
    )
    return matrix.unflatten(0, (side_px, block)).mean(1).unflatten(1, (side_px, block)).sum(2)
