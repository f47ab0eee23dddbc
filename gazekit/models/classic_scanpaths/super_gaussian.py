"""SGC: fixations on patches that respond most to the super-Gaussian components of a picture (Sun et al.)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from gazekit.models.classic_scanpaths.saliency import pictures_of
from gazekit.scanpath import Scanpaths
from gazekit.scanpaths.viewer import Viewer
from gazekit.scene import SceneBatch

__all__ = ["SuperGaussian", "component", "whitened_patches"]

SIDE = 128  # work px along the longer side
PATCH, STRIDE = 8, 2  # work px
DIMENSIONS = 32
ROUNDS = 15  # of the fixed point


class SuperGaussian(Viewer):
    """Patches that respond most to the super-Gaussian components of the picture, one component after the other.

    Colour patches of 8 x 8 (of the picture scaled to 128 px, every 2 px) are whitened in 32 principal dimensions. The
    direction w of largest kurtosis, E[(w z)^4] - 3, is found by the fixed point w <- E[z (w z)^3] - 3 w from a random
    start, orthogonal to the directions before (Gram-Schmidt); the next fixation is on the patch with the largest |w z|.
    After 32 fixations the directions begin again. Scanpaths of one picture differ by their starts. It has no
    likelihood: it takes maxima. It has no durations.

    Source: Sun, Yao, Ji and colleagues, super-Gaussian component analysis, from memory and unverified; sizes are ours.
    """

    reasons: Mapping[str, str] = {"log_prob": "the patch with the largest response is certain"}

    @torch.no_grad()
    def view(self, scenes: SceneBatch, n: int, fixations: int, generator: torch.Generator) -> Scanpaths:
        z, places = whitened_patches(pictures_of(scenes))  # [S, P, D], [P, 2]
        start = torch.randn(len(z), n, fixations, z.shape[2], generator=generator).to(z)
        ties = torch.rand(len(z), n, fixations, generator=generator).to(z)
        found: list[Tensor] = []
        chosen = []
        for step in range(fixations):
            if step % z.shape[2] == 0:
                found = []
            w = component(z, start[:, :, step], found)
            found.append(w)
            response = (w @ z.transpose(1, 2)).abs()  # [S, n, P]
            chosen.append(_largest(response, ties[:, :, step]))
        place = places.to(z)[torch.stack(chosen, 2)]
        size = scenes.size_px[0].to(place)
        xy = (place * size).clamp(min=0).minimum(size * (1 - 1e-6))
        return Scanpaths(xy, torch.ones(xy.shape[:-1], dtype=torch.bool, device=xy.device))


def whitened_patches(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Patches of pictures, whitened.

    Args:
        pictures: uint8 RGB [S, H, W, 3].
    Returns:
        [S, P, D] with mean 0 and unit covariance (0 along dimensions in which the picture does not vary), and [P, 2]
        centres of the patches, from 0 to 1.
    """
    image = pictures.permute(0, 3, 1, 2).float() / 255
    size = [max(PATCH, round(side * SIDE / max(image.shape[2:]))) for side in image.shape[2:]]
    image = F.interpolate(image, size, mode="bilinear", antialias=True)
    patches = F.unfold(image, PATCH, stride=STRIDE).transpose(1, 2)  # [S, P, 3 * 64]
    patches = patches - patches.mean(1, keepdim=True)
    covariance = patches.transpose(1, 2) @ patches / patches.shape[1]
    value, vector = torch.linalg.eigh(covariance.double())
    value, vector = value[:, -DIMENSIONS:], vector[..., -DIMENSIONS:]
    seen = value > (1e-6 * value[:, -1:]).clamp(min=1e-8)
    scale = torch.where(seen, value.clamp(min=1e-12).rsqrt(), 0.0)
    z = patches @ (vector * scale[:, None]).to(patches)
    y, x = (((torch.arange(0, side - PATCH + 1, STRIDE) + PATCH / 2) / side) for side in size)
    places = torch.stack([x.repeat(len(y)), y.repeat_interleave(len(x))], -1)
    return z, places


def component(z: Tensor, start: Tensor, before: list[Tensor]) -> Tensor:
    """A direction in which the patches are far from Gaussian, with heavy tails.

    Args:
        z: [S, P, D] whitened.
        start: [S, n, D] of the fixed point.
        before: directions [S, n, D] that it is orthogonal to, fewer than D.
    Returns:
        [S, n, D] of length 1.
    """
    basis = torch.stack(before, 2) if before else None  # [S, n, K, D]
    w = _unit(start, basis)
    for _ in range(ROUNDS):
        projected = w @ z.transpose(1, 2)
        w = _unit((projected**3) @ z / z.shape[1] - 3 * w, basis)
    return w


def _unit(w: Tensor, basis: Tensor | None) -> Tensor:
    if basis is not None:
        for _ in range(2):  # twice, against rounding
            w = w - ((basis @ w[..., None]) * basis).sum(2)
    return w / w.norm(dim=-1, keepdim=True).clamp(min=1e-20)


def _largest(response: Tensor, tie: Tensor) -> Tensor:
    """[S, n] index of the largest response; among equal ones the one that `tie` in [0, 1) picks."""
    best = response >= response.amax(-1, keepdim=True)
    wanted = (tie * best.sum(-1)).floor()[..., None] + 1
    return ((best.cumsum(-1) >= wanted) & best).float().argmax(-1)
