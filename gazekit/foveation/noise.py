"""Noise with the colours of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

__all__ = ["match_colours", "white_noise"]


@lru_cache(maxsize=4)
def white_noise(shape: Sequence[int], seed: int) -> Tensor:
    """Standard normal numbers, always the same of one shape and seed; they are shared and must not be written to."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def match_colours(noise: Tensor, image: Tensor) -> Tensor:
    """CORAL: noise whitened over channels, then with the correlations, deviations and means of the image's channels.

    With Z the standardised pixels [C, P], C = Z Z' + I as in the source: N = std_I C_I^(1/2) C_N^(-1/2) Z_N + mean_I.
    Deviation: a channel without variation has the deviation of 1e-6 rather than 0, by which the source divides.

    Args:
        noise, image: [C, H, W].
    Source: Sun, Feng and Saenko 2016 (AAAI, "Return of frustratingly easy domain adaptation").
    """
    own, wanted = _moments(noise), _moments(image)
    recolour = (
        wanted.deviation[:, None] * (_root(wanted.gram) @ torch.linalg.inv(_root(own.gram))) / own.deviation
    )
    moved = wanted.mean - recolour @ own.mean
    matched = recolour.to(noise) @ noise.flatten(1) + moved.to(noise)[:, None]
    return matched.view_as(noise)


class _moments:
    def __init__(self, image: Tensor):
        pixels = image.flatten(1)
        count = pixels.shape[1]
        mean = pixels.mean(1)
        spread = pixels - mean[:, None]
        covariance = (spread @ spread.T).double()
        self.mean = mean.double()
        self.deviation = (covariance.diagonal() / max(count - 1, 1) + 1e-12).sqrt()
        self.gram = covariance / (self.deviation[:, None] * self.deviation) + torch.eye(len(image)).to(
            covariance
        )


def _root(matrix: Tensor) -> Tensor:
    """Square root of a small symmetric matrix with eigenvalues of 1 or more.

    The iteration of Denman and Beavers 1976 has gradients where eigenvalues coincide, as for a grey picture.
    """
    norm = matrix.detach().diagonal().sum()
    root = matrix / norm
    inverse = torch.eye(len(matrix)).to(matrix)
    for _ in range(20):
        root, inverse = (root + torch.linalg.inv(inverse)) / 2, (inverse + torch.linalg.inv(root)) / 2
    return root * norm.sqrt()
