"""Foveation of whole batches: blur beside an OpenCV pyramid with masks, texture beside a loop over its regions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from gazekit.foveation import FoveatedBlur, FoveatedTexture, GeislerPerry
from gazekit.foveation.field import noise_share
from gazekit.foveation.loop import region_maps, texture_loop
from gazekit.foveation.windows import MASK
from gazekit.harness import Case

__all__ = ["Sizes", "cases"]

FIELD_DVA = 26.0


@dataclass(frozen=True)
class Sizes:
    """Sizes of the cases.

    Args:
        pictures: square colour pictures of a batch.
        side_px: their side, 26 degrees.
        looped: pictures of a call of the loop over regions.
        scaling: of the windows of texture.
        sigma_px: of the rings of the foveated blur.
    """

    pictures: int = 8
    side_px: int = 1024
    looped: int = 1
    scaling: float = 0.4
    sigma_px: tuple[float, ...] = (0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10)


def cases(device: str = "cpu", sizes: Sizes | None = None) -> list[Case]:
    """Acuity, rings of blur, and texture, each forward, then forward and backward to the pictures."""
    sizes = sizes or Sizes()
    images = torch.rand(
        sizes.pictures, 3, *[sizes.side_px] * 2, generator=torch.Generator().manual_seed(0)
    ).to(device)
    fixation = torch.tensor([0.4, 0.55], device=device) * sizes.side_px
    p = sizes.side_px / FIELD_DVA
    rings = FoveatedBlur(p, sigma_px=sizes.sigma_px)
    return [
        *_blurs("acuity", GeislerPerry(p), acuity_levels(p), images, fixation),
        *_blurs("blur of rings", rings, ring_levels(rings), images, fixation),
        *_textures(FoveatedTexture(p, sizes.scaling, hard=True), images, fixation, sizes.looped),
    ]


def _blurs(
    name: str,
    transform: torch.nn.Module,
    levels: Callable[[np.ndarray], np.ndarray],
    images: Tensor,
    fixation: Tensor,
) -> list[Case]:
    pixels = [image.permute(1, 2, 0).contiguous().cpu().numpy() for image in images]
    point, title = fixation.tolist(), f"{name}, {len(images)} x {images.shape[-1]} px"

    def opencv() -> list[np.ndarray]:
        return [opencv_blur(picture, point, levels) for picture in pixels]

    def facts(ours: Tensor, theirs: list[np.ndarray]) -> dict[str, float]:
        return {"largest_difference": float((ours.cpu() - torch.from_numpy(np.stack(theirs))).abs().max())}

    def step() -> Tensor:
        return _backward(transform, images, fixation)

    return [
        Case(f"{title}, forward", lambda: transform(images, fixation), len(images), "picture",
             "OpenCV pyramid with masks", opencv, facts=facts),
        Case(f"{title}, forward + backward", step, len(images), "picture",
             "OpenCV pyramid with masks, forward only", opencv),
    ]  # fmt: skip


def _textures(transform: FoveatedTexture, images: Tensor, fixation: Tensor, looped: int) -> list[Case]:
    """The loop gets the masks of all regions ready made, as published; ours keeps the windows of the last fixations."""
    size, some = tuple(images.shape[-2:]), images[:looped]
    places = [transform.encoder.places(band) for band in range(len(transform.encoder.shapes(*size)))]
    maps = [
        region_maps(transform.layout, fixation, size, *place).to(images.device) > MASK for place in places
    ]
    alpha = noise_share(transform.layout, fixation, size, transform.gain_per_dva)

    def loop(pictures: Tensor) -> Tensor:
        return torch.stack([texture_loop(transform, picture, maps, alpha) for picture in pictures])

    def loop_step() -> Tensor:
        leaf = some.detach().clone().requires_grad_()
        return torch.autograd.grad(loop(leaf).sum(), leaf)[0]

    def facts(ours: Tensor, theirs: Tensor) -> dict[str, float]:
        return {"mean_difference": float((ours[:looped] - theirs).abs().mean()), "regions": len(maps[0])}

    title = f"texture, {len(images)} x {images.shape[-1]} px"
    return [
        Case(f"{title}, forward", lambda: transform(images, fixation), len(images), "picture",
             "loop over regions", lambda: loop(some), looped, facts),
        Case(f"{title}, forward + backward", lambda: _backward(transform, images, fixation), len(images), "picture",
             "loop over regions", loop_step, looped, facts),
    ]  # fmt: skip


def _backward(transform: torch.nn.Module, images: Tensor, fixation: Tensor) -> Tensor:
    leaf = images.detach().clone().requires_grad_()
    return torch.autograd.grad(transform(leaf, fixation).sum(), leaf)[0]


def acuity_levels(px_per_dva: float) -> Callable[[np.ndarray], np.ndarray]:
    """Geisler and Perry's law on arrays of pixels from the fixation."""

    def levels(distance_px: np.ndarray) -> np.ndarray:
        cutoff = 2.3 * math.log(64) / (0.106 * (distance_px / px_per_dva + 2.3))
        return np.maximum(np.log2(px_per_dva / 2 / cutoff), 0)

    return levels


def ring_levels(blur: FoveatedBlur) -> Callable[[np.ndarray], np.ndarray]:
    """The deviations of rings on arrays of pixels from the fixation, as levels of a pyramid."""
    layout, table = blur.layout, np.array((0, *blur.sigma_px), np.float32)

    def levels(distance_px: np.ndarray) -> np.ndarray:
        place = (
            np.log(np.maximum(distance_px, 1e-6) / (layout.px_per_dva * layout.inner_dva)) / layout.ring_width
            - 1
        )
        inner = np.floor(np.maximum(place, -1))
        ramp = np.clip((np.abs(np.maximum(place, -1) - inner - 1) - 0.25) / 0.5, 0, 1)
        outer = np.cos(np.pi / 2 * ramp) ** 2
        ring = np.minimum(inner.astype(int) + 1, len(table) - 1)
        low, high = table[ring], table[np.minimum(ring + 1, len(table) - 1)]
        variance = (low + (high - low) * outer) ** 2
        level = np.floor(np.log2(1 + 1.5 * variance) / 2)
        return level + (variance - (4**level - 1) * 2 / 3) / (2 * 4**level)

    return levels


def opencv_blur(
    image: np.ndarray, fixation: tuple[float, float], levels: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """A picture [H, W, C] as [C, H, W]: the levels of its pyramid, doubled to its size, times a mask each."""
    x, y = (np.arange(side, dtype=np.float32) + np.float32(0.5) for side in image.shape[1::-1])
    level = levels(np.hypot(x - np.float32(fixation[0]), y[:, None] - np.float32(fixation[1])))
    pyramid = [image]
    for _ in range(max(1, math.ceil(float(level.max())))):
        pyramid.append(cv2.pyrDown(pyramid[-1]))
    total = np.zeros((image.shape[2], *image.shape[:2]), np.float32)
    for k, picture in enumerate(pyramid):
        for finer in reversed(pyramid[:k]):
            picture = cv2.pyrUp(picture, dstsize=finer.shape[1::-1])
        total += np.maximum(0, 1 - np.abs(level - k)).astype(np.float32) * picture.transpose(2, 0, 1)
    return total
