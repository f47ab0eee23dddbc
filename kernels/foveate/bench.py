"""Foveation compared with masked OpenCV pyramids, autograd of the reference, and masked sums of average pooling."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import torch
from torch import Tensor

from gazekit.harness import Case
from gazekit.kernels.foveate import (
    blend_levels,
    blur_residual,
    eccentric_avg_pool2d,
    eccentric_windows,
    foveate,
    gaussian_bump,
    gaussian_levels,
    levels_needed,
    reveal,
)

__all__ = ["Sizes", "cases"]

FIELD_DVA, MAP_DVA = 32.0, 25.0  # width of the pictures; of the pooled maps
BLUR = {"sigma_px": 10.0, "kernel_px": 41}


@dataclass(frozen=True)
class Sizes:
    """Sizes of the cases.

    Args:
        sides_px: sides of the square colour pictures; the pooled maps are a quarter as wide, as in eccNET's
            third layer.
        fixations: fixations per picture.
        channels: channels of the pooled maps.
    """

    sides_px: tuple[int, ...] = (224, 512, 1024)
    fixations: int = 8
    channels: int = 256


def cases(device: str, sizes: Sizes | None = None) -> list[Case]:
    """Each operator at each size, forward and forward + backward."""
    sizes = sizes or Sizes()
    return [
        case
        for side in sizes.sides_px
        for case in (
            *_foveations(side, sizes.fixations, device),
            _reveal(side, sizes.fixations, device),
            *_poolings(side // 4, sizes.channels, device),
        )
    ]


def _random(*shape: int, device: str) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0)).to(device)


def _foveations(side: int, fixations: int, device: str) -> list[Case]:
    """From image to pictures, including the pyramid; then only the blend, the cost of a further fixation."""
    image, points = _random(1, 3, side, side, device=device), _random(1, fixations, 2, device=device) * side
    p, name = side / FIELD_DVA, f"{side} px, {fixations} fixations"
    unit, plain = "picture", "weighted sum of all levels, torch"
    pixels, xy = image[0].permute(1, 2, 0).contiguous().cpu().numpy(), points[0].cpu().numpy()
    stack, slope = gaussian_levels(image), torch.linspace(0, 4, side, device=device)
    level = slope.expand(1, fixations, side, side).contiguous()  # all levels in every row: bands save nothing
    blends = [_trained(partial(blend_levels, impl=impl), stack, level) for impl in ("auto", "reference")]
    whole = [
        _trained(partial(foveate, px_per_dva=p, impl=impl), image, points) for impl in ("auto", "reference")
    ]
    return [
        Case(f"foveate {name}, forward", lambda: foveate(image, points, p), fixations, unit,
             "OpenCV pyramid with masks, NumPy", lambda: _opencv_foveation(pixels, xy, p)),
        Case(f"foveate {name}, forward + backward", whole[0], fixations, unit, plain, whole[1]),
        Case(f"blend_levels {name}, forward", lambda: blend_levels(stack, level), fixations, unit,
             plain, lambda: blend_levels(stack, level, "reference")),
        Case(f"blend_levels {name}, forward + backward", blends[0], fixations, unit, plain, blends[1]),
    ]  # fmt: skip


def _reveal(side: int, fixations: int, device: str) -> Case:
    image, points = _random(1, 3, side, side, device=device), _random(1, fixations, 2, device=device) * side
    pixels, xy = image[0].permute(1, 2, 0).contiguous().cpu().numpy(), points[0].cpu().numpy()
    sigma = 0.16 * side

    def ours() -> Tensor:
        return reveal(image, blur_residual(image, **BLUR), gaussian_bump(points, side, side, sigma))

    return Case(f"reveal {side} px, {fixations} fixations, forward", ours, fixations, "picture",
                "OpenCV blur with masks, NumPy", lambda: _opencv_reveal(pixels, xy, sigma))  # fmt: skip


def _poolings(side: int, channels: int, device: str) -> list[Case]:
    """Windows that grow by 0.64 pixels per degree, as in eccNET, on a map of constant width in degrees."""
    p = max(2, round(side / MAP_DVA))
    image = _random(1, channels, side, side, device=device)
    window, name = (
        eccentric_windows(side, side, p, 0.64 / p).to(device),
        f"eccentric_avg_pool2d {channels} x {side} x {side}",
    )
    impls = [partial(eccentric_avg_pool2d, window=window, impl=impl) for impl in ("auto", "reference")]
    forward, trained = [partial(run, image) for run in impls], [_trained(run, image) for run in impls]
    reference = "masked sum of avg_pool2d"
    return [
        Case(f"{name}, forward", forward[0], reference=reference, run_reference=forward[1]),
        Case(f"{name}, forward + backward", trained[0], reference=reference, run_reference=trained[1]),
    ]


def _trained(run: Callable[..., Tensor], *inputs: Tensor) -> Callable[[], tuple[Tensor, ...]]:
    """Forward, and backward to all inputs."""
    leaves = [value.detach().clone().requires_grad_() for value in inputs]

    def step() -> tuple[Tensor, ...]:
        out = run(*leaves)
        return torch.autograd.grad(out, leaves, torch.ones_like(out))

    return step


def _opencv_foveation(image: np.ndarray, fixations: np.ndarray, px_per_dva: float) -> list[np.ndarray]:
    """The pyramid of an image once; per fixation, a weight map for every level, and their sum."""
    levels = _opencv_levels(image, levels_needed(*image.shape[:2], px_per_dva))
    x, y = (np.arange(side, dtype=np.float32) + 0.5 for side in image.shape[1::-1])
    y = y[:, None]
    pictures = []
    for fx, fy in fixations.astype(np.float32):
        e = np.hypot(x - fx, y - fy) / np.float32(px_per_dva)
        cutoff = 2.3 * math.log(64) / (0.106 * (e + 2.3))
        level = np.clip(np.log2(px_per_dva / 2 / cutoff), 0, len(levels) - 1)
        weights = [np.maximum(0, 1 - np.abs(level - k)) for k in range(len(levels))]
        pictures.append(sum(weight * picture for weight, picture in zip(weights, levels, strict=True)))
    return pictures


def _opencv_levels(image: np.ndarray, levels: int) -> list[np.ndarray]:
    pyramid = [image]
    for _ in range(levels):
        pyramid.append(cv2.pyrDown(pyramid[-1]))
    full = []
    for level, picture in enumerate(pyramid):
        for finer in reversed(pyramid[:level]):
            picture = cv2.pyrUp(picture, dstsize=finer.shape[1::-1])
        full.append(
            np.ascontiguousarray(picture.transpose(2, 0, 1))
        )  # weighted three times faster than [H, W, 3]
    return full


def _opencv_reveal(image: np.ndarray, fixations: np.ndarray, sigma_px: float) -> list[np.ndarray]:
    blurred = cv2.GaussianBlur(image, (BLUR["kernel_px"],) * 2, BLUR["sigma_px"])
    sharp, blurred = (np.ascontiguousarray(picture.transpose(2, 0, 1)) for picture in (image, blurred))
    x, y = (np.arange(side, dtype=np.float32) + 0.5 for side in image.shape[1::-1])
    y = y[:, None]
    pictures = []
    for fx, fy in fixations.astype(np.float32):
        mask = np.exp(((x - fx) ** 2 + (y - fy) ** 2) / np.float32(-2 * sigma_px**2))
        pictures.append(mask * sharp + (1 - mask) * blurred)
    return pictures
