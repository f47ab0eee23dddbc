"""Distance-based positional encoding: tokens whose cosine similarity is a Gaussian of their distance.

OAT (Fang et al., ECCV 2024) fits a table of one row per grid index by gradient descent so that the cosine
of rows i and j is exp(-(i - j)^2 / (2 sigma^2)) and all norms are equal. Both have closed forms:

* grid: the Gram matrix of that Gaussian is positive definite, K = Q L Q^T, so W = Q sqrt(L) is exact;
* continuous: the Gaussian is the Fourier transform of a Gaussian, so the vector of cosines and sines of the
  coordinate at equally spaced frequencies, weighted by the spectrum (a trapezoid rule, whose error falls
  faster than any power), has the required inner products at *every* coordinate, not only at integers.

The net uses the continuous form, so that irregular layouts work; on a regular grid the two agree.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["DistanceEncoding", "SinusoidEncoding", "distance_table", "sinusoid"]


def distance_table(n: int, width: int = 86, sigma: float = 2.0) -> Tensor:
    """The grid form, exact: [n, width] rows of norm 1 with Gaussian cosines.

    Args:
        n: number of rows or columns of the grid.
        width: numbers per row, >= n; the rest is zero.
        sigma: of the Gaussian, in cells.
    Raises:
        ValueError: width below n.
    """
    if width < n:
        raise ValueError(f"a table of {n} indices needs width >= {n}, got {width}")
    index = torch.arange(n, dtype=torch.float64)
    gram = torch.exp(-((index[:, None] - index) ** 2) / (2 * sigma**2))
    values, vectors = torch.linalg.eigh(gram)
    table = torch.zeros(n, width, dtype=torch.float64)
    table[:, :n] = vectors * values.clamp(min=0).sqrt()
    return table


class DistanceEncoding(nn.Module):
    """[..., 3] coordinates (column, row, flag) to [..., width], the three parts side by side.

    The similarity of two tokens is the mean of three Gaussians, as in the paper's equation for the
    concatenated table rows. Frozen: nothing is learned. Vectors have norm sqrt(width).

    Args:
        width: a multiple of 6.
        sigma: in objects (`SceneBatch.spacing_px`).
        span: largest distance, in objects, at which the cosine is to be right; beyond it, from `span` + 4 sigma
            on, the Gaussian comes back with the other sign, so choose it above the number of columns. Where
            `width` is too small for both, the span is cut short and near distances stay right.
    Raises:
        ValueError: width not a multiple of 6.
    """

    def __init__(self, width: int, sigma: float = 2.0, span: float = 16.0) -> None:
        super().__init__()
        if width % 6:
            raise ValueError(f"the distance encoding needs a width that is a multiple of 6, got {width}")
        frequencies = width // 6
        # Apart enough to reach 3.3 standard deviations of the spectrum, close enough to tell the span apart.
        step = max(2 * math.pi / (span + 4 * sigma), 3.3 / (sigma * frequencies))
        # Frequency 0 would spend a sine on nothing; half-integer multiples give the same rule without it.
        omega = (torch.arange(frequencies, dtype=torch.float64) + 0.5) * step
        weight = torch.exp(-((omega * sigma) ** 2) / 2)
        self.register_buffer("omega", omega.float(), persistent=False)
        self.register_buffer(
            "gain", (weight / weight.sum()).sqrt().float() * math.sqrt(width / 3), persistent=False
        )

    def forward(self, coordinates: Tensor) -> Tensor:
        phase = coordinates[..., None] * self.omega  # [..., 3, width / 6]
        return torch.cat([phase.cos() * self.gain, phase.sin() * self.gain], -1).flatten(-2)


def sinusoid(position: Tensor, width: int) -> Tensor:
    """[...] positions to [..., width] sines and cosines of wavelengths from 2 pi to 20000 pi (base 10000)."""
    rate = torch.exp(torch.arange(0, width, 2, device=position.device) * (-math.log(10000.0) / width))
    phase = position[..., None] * rate
    return torch.stack([phase.sin(), phase.cos()], -1).flatten(-2)[..., :width]


class SinusoidEncoding(nn.Module):
    """[..., 3] coordinates (column, row, flag) to [..., width]: the usual sinusoids, a third for each."""

    def __init__(self, width: int) -> None:
        super().__init__()
        if width % 6:
            raise ValueError(f"the sinusoid encoding needs a width that is a multiple of 6, got {width}")
        self.width = width

    def forward(self, coordinates: Tensor) -> Tensor:
        return sinusoid(coordinates, self.width // 3).flatten(-2)
