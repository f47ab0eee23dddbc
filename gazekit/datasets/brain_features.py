"""Frozen features of pictures: from a backbone, kept on disk, or from arrays that somebody gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from gazekit.backbones import Backbone
from gazekit.datasets.brain_pictures import Pictures
from gazekit.features import BackboneExtractor, Features, extract

__all__ = ["ArrayMaps", "DiskMaps", "Maps", "PooledExtractor", "backbone_maps", "tensor_of"]

IN_MEMORY_BYTES = 4 * 2**30
"""Features up to this size are read once; of larger ones each batch reads its own."""


class Maps(Protocol):
    """Features of N pictures.

    Attributes:
        shapes: layer to [C, H, W].
    """

    shapes: dict[str, list[int]]

    def read(self, index: np.ndarray) -> dict[str, Tensor]:
        """Layer to float32 [n, C, H, W] of these pictures."""
        ...


class ArrayMaps:
    """Features in arrays [N, C, H, W], or [N, C] of layers without places; they may be memory maps.

    Raises:
        ValueError: an array of another shape.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        for layer, values in arrays.items():
            if values.ndim not in (2, 4):
                raise ValueError(
                    f"features {layer!r} must be [pictures, C, H, W] or [pictures, C], got {list(values.shape)}"
                )
        self.arrays = {
            layer: values[..., None, None] if values.ndim == 2 else values for layer, values in arrays.items()
        }
        self.shapes = {layer: list(values.shape[1:]) for layer, values in self.arrays.items()}

    def read(self, index: np.ndarray) -> dict[str, Tensor]:
        """A view where the pictures follow each other."""
        return {layer: tensor_of(_rows(values, index)) for layer, values in self.arrays.items()}


class DiskMaps:
    """Features that stay on disk."""

    def __init__(self, features: Features) -> None:
        self.features = features
        self.shapes = {layer: list(value.shape) for layer, value in features[0].items()}

    def read(self, index: np.ndarray) -> dict[str, Tensor]:
        found = {layer: torch.empty(len(index), *shape) for layer, shape in self.shapes.items()}
        for place, number in enumerate(index.tolist()):
            for layer, value in self.features[number].items():
                found[layer][place] = torch.from_numpy(value)
        return found


class PooledExtractor(BackboneExtractor):
    """As `BackboneExtractor`; maps are averaged to `grid` x `grid` cells, vectors become maps of one cell.

    Args:
        grid: cells a side; None, or a map that has no more of them, leaves maps as they are.
    """

    def __init__(self, backbone: Backbone, grid: int | None) -> None:
        super().__init__(backbone)
        self.grid = grid
        self.recipe |= {"extractor": "pooled backbone", "grid": grid}

    def __call__(self, rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        found = super().__call__(rows)
        return {layer: self._pooled(torch.from_numpy(value)).numpy() for layer, value in found.items()}

    def _pooled(self, value: Tensor) -> Tensor:
        if value.dim() == 2:
            return value[..., None, None]
        if self.grid is None or max(value.shape[2:]) <= self.grid:
            return value
        return adaptive_avg_pool2d(value, self.grid)


def backbone_maps(
    pictures: Pictures, names: Sequence[str], backbone: Backbone, grid: int | None, folder: str | Path | None
) -> Maps:
    """Features of all pictures; those that are on disk already are not computed again.

    Args:
        names: of the pictures.
        grid: see `PooledExtractor`.
        folder: where features are kept, see `gazekit.features.extract`; None computes them each time.
    """
    with TemporaryDirectory() as unkept:
        target = unkept if folder is None else Path(folder).expanduser()
        rows, data = _Rows(pictures, names), pictures.fingerprint()
        features = extract(PooledExtractor(backbone, grid), rows, target, data=data)
        maps = DiskMaps(features)
        size = 4 * len(features) * sum(int(np.prod(shape)) for shape in maps.shapes.values())
        if folder is not None and size > IN_MEMORY_BYTES:
            return maps
        read = maps.read(np.arange(len(features)))
        return ArrayMaps({layer: value.numpy() for layer, value in read.items()})


class _Rows(Sequence):
    """Pictures as `extract` takes them."""

    def __init__(self, pictures: Pictures, names: Sequence[str]) -> None:
        self.pictures, self.names = pictures, names

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, number: int) -> dict[str, Any]:
        return {"key": self.names[number], "image": self.pictures[number]}


def _rows(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    if len(index) and (np.diff(index) == 1).all():
        return values[index[0] : index[-1] + 1]
    return values[index]


def tensor_of(values: np.ndarray) -> Tensor:
    """float32, without a copy where it is that already and may be written to, as memory maps opened "c" may."""
    values = np.ascontiguousarray(values, np.float32)
    return torch.from_numpy(values if values.flags.writeable else values.copy())
