"""White noise, and the matrix that gives it the colours of a picture.

Source: Sun, Feng and Saenko 2016 (AAAI, "Return of frustratingly easy domain adaptation"): CORAL.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["WhiteNoise", "coloured", "colours", "white_noise"]


class WhiteNoise(NamedTuple):
    """Noise and what whitens it.

    Args:
        image: [C, H, W] standard normal numbers.
        mean: [C] their means.
        whitening: [C, C] double, C_N^(-1/2) / std_N; see `colours`.
    """

    image: Tensor
    mean: Tensor
    whitening: Tensor


@lru_cache(maxsize=2)
def white_noise(shape: tuple[int, int, int], seed: int) -> WhiteNoise:
    """Always the same of one shape [C, H, W] and seed; it is shared and must not be written to."""
    image = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    mean, deviation, gram = _moments(image)
    return WhiteNoise(image, mean, torch.linalg.inv(_root(gram)) / deviation)


def colours(image: Tensor) -> tuple[Tensor, Tensor]:
    """The matrix std_I C_I^(1/2) [C, C] that colours white channels like an image's [C, H, W], and its means [C].

    With Z the standardised pixels [C, P], C = Z Z' + I as in the source of foveated texture. Deviation from it: a
    channel without variation has the deviation 1e-6 rather than 0, by which it divides.
    """
    mean, deviation, gram = _moments(image)
    return deviation[:, None] * _root(gram), mean


def coloured(white: WhiteNoise, image: Tensor) -> Tensor:
    """Noise [C, H, W] with the means, deviations and correlations of an image's channels."""
    colouring, mean = colours(image)
    matrix = (colouring @ white.whitening.to(colouring)).to(image)
    pixels = (white.image.to(image) - white.mean.to(image)[:, None, None]).flatten(1)
    return (matrix @ pixels + mean.to(image)[:, None]).view_as(image)


def _moments(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean [C], deviation [C] and Z Z' + I [C, C] in double precision."""
    pixels = image.flatten(1)
    mean = pixels.mean(1)
    centred = pixels - mean[:, None]
    products = (centred @ centred.T).double()
    deviation = (products.diagonal() / max(pixels.shape[1] - 1, 1) + 1e-12).sqrt()
    gram = products / (deviation[:, None] * deviation) + torch.eye(len(image)).to(products)
    return mean.double(), deviation, gram


def _root(matrix: Tensor) -> Tensor:
    """Square root of a small symmetric matrix with eigenvalues of 1 or more.

    The iteration of Denman and Beavers 1976 has gradients where eigenvalues coincide, as for a grey picture.
    """
    norm = matrix.detach().diagonal().sum()
    root, inverse = matrix / norm, torch.eye(len(matrix)).to(matrix)
    for _ in range(20):
        root, inverse = (root + torch.linalg.inv(inverse)) / 2, (inverse + torch.linalg.inv(root)) / 2
    return root * norm.sqrt()
