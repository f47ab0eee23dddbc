"""An encoder without weights: the Laplacian pyramid, whose synthesis undoes its analysis exactly.

Source: Burt and Adelson 1983 (IEEE Trans. Commun. 31, 532).
"""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.kernels.foveate import double, halve

__all__ = ["LaplacianPyramid"]


class LaplacianPyramid:
    """Bands of octaves, each with its own number of pixels, and what is left below them.

    Pixel (i, j) of band l lies on pixel (2^l i, 2^l j) of the picture.

    Args:
        levels: bands above the rest; fewer for a picture whose rest would be a single pixel before.
    """

    shift = 0.5
    """Of the points of a band, see `windows_at`."""

    def __init__(self, levels: int = 5):
        if levels < 0:
            raise ValueError(f"levels must be 0 or more, got {levels}")
        self.levels = levels

    def analyse(self, images: Tensor) -> list[Tensor]:
        """[B, C, H, W] to bands [B, C, ceil(H / 2^l), ceil(W / 2^l)], fine to coarse."""
        bands = []
        for _ in range(self.levels):
            if max(images.shape[-2:]) < 2:
                break
            coarse = halve(images)
            bands.append(images - double(coarse, *images.shape[-2:]))
            images = coarse
        return [*bands, images]

    def synthesise(self, bands: list[Tensor]) -> Tensor:
        """The picture of bands."""
        image = bands[-1]
        for band in reversed(bands[:-1]):
            image = band + double(image, *band.shape[-2:])
        return image

    def strides(self, bands: list[Tensor]) -> list[int]:
        """Pixels of the picture between neighbours of each band."""
        return [2**level for level in range(len(bands))]

    def __repr__(self) -> str:
        return f"LaplacianPyramid(levels={self.levels})"
