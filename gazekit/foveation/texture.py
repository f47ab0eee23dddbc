"""Peripheral vision as texture: within pooling windows that grow with eccentricity, only statistics survive.

Source: Deza, Jonnalagadda and Eckstein 2019 (ICLR, "Towards metamerism via foveated style transfer"); Deza and Konkle
2020 (arXiv 2006.07991). Features of the picture -> mean and deviation of each window -> the same of features of noise ->
mixture of both, more noise the larger the window -> picture. By default the features are those of a Laplacian
pyramid, not the published VGG19 and its trained decoder, which need weight files.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from gazekit.foveation.noise import match_colours, white_noise
from gazekit.foveation.pictures import Transform
from gazekit.foveation.pooling import pool, spread
from gazekit.foveation.pyramid import LaplacianPyramid
from gazekit.foveation.windows import Layout, Windows, windows_at

__all__ = ["FoveatedTexture", "Reference"]

EPS = 1e-5  # added to variances
GAIN_PER_DVA = 1.281  # d, fitted psychophysically by the source


class Reference(Transform):
    """Analysis and synthesis without anything between: what all systems share.

    With a pyramid it is the picture itself, up to rounding.
    """

    def __init__(self, encoder: Any = None):
        super().__init__()
        self.encoder = encoder or LaplacianPyramid()

    def render(self, images: Tensor, points: Tensor) -> Tensor:
        same = self.encoder.synthesise(self.encoder.analyse(images)).clamp(0, 1)
        return same[:, None].expand(-1, points.shape[1], *same.shape[1:])


class FoveatedTexture(Transform):
    """Foveated texture: F_i = (1 - alpha_i) E(I) + alpha_i (std_I (E(N) - mean_N) / std_N + mean_I) in each window i.

    alpha_i = tanh(d r_i / 2) with r_i, in degrees, the radius of a disc as large as the window at half its height in this
    picture, and 0 in the fovea. N is white noise with the picture's means, deviations and correlations of colours.

    Windows overlap. By default points are averaged with the windows' weights, both in the statistics and in what is
    written, which is smooth and differentiable in the fixation too; the number of pixels behind r_i is taken as
    constant. `hard=True` is the published rule: a window holds all points with a weight above 0.001 alike, and the
    window with the highest number writes where several overlap.

    Deviations: windows belong to any fixation and picture size, not to 64 x 64 points of a 512 px picture; the variance is
    multiplied by n / (n - 1) with n the sum of the weights, and by n / 1 below n = 2, so that a window of one point keeps
    that point.

    Memory: windows take 50 bytes a pixel per fixation, the last ones are kept up to 256 MB in all; beyond its
    output a call needs what one picture needs, however many there are, since gradients compute each picture anew.

    Args:
        px_per_dva: pixels of the picture per degree.
        scaling: s, growth of the windows; 0.25 is about V1's, 0.5 V2's.
        inner_dva: e_0 of the windows.
        gain_per_dva: d.
        hard: see above.
        seed: of the noise, the same for all pictures of one size unless the call is given a generator.
        encoder: what makes features and pictures of them; None is `LaplacianPyramid()`.
    """

    def __init__(
        self,
        px_per_dva: float,
        scaling: float = 0.4,
        inner_dva: float = 0.5,
        gain_per_dva: float = GAIN_PER_DVA,
        hard: bool = False,
        seed: int = 0,
        encoder: Any = None,
    ):
        super().__init__()
        self.layout = Layout(px_per_dva, scaling, inner_dva)
        self.gain_per_dva, self.hard, self.seed = gain_per_dva, hard, seed
        self.encoder = encoder or LaplacianPyramid()

    def render(self, images: Tensor, points: Tensor) -> Tensor:
        noise = white_noise(images.shape[1:], self.seed).to(images)
        one: Callable[..., Tensor] = self._one
        if torch.is_grad_enabled() and (images.requires_grad or points.requires_grad):
            one = _recomputed(self._one)
        seen = [
            torch.stack([one(image, noise, point) for point in steps])
            if len(steps)
            else image.new_empty(0, *image.shape)
            for image, steps in zip(images, points, strict=True)
        ]
        return torch.stack(seen) if seen else images.new_empty(0, points.shape[1], *images.shape[1:])

    def _one(self, image: Tensor, noise: Tensor, point: Tensor) -> Tensor:
        """[C, H, W] and [2] to [C, H, W]."""
        size = tuple(image.shape[-2:])
        alpha = self.alpha(size, point).to(image)
        bands = self.encoder.analyse(torch.stack((image, match_colours(noise, image))))
        strides = self.encoder.strides(bands)
        mixed = [
            texturise(
                *band, windows_at(self.layout, point, size, stride, self.encoder.shift, self.hard), alpha
            )
            for band, stride in zip(bands, strides, strict=True)
        ]
        return self.encoder.synthesise([band[None] for band in mixed])[0].clamp(0, 1)

    def alpha(self, size: tuple[int, int], point: Tensor) -> Tensor:
        """[R] how much each region is made of noise."""
        windows = windows_at(self.layout, point.detach(), size, 1, 0.5, hard=False)
        strong = windows.pool > 0.5
        pixels = torch.bincount(windows.index[strong], minlength=windows.regions)
        radius_dva = (pixels / math.pi).sqrt() / self.layout.px_per_dva
        alpha = torch.tanh(radius_dva * (self.gain_per_dva / 2))
        alpha[0] = 0
        return alpha


def _recomputed(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda *args: checkpoint(function, *args, use_reentrant=False, preserve_rng_state=False)


def texturise(content: Tensor, noise: Tensor, windows: Windows, alpha: Tensor) -> Tensor:
    """Mix features with noise of the same mean and deviation in each region.

    Args:
        content, noise: [C, h, w], h w = P.
        alpha: [R].
    """
    shape, channels = content.shape, len(content)
    both = torch.stack((content, noise)).flatten(2)
    centre = both.detach().mean(-1, keepdim=True)  # of no effect but on rounding
    both = (both - centre).flatten(0, 1).T  # [P, 2 C]
    sums = pool(torch.cat((both, both**2, torch.ones_like(both[:, :1])), 1), windows)
    mass = sums[:, -1:].clamp_min(1e-20)
    mean, square = (sums[:, :-1] / mass).unflatten(1, (2, 2, channels)).unbind(1)  # [R, 2, C]
    variance = (square - mean**2).clamp_min(0) * (mass / (mass.clamp_min(2) - 1))[..., None]
    deviation = (variance + EPS).sqrt()
    gain = alpha[:, None] * deviation[:, 0] / deviation[:, 1]
    table = torch.cat((gain, alpha[:, None] * mean[:, 0] - gain * mean[:, 1], alpha[:, None]), 1)
    gain, offset, share = spread(table, windows).split((channels, channels, 1), 1)
    mixed = torch.lerp(both[:, :channels], offset.new_zeros(()), share) + gain * both[:, channels:] + offset
    return (mixed.T + centre[0]).view(shape)
