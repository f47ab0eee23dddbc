"""What is done to finished pictures to change what a net grows up with: turn them, bend them, put lines over them.

The three manipulations of Gupta et al. 2021 (training of eccNET on rotated, fisheye and lined ImageNet).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

__all__ = ["MANIPULATIONS", "add_lines", "fisheye", "manipulate", "retina_radii"]

MANIPULATIONS = ("none", "rotate", "fisheye", "lines")
DENSITY_RATIO = 10.0  # of samples in the middle to samples at the border
LINE_PX, LINE_EVERY_PX, LINE_OF_PX = (
    5,
    50,
    224,
)  # published: lines of 5 px every 50 px, which we take to be of 224


def manipulate(pictures: Tensor, how: str) -> Tensor:
    """Pictures after one of `MANIPULATIONS`, of the same size where they are square.

    Args:
        pictures: [..., H, W] uint8; channels come before rows.
        how: "rotate" turns them by 90 degrees counter-clockwise, so that what was above is on the left.
    Raises:
        ValueError: an unknown manipulation.
    """
    if how not in MANIPULATIONS:
        raise ValueError(f"the manipulation must be one of {', '.join(MANIPULATIONS)}, got {how!r}")
    if how == "rotate":
        return pictures.rot90(1, (-2, -1))
    if how == "fisheye":
        return fisheye(pictures)
    return add_lines(pictures) if how == "lines" else pictures


def add_lines(pictures: Tensor) -> Tensor:
    """[..., H, W] with black lines across and along.

    Published are lines of 5 px every 50 px from 45 px on. We scale these lengths by the shorter side over 224 px, so
    that small pictures get as many lines.
    """
    height, width = pictures.shape[-2:]
    scale = min(height, width) / LINE_OF_PX
    every, thick = max(2, round(LINE_EVERY_PX * scale)), max(1, round(LINE_PX * scale))
    lined = pictures.clone()
    for start in range(every - thick, max(height, width), every):
        lined[..., start : start + thick, :] = 0
        lined[..., :, start : start + thick] = 0
    return lined


def fisheye(pictures: Tensor) -> Tensor:
    """[..., H, W] as an eye samples them: large in the middle, small at the border ("retina warp").

    Nearest neighbours. Corners that look beyond the picture show its border, where others show black: that would add
    contours.
    """
    rows, columns = _sources(*pictures.shape[-2:])
    return pictures[..., rows, columns]


@lru_cache(maxsize=8)
def _sources(height: int, width: int) -> tuple[Tensor, Tensor]:
    """[H, W] rows and columns from which a warped picture is taken."""
    half = min(height, width) / 2
    square, linear = retina_radii(2 * half)
    down, right = np.mgrid[:height, :width] + 0.5 - np.array([height, width])[:, None, None] / 2
    out = np.hypot(down, right)
    scale = square * out + linear  # the radius in the picture over the radius in the warped one
    rows = np.clip(np.floor(down * scale + height / 2), 0, height - 1)
    columns = np.clip(np.floor(right * scale + width / 2), 0, width - 1)
    return torch.from_numpy(rows.astype(np.int64)), torch.from_numpy(columns.astype(np.int64))


@lru_cache(maxsize=8)
def retina_radii(size_px: float) -> tuple[float, float]:
    """A and B of r = A r'^2 + B r', from the radius r' in the warped picture to the radius r in the picture.

    Steps of r' by one pixel move r by exp(a r / 2) / sqrt(pi f), with a = ln(10) / (size / 2), so that the density of
    samples falls tenfold to the border; f is such that the last step arrives there. A, B >= 0 are the least-squares fit
    to these radii (foveation by retina warp, as in the fisheye training of Gupta et al. 2021).
    """
    from scipy.optimize import brentq, nnls

    reach = size_px / 2
    decay = math.log(DENSITY_RATIO) / reach

    def radii(density: float) -> np.ndarray:
        found = [0.0]
        for _ in range(math.ceil(reach)):
            found.append(
                found[-1] + min(reach, math.exp(decay * found[-1] / 2) / math.sqrt(math.pi * density))
            )
        return np.array(found)

    density = brentq(lambda f: radii(f)[-1] - reach, 0.01, 5.0)
    steps = np.arange(math.ceil(reach) + 1.0)
    (square, linear), _ = nnls(np.stack([steps**2, steps], 1), radii(density))
    return float(square), float(linear)
