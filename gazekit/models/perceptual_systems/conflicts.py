"""Pictures whose middle is of one class and whose surround is of another: which of them does a net name?

Source: Deza and Konkle 2020 (arXiv 2006.07991) and its scripts. Two pictures that a system has seen are put
together, so both the middle and the surround are as the system sees them at their place.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from gazekit.models.perceptual_systems.manipulations import OCCLUSION_LEVELS, centre_half_px

__all__ = ["SQUARE_SHARES", "WINDOW_SHARES", "crossing", "partners", "square_mask", "window_mask"]

WINDOW_SHARES = (0.0, 0.0155, 0.0343, 0.0759, 0.168, 0.3718, 0.8077, 1.0)
"""Of the picture that each foveal window covers: published, "from the area ratio of the log-polar pooling windows"."""
SQUARE_SHARES = tuple((level - 1) / (OCCLUSION_LEVELS - 1) for level in range(1, OCCLUSION_LEVELS + 1))
EDGE = 0.25  # of the radius, by which a window fades on either side


@lru_cache(maxsize=32)
def window_mask(level: int, side_px: int) -> Tensor:
    """[S, S] weight of the foveal picture, 1 in the middle, 0 outside; level 1 (nothing) to 8 (everything).

    A disc with as large an area as published that fades as a cosine of the logarithm of eccentricity. The published
    masks themselves are not at hand.
    """
    share = WINDOW_SHARES[level - 1]
    if share in (0.0, 1.0):
        return torch.full((side_px, side_px), share)
    at = torch.arange(side_px, dtype=torch.float64) + 0.5 - side_px / 2
    away = torch.hypot(at, at[:, None]) / (side_px * math.sqrt(share / math.pi))
    phase = (torch.log(away) / math.log1p(EDGE)).clamp(-1, 1)
    return (0.5 - 0.5 * torch.sin(phase * math.pi / 2)).float()


@lru_cache(maxsize=32)
def square_mask(level: int, side_px: int) -> Tensor:
    """[S, S] 1 in a centred square as large as the scotoma of that level, else 0."""
    half, middle = centre_half_px(level, side_px), side_px // 2
    mask = torch.zeros(side_px, side_px)
    mask[middle - half : middle + half, middle - half : middle + half] = 1
    return mask


def partners(labels: np.ndarray, cycle: bool) -> np.ndarray:
    """[N] for each item, the number of the item of another class that is put into its middle.

    Args:
        labels: [N] of the items of a part.
        cycle: False takes the next class (the first after the last), True one class after the other, the own one
            skipped, as many times each. The item has the same place in its class; the count of a smaller class starts
            anew.
    Raises:
        ValueError: fewer than two classes, or a class without items.
    """
    classes = int(labels.max()) + 1
    members = [np.flatnonzero(labels == k) for k in range(classes)]
    if classes < 2 or min(map(len, members)) == 0:
        raise ValueError("cue conflicts need items of two classes or more, and of each class")
    found = np.empty(len(labels), int)
    for k, own in enumerate(members):
        for place, item in enumerate(own):
            other = members[(k + 1 + (place % (classes - 1) if cycle else 0)) % classes]
            found[item] = other[place % len(other)]
    return found


def crossing(shares: Tensor, foveal: Tensor, peripheral: Tensor) -> Tensor:
    """The share of the picture at which a net begins to name the middle: where the two curves first cross.

    As published: the first two levels of which the first has more peripheral answers and the second more foveal ones,
    and a straight line between them. The smaller, the stronger the centre bias.

    Args:
        shares: [L] ascending.
        foveal, peripheral: [..., L] accuracy for either label.
    Returns:
        [...]; NaN where the curves do not cross.
    """
    ahead = foveal - peripheral
    crosses = (ahead[..., :-1] < 0) & (ahead[..., 1:] > 0)
    touches = (ahead == 0) & (
        torch.arange(len(shares)) > 0
    )  # a level at which both are equal is where they meet
    first = crosses.int().argmax(-1, keepdim=True)
    low, high = ahead.gather(-1, first), ahead.gather(-1, first + 1)
    met = shares[first] + (shares[first + 1] - shares[first]) * low / (low - high)
    at = torch.where(crosses.any(-1), met[..., 0], torch.nan)
    equal = torch.where(touches.any(-1), shares[touches.int().argmax(-1)], torch.nan)
    return torch.fmin(at, equal)
