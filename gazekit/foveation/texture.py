"""Peripheral vision as texture: within pooling windows that grow with eccentricity, only statistics survive.

Source: Deza, Jonnalagadda and Eckstein 2019 (ICLR, "Towards metamerism via foveated style transfer"); Deza and Konkle
2020 (arXiv 2006.07991). Features of the picture -> mean and deviation of each window -> the same of features of noise
-> mixture of both, more noise the larger the window -> picture. By default the features are those of a Laplacian
pyramid, not the published VGG19 and its trained decoder, which need weight files.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from gazekit.foveation.adain import AdainCoder
from gazekit.foveation.field import Field, FieldCache, make_field
from gazekit.foveation.noise import coloured, colours, white_noise
from gazekit.foveation.pictures import Transform
from gazekit.foveation.pooling import Moments, moments, spread
from gazekit.foveation.pyramid import LaplacianPyramid
from gazekit.foveation.windows import Layout, Windows

__all__ = ["FoveatedTexture", "Reference"]

EPS = 1e-5  # added to variances
MAX_CHANNELS = 4
GAIN_PER_DVA = 1.281  # d, fitted psychophysically by the source


def make_coder(levels: int, weights: tuple[str, str] | None) -> LaplacianPyramid | AdainCoder:
    """What makes features of pictures, and pictures of features."""
    return LaplacianPyramid(levels) if weights is None else AdainCoder(weights)


class Reference(Transform):
    """Analysis and synthesis without anything between: what all systems share.

    With the pyramid it is the picture itself, up to rounding.

    Args:
        levels, weights: see `FoveatedTexture`.
    """

    def __init__(self, levels: int = 5, weights: tuple[str, str] | None = None):
        super().__init__()
        self.encoder = make_coder(levels, weights)

    def render(self, images: Tensor, points: Tensor) -> Tensor:
        same = self.encoder.synthesise(self.encoder.analyse(images), *images.shape[-2:]).clamp(0, 1)
        return same[:, None].expand(-1, points.shape[1], *same.shape[1:])


class FoveatedTexture(Transform):
    """Foveated texture: F_i = (1 - alpha_i) E(I) + alpha_i (std_I (E(N) - mean_N) / std_N + mean_I) in each window i.

    alpha_i = tanh(d r_i / 2) with r_i, in degrees, the radius of a disc as large as the window at half its height in
    this picture, and 0 in the fovea. N is white noise with the picture's means, deviations and correlations of
    colours.

    Windows overlap. By default points are averaged with the windows' weights, both in the statistics and in what is
    written, which is smooth and differentiable in the fixation too; the number of pixels behind r_i is taken as
    constant. `hard=True` is the published rule: a window holds all points with a weight above 0.001 alike, and the
    window with the highest number writes where several overlap.

    Deviations: windows belong to any fixation and picture size, not to 64 x 64 points of a 512 px picture; the
    variance is multiplied by n / (n - 1) with n the sum of the weights, and by n / 1 below n = 2, so that a window of
    one point keeps that point.

    Memory: windows take 50 bytes a pixel per fixation, the last ones are kept up to 256 MB in all; beyond its
    output a call needs what one picture needs, however many there are, since gradients compute each picture anew.

    Args:
        px_per_dva: pixels of the picture per degree.
        scaling: s, growth of the windows; 0.25 is about V1's, 0.5 V2's.
        inner_dva: e_0 of the windows.
        gain_per_dva: d.
        hard: see above.
        seed: of the noise, the same for all pictures of one size unless the call is given a generator.
        levels: octaves of the Laplacian pyramid.
        weights: files of the published encoder and decoder, instead of the pyramid; see `AdainCoder`.
    """

    def __init__(
        self,
        px_per_dva: float,
        scaling: float = 0.4,
        inner_dva: float = 0.5,
        gain_per_dva: float = GAIN_PER_DVA,
        hard: bool = False,
        seed: int = 0,
        levels: int = 5,
        weights: tuple[str, str] | None = None,
    ):
        super().__init__()
        self.layout = Layout(px_per_dva, scaling, inner_dva)
        self.gain_per_dva, self.hard, self.seed = gain_per_dva, hard, seed
        self.encoder = make_coder(levels, weights)

    def render(self, images: Tensor, points: Tensor) -> Tensor:
        if images.shape[1] > MAX_CHANNELS:
            raise ValueError(f"pictures must have 1 to {MAX_CHANNELS} channels, got {images.shape[1]}")
        one: Callable[..., Tensor] = self._one
        if torch.is_grad_enabled() and (images.requires_grad or points.requires_grad):
            one = _recomputed(self._one)
        seen = images.new_empty(*points.shape[:2], *images.shape[1:])
        rows = [
            torch.stack([one(image, point) for point in steps]) if len(steps) else seen[0]
            for image, steps in zip(images, points, strict=True)
        ]
        return torch.stack(rows) if rows else seen

    def _one(self, image: Tensor, point: Tensor) -> Tensor:
        """[C, H, W] and [2] to [C, H, W]."""
        field = self._field(image, point)
        white = white_noise(tuple(image.shape), self.seed)
        contents = [band[0].flatten(1).T for band in self.encoder.analyse(image[None])]
        if field.white is None:
            noises = [band[0].flatten(1).T for band in self.encoder.analyse(coloured(white, image)[None])]
            facts = [moments(noise, windows) for noise, windows in zip(noises, field.windows, strict=True)]
        else:
            matrix = (colours(image)[0] @ white.whitening.to(image.device)).to(image)
            noises = [noise @ matrix.T for noise in field.white]
            facts = [white.recoloured(matrix) for white in field.white_moments]
        mixed = [
            texturise(*band, field.alpha).T.reshape(1, -1, *shape)
            for *band, shape in zip(contents, noises, facts, field.windows, field.shapes, strict=True)
        ]
        return self.encoder.synthesise(mixed, *image.shape[-2:])[0].clamp(0, 1)

    def _field(self, image: Tensor, point: Tensor) -> Field:
        settings = (self.encoder, self.gain_per_dva, self.hard, self.seed)
        shape = tuple(image.shape)
        if point.requires_grad and not self.hard:
            return make_field(self.layout, point, shape, *settings)
        key = (self.layout, *point.tolist(), shape, *settings, image.dtype, image.device)
        return FIELDS.get(key, lambda: make_field(self.layout, point.detach(), shape, *settings))


FIELDS = FieldCache(2**28)


def _recomputed(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda *args: checkpoint(function, *args, use_reentrant=False, preserve_rng_state=False)


def texturise(content: Tensor, noise: Tensor, known: Moments, windows: Windows, alpha: Tensor) -> Tensor:
    """Mix features with noise of the same mean and deviation in each region.

    Args:
        content, noise: [P, C].
        known: of the noise.
        alpha: [R].
    """
    own = moments(content, windows, known.mass)
    gain = alpha[:, None] * ((own.variance + EPS) / (known.variance + EPS)).sqrt()
    offset = alpha[:, None] * own.mean - gain * known.mean
    gain, offset, share = spread(torch.cat((gain, offset, alpha[:, None]), 1), windows).split(
        (*[content.shape[1]] * 2, 1), 1
    )
    return torch.addcmul(torch.addcmul(content + offset, gain, noise), share, content, value=-1)
