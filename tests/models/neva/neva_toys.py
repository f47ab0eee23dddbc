"""Nets without weights, and pictures in which only one place matters."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SIDE = 64
SMALL = {"size_px": SIDE, "kernel_px": 9, "sigma_px": 3.0, "spread_norm": 0.15}


def stripes(centre_xy: tuple[int, int], vertical: bool, half: int = 10) -> Tensor:
    """[3, 64, 64] a grey picture with a patch of fine stripes, which the blur takes away."""
    image = torch.full((3, SIDE, SIDE), 0.5)
    wave = torch.tensor([0.0, 1.0]).repeat(half)
    patch = wave[None].expand(2 * half, -1) if vertical else wave[:, None].expand(-1, 2 * half)
    x, y = centre_xy
    image[:, y - half : y + half, x - half : x + half] = patch
    return image


def energies(images: Tensor) -> Tensor:
    """[B, 3] how much there is of vertical stripes, of horizontal ones, and of nothing: an encoder whose directions
    have names."""
    dx = (images[..., 1:] - images[..., :-1]).square().mean((1, 2, 3))
    dy = (images[..., 1:, :] - images[..., :-1, :]).square().mean((1, 2, 3))
    return torch.stack([dx, dy, torch.full_like(dx, 0.01)], 1)


def stripes_net(images: Tensor) -> Tensor:
    """[B, 3] logits of "vertical", "horizontal" and "nothing"."""
    return 200 * energies(images)


def smooth_net(images: Tensor) -> Tensor:
    """[B, 4] logits that depend on everything, smoothly."""
    draw = torch.Generator().manual_seed(3)
    weight = torch.randn(4, 3, 5, 5, generator=draw, dtype=torch.float64).to(images)
    return 3 * F.conv2d(images, weight, stride=2).tanh().mean((2, 3))
