"""What foveated texture knows before it sees a picture: the windows about a fixation, and the noise in them."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from gazekit.foveation.noise import white_noise
from gazekit.foveation.pooling import Moments, covariances
from gazekit.foveation.windows import Layout, Windows, windows_at

__all__ = ["Field", "FieldCache", "make_field"]


@dataclass(frozen=True)
class Field:
    """Of each band of an encoder, for one fixation.

    Args:
        alpha: [R] how much each region is made of noise.
        shapes: (h, w) of the bands.
        windows: about the points of the bands.
        white: of a linear encoder, bands [P, C] of white noise; else None.
        white_moments: and their covariances in each region.
    """

    alpha: Tensor
    shapes: list[tuple[int, int]]
    windows: list[Windows]
    white: list[Tensor] | None = None
    white_moments: list[Moments] | None = None

    @property
    def nbytes(self) -> int:
        """Memory, without the noise, which fields of one picture size share."""
        return sum(windows.nbytes for windows in self.windows)


def make_field(
    layout: Layout,
    point: Tensor,
    shape: tuple[int, int, int],
    encoder: Any,
    gain_per_dva: float,
    hard: bool,
    seed: int,
) -> Field:
    """The field about a fixation [2] in pictures of a shape (C, H, W); see `FoveatedTexture`."""
    size = shape[1:]
    shapes = encoder.shapes(*size)
    windows = [windows_at(layout, point, size, *encoder.places(band), hard) for band in range(len(shapes))]
    alpha = noise_share(layout, point.detach(), size, gain_per_dva)
    if not encoder.linear:
        return Field(alpha, shapes, windows)
    white = white_bands(encoder, shape, seed, point.dtype, point.device)
    return Field(
        alpha, shapes, windows, white, [covariances(*band) for band in zip(white, windows, strict=True)]
    )


@lru_cache(maxsize=2)
def white_bands(
    encoder: Any, shape: tuple[int, int, int], seed: int, dtype: torch.dtype, device: torch.device
) -> list[Tensor]:
    """[P, C] of each band of `white_noise`."""
    bands = encoder.analyse(white_noise(shape, seed).image.to(device, dtype)[None])
    return [band[0].flatten(1).T.contiguous() for band in bands]


def noise_share(layout: Layout, point: Tensor, size: tuple[int, int], gain_per_dva: float) -> Tensor:
    """[R] alpha = tanh(d r / 2), r the radius of a disc of as many pixels as a window has above half its height."""
    windows = windows_at(layout, point, size, 1, 0.5, hard=False)
    inside = (windows.pool > 0.5).flatten()
    pixels = torch.bincount(windows.index.flatten()[inside], minlength=windows.regions)
    alpha = torch.tanh((pixels.to(point) / math.pi).sqrt() * (gain_per_dva / 2 / layout.px_per_dva))
    alpha[0] = 0
    return alpha


class FieldCache:
    """The fields that were used last, up to a number of bytes; the very last one in any case."""

    def __init__(self, most_bytes: int):
        self.most_bytes = most_bytes
        self._kept: OrderedDict[Hashable, Field] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Field]) -> Field:
        """The field of a key, made if it is not there."""
        if key not in self._kept:
            self._kept[key] = make()
        self._kept.move_to_end(key)
        while len(self._kept) > 1 and self.nbytes > self.most_bytes:
            self._kept.popitem(last=False)
        return self._kept[key]

    @property
    def nbytes(self) -> int:
        return sum(field.nbytes for field in self._kept.values())
