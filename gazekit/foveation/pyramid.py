"""An encoder without weights: the Laplacian pyramid, whose synthesis undoes its analysis exactly.

Source: Burt and Adelson 1983 (IEEE Trans. Commun. 31, 532).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gazekit.kernels.foveate import double, halve

__all__ = ["LaplacianPyramid"]


@dataclass(frozen=True)
class LaplacianPyramid:
    """Bands of octaves, each with its own number of pixels, and what is left below them.

    Pixel (i, j) of band l lies on pixel (2^l i, 2^l j) of the picture.

    Args:
        levels: bands above the rest; fewer for a picture whose rest would be a single pixel before.
    Raises:
        ValueError: a negative number of levels.
    """

    levels: int = 5

    linear: ClassVar[bool] = True
    """Whether the bands of a sum are the sums of bands."""

    def __post_init__(self) -> None:
        if self.levels < 0:
            raise ValueError(f"levels must be 0 or more, got {self.levels}")

    def analyse(self, images: Tensor) -> list[Tensor]:
        """[B, C, H, W] to bands [B, C, ceil(H / 2^l), ceil(W / 2^l)], fine to coarse."""
        bands = []
        for _ in self.shapes(*images.shape[-2:])[1:]:
            coarse = halve(images)
            bands.append(images - double(coarse, *images.shape[-2:]))
            images = coarse
        return [*bands, images]

    def synthesise(self, bands: list[Tensor], height: int, width: int) -> Tensor:
        """The picture of bands, height x width."""
        image = bands[-1]
        for band in reversed(bands[:-1]):
            image = band + double(image, *band.shape[-2:])
        return image

    def shapes(self, height: int, width: int) -> list[tuple[int, int]]:
        """(h, w) of the bands of a picture."""
        found = [(height, width)]
        while len(found) <= self.levels and max(found[-1]) > 1:
            found.append(tuple((side + 1) // 2 for side in found[-1]))
        return found

    def places(self, band: int) -> tuple[int, float]:
        """Stride and shift of the points of a band, see `windows.windows_at`."""
        return 2**band, 0.5
