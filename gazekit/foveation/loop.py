"""Foveated texture region by region, as published: the definition in plain words, and the oracle of the fast form."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gazekit.foveation.noise import coloured, white_noise
from gazekit.foveation.texture import EPS, FoveatedTexture
from gazekit.foveation.windows import MASK, Layout, mother_window

__all__ = ["region_maps", "texture_loop"]


def region_maps(
    layout: Layout, point: Tensor, size: tuple[int, int], stride: int = 1, shift: float = 0.5
) -> Tensor:
    """[R, h, w] the window of every region, one formula each; arguments as of `windows.windows_at`."""
    x, y = (
        torch.arange(-(-side // stride), dtype=torch.float64) * stride + shift - float(middle)
        for side, middle in zip(size[::-1], point, strict=True)
    )
    e_dva = torch.hypot(x, y[:, None]) / layout.px_per_dva
    angle = torch.atan2(y[:, None], x)
    width, directions = layout.ring_width, layout.directions
    step = 2 * math.pi / directions
    maps = []
    for n in range(layout.rings(*size, point) + 1):
        ring = mother_window((e_dva.log() - math.log(layout.inner_dva) - width * (n + 1)) / width)
        for m in range(directions):
            off = torch.remainder(angle - m * step + math.pi, 2 * math.pi) - math.pi
            maps.append(ring * mother_window(off / step))
    fovea = 1 - torch.stack(maps).sum(0)
    return torch.stack([fovea, *maps])


def texture_loop(
    transform: FoveatedTexture, image: Tensor, maps: list[Tensor], alpha: Tensor | None = None
) -> Tensor:
    """What `transform` makes of one picture [C, H, W], with the maps of each band (`region_maps`)."""
    noise = coloured(white_noise(tuple(image.shape), transform.seed), image)
    contents, noises = (transform.encoder.analyse(x[None]) for x in (image, noise))
    if alpha is None:
        alpha = region_alpha(transform, maps[0])
    mix = _overwritten if transform.hard else _averaged
    bands = [mix(c[0], n[0], regions, alpha)[None]
             for c, n, regions in zip(contents, noises, maps, strict=True)]  # fmt: skip
    return transform.encoder.synthesise(bands, *image.shape[-2:])[0].clamp(0, 1)


def region_alpha(transform: FoveatedTexture, maps: Tensor) -> Tensor:
    """[R] from the maps at every pixel."""
    radius_dva = ((maps > 0.5).sum((1, 2)) / math.pi).sqrt() / transform.layout.px_per_dva
    alpha = -1 + 2 / (1 + torch.exp(-transform.gain_per_dva * radius_dva))
    alpha[0] = 0
    return alpha


def _overwritten(content: Tensor, noise: Tensor, maps: Tensor, alpha: Tensor) -> Tensor:
    out = torch.zeros_like(content)
    for a, region in zip(alpha.tolist(), maps, strict=True):
        mask = region if region.dtype == torch.bool else region > MASK
        own, other = content[:, mask], noise[:, mask]
        if own.shape[1] > 1:
            mean, deviation = own.mean(1, keepdim=True), (own.var(1, keepdim=True) + EPS).sqrt()
            other_mean, other_deviation = (
                other.mean(1, keepdim=True),
                (other.var(1, keepdim=True) + EPS).sqrt(),
            )
            own = (1 - a) * own + a * (deviation * (other - other_mean) / other_deviation + mean)
        out[:, mask] = own
    return out


def _averaged(content: Tensor, noise: Tensor, maps: Tensor, alpha: Tensor) -> Tensor:
    out = torch.zeros_like(content)
    for a, weight in zip(alpha.tolist(), maps.to(content), strict=True):
        mass = weight.sum()
        if mass == 0:
            continue
        mean, other_mean = ((weight * x).sum((1, 2), keepdim=True) / mass for x in (content, noise))
        more = mass / (mass.clamp(min=2) - 1)
        deviation, other_deviation = (
            ((weight * (x - m) ** 2).sum((1, 2), keepdim=True) / mass * more + EPS).sqrt()
            for x, m in ((content, mean), (noise, other_mean))
        )
        out = out + weight * (
            (1 - a) * content + a * (deviation * (noise - other_mean) / other_deviation + mean)
        )
    return out
