"""Saliency by centre-surround differences of colour, intensity and orientation (Itti, Koch and Niebur 1998).

Pictures -> pyramids of four kinds of feature -> 42 differences between scales -> each made sparse (`promote_peaks`) and
added within its kind -> mean of the three kinds.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["itti_koch", "promote_peaks"]

SIDE = 640  # px of the longer side: the pyramid then ends at 2 x 2 for the usual proportions
CENTRES, DELTAS = (2, 3, 4), (3, 4)
LEVELS = 9
DARK = 0.1  # of the brightest place: no hue below
FLAT = 1e-5  # a map with less contrast is numerical noise
ORIENTATIONS = (0.0, 45.0, 90.0, 135.0)


def itti_koch(pictures: Tensor) -> Tensor:
    """Saliency of pictures.

    Gaussian pyramids of 9 levels. Features: intensity I = (r + g + b) / 3; the opponent colours R - G and B - Y of the
    hues r, g, b divided by I where I is above a tenth of its maximum, with R = r - (g + b) / 2, G = g - (r + b) / 2,
    B = b - (r + g) / 2 and Y = (r + g) / 2 - |r - g| / 2 - b, cut at 0; Gabor energy of I at 0, 45, 90 and 135 degrees.
    Of each, |centre - surround| for centres at level 2, 3, 4 and surrounds 3 and 4 levels coarser (6 + 12 + 24 maps),
    then `promote_peaks`, and the sum at level 4. Conspicuities of the three kinds go through `promote_peaks` again;
    saliency is their mean.

    Source: Itti, Koch, Niebur 1998 (IEEE PAMI 20, 1254), from memory; no code was at hand. Deviations: all pictures
    are first scaled to 640 px; colours are compared by |RG(c) - RG(s)|, where the paper's formula as printed adds both
    (and would respond to uniform red); the Gabor filters (wavelength 7 px, standard deviation 7/3 px, 9 x 9, without
    a response to uniform grey) are our choice.

    Args:
        pictures: uint8 RGB [S, H, W, 3], at least 1 x 1.
    Returns:
        [S, h, w] not negative, at level 4 (40 x 30 for 4 : 3); 0 everywhere for a uniform picture.
    """
    image = _sized(pictures)
    levels = _pyramid(image)
    intensity = [level.mean(1, keepdim=True) for level in levels]
    brightest = intensity[0].amax((2, 3), keepdim=True)
    colour = [_opponents(level, brightest) for level in levels]
    energy = [_gabor_energy(level) if k >= min(CENTRES) else level for k, level in enumerate(intensity)]
    at = tuple(intensity[4].shape[2:])
    kinds = torch.cat([_conspicuity(feature, at) for feature in (intensity, colour, energy)], 1)
    return promote_peaks(kinds).mean(1)


def promote_peaks(maps: Tensor) -> Tensor:
    """N(.): maps with one peak stay, maps with many similar ones are pressed down.

    Scale to [0, 1], then multiply by (1 - m)^2, m the mean of all local maxima but the largest (those above a tenth,
    so that flat ground does not count). Source: Itti, Koch, Niebur 1998; the tenth is ours.

    Args:
        maps: [S, K, h, w], each on its own.
    Returns:
        The same shape; 0 for a map without contrast.
    """
    low = maps.amin((2, 3), keepdim=True)
    span = maps.amax((2, 3), keepdim=True) - low
    scaled = torch.where(span > FLAT, (maps - low) / span.clamp(min=FLAT), 0.0)
    peak = (scaled >= F.max_pool2d(scaled, 3, 1, 1)) & (scaled > 0.1)
    count = peak.sum((2, 3), keepdim=True)
    others = ((scaled * peak).sum((2, 3), keepdim=True) - 1) / (count - 1).clamp(min=1)
    return scaled * (1 - others.clamp(min=0)) ** 2


def _sized(pictures: Tensor) -> Tensor:
    """[S, 3, h, w] in [0, 1], 640 px along the longer side."""
    image = pictures.permute(0, 3, 1, 2).float() / 255
    scale = SIDE / max(image.shape[2:])
    size = [max(1, round(side * scale)) for side in image.shape[2:]]
    return F.interpolate(image, size, mode="bilinear", antialias=True).clamp(0, 1)


def _pyramid(image: Tensor) -> list[Tensor]:
    """Nine levels, each half as large; a side of one value stays one."""
    kernel = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]).to(image) / 16
    channels = image.shape[1]
    levels = [image]
    for _ in range(LEVELS - 1):
        x = F.pad(levels[-1], (2, 2, 2, 2), mode="replicate")
        x = F.conv2d(x, kernel.view(1, 1, 5, 1).expand(channels, 1, 5, 1), stride=(2, 1), groups=channels)
        x = F.conv2d(x, kernel.view(1, 1, 1, 5).expand(channels, 1, 1, 5), stride=(1, 2), groups=channels)
        levels.append(x)
    return levels


def _opponents(image: Tensor, brightest: Tensor) -> Tensor:
    """[S, 2, h, w] red against green, blue against yellow."""
    intensity = image.mean(1, keepdim=True)
    hue = torch.where(intensity > DARK * brightest, image / intensity.clamp(min=1e-6), 0.0)
    r, g, b = hue.unbind(1)
    red, green, blue = r - (g + b) / 2, g - (r + b) / 2, b - (r + g) / 2
    yellow = (r + g) / 2 - (r - g).abs() / 2 - b
    red, green, blue, yellow = (one.clamp(min=0) for one in (red, green, blue, yellow))
    return torch.stack([red - green, blue - yellow], 1)


def _gabor_energy(intensity: Tensor) -> Tensor:
    """[S, 4, h, w] length of the response of an even and an odd filter."""
    bank = _gabors().to(intensity)
    x = F.conv2d(F.pad(intensity, (4, 4, 4, 4), mode="replicate"), bank)
    even, odd = x.chunk(2, 1)
    return (even**2 + odd**2 + 1e-20).sqrt()


def _gabors() -> Tensor:
    """[8, 1, 9, 9] even, then odd filters of the four orientations: stripes that run in that direction."""
    at = torch.arange(9.0) - 4
    y, x = at[:, None], at[None]
    window = torch.exp(-(x**2 + y**2) / (2 * (7 / 3) ** 2))
    filters = []
    for wave in (torch.cos, torch.sin):
        for angle in ORIENTATIONS:
            across = y * math.cos(math.radians(angle)) + x * math.sin(math.radians(angle))
            one = window * wave(2 * math.pi / 7 * across)
            one = one - window * one.sum() / window.sum()
            filters.append(one / one.norm())
    return torch.stack(filters)[:, None]


def _conspicuity(levels: list[Tensor], at: tuple[int, int]) -> Tensor:
    """[S, 1, h, w] sum of the differences between scales of one kind of feature."""
    total = 0.0
    for centre in CENTRES:
        size = tuple(levels[centre].shape[2:])
        for delta in DELTAS:
            surround = F.interpolate(levels[centre + delta], size, mode="bilinear", align_corners=False)
            sparse = promote_peaks((levels[centre] - surround).abs())
            total = total + F.interpolate(sparse, at, mode="bilinear", antialias=True).sum(1, keepdim=True)
    return total
