"""Maps of what stands out in a picture, shared by the models of this room: a network's, Itti and Koch's, or the centre.

A map is computed once per picture: all models that ask for one kind share a `Saliency`, which keeps the last maps.
"""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache
from typing import Literal, get_args

import torch
from torch import Tensor

from gazekit.base import Data
from gazekit.foveation import Grid
from gazekit.models.classic_scanpaths.itti_koch import itti_koch
from gazekit.scene import SceneBatch

__all__ = ["Kind", "Saliency", "cell_areas", "cell_means", "centre_map", "pictures_of"]

Kind = Literal["attention_center", "itti_koch", "centre"]

_SIDE = 160  # of a kept map, along the longer side
_KEPT = 512  # maps


class Saliency:
    """Saliency maps of pictures.

    "attention_center" is the fixation map of the network of that name (`gazekit.backbones`), "itti_koch" that of
    `itti_koch`, "centre" a Gaussian in the middle of the picture, whatever it shows.

    Args:
        kind: which map.
        weights: of the network: a file or folder; None is data/backbones/attention_center. Other kinds have none.
    Raises:
        ValueError: an unknown kind.
    """

    def __init__(self, kind: Kind, weights: str | None = None) -> None:
        if kind not in get_args(Kind):
            raise ValueError(f"saliency must be one of {', '.join(get_args(Kind))}, got {kind!r}")
        self.kind, self.weights = kind, weights
        self._net = None
        self._kept: dict[bytes, Tensor] = {}

    @staticmethod
    @lru_cache(maxsize=8)
    def of(kind: Kind, weights: str | None = None) -> Saliency:
        """The one of this kind, shared by all models."""
        return Saliency(kind, weights)

    def __deepcopy__(self, memo: dict) -> Saliency:
        return self  # a frozen net and its results: copies of a model share them

    def fit(self, data: Data | None = None) -> None:
        """Load the network, so that a wrong path is told before the first picture.

        Raises:
            FileNotFoundError, DataError: see `load_backbone`.
        """
        if self.kind == "attention_center" and self._net is None:
            from gazekit.backbones import load_backbone

            self._net = load_backbone("attention_center", self.weights, ["saliency"])

    @torch.no_grad()
    def __call__(self, scenes: SceneBatch) -> Tensor:
        """[S, h, w] in [0, 1], the largest value of each map 1; all 1 where nothing stands out.

        A map covers the picture; its longer side has at most 160 values.

        Raises:
            ValueError: scenes without pictures.
        """
        pictures = pictures_of(scenes)
        keys = [_digest(picture) for picture in pictures]
        new = [k for k, key in enumerate(keys) if key not in self._kept]
        made = dict(zip((keys[k] for k in new), self._compute(pictures[new]) if new else (), strict=True))
        found = torch.stack([made[key] if key in made else self._kept[key] for key in keys])
        for key, value in made.items():
            if len(self._kept) >= _KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = value
        return found.to(pictures.device)

    def on_cells(self, scenes: SceneBatch, grid: Grid) -> Tensor:
        """[S, C] means of the maps in the cells of a grid."""
        return cell_means(self(scenes), grid)

    def _compute(self, pictures: Tensor) -> Tensor:
        if self.kind == "centre":
            maps = centre_map(tuple(pictures.shape[1:3])).expand(len(pictures), -1, -1)
        elif self.kind == "itti_koch":
            maps = itti_koch(pictures)
        else:
            self.fit()
            maps = torch.cat([self._net(self._net.preprocess(p[None]))["saliency"][:, 0] for p in pictures])
        return _scaled(_reduced(maps.float().cpu(), tuple(pictures.shape[1:3])))


def pictures_of(scenes: SceneBatch) -> Tensor:
    """uint8 RGB [S, H, W, 3].

    Raises:
        ValueError: scenes without pictures.
    """
    if scenes.pictures is None:
        raise ValueError(
            "scanpath models over pictures need SceneBatch.pictures, which these scenes do not carry; take data with "
            "pictures, such as data=osie_viewing"
        )
    return scenes.pictures


def _digest(picture: Tensor) -> bytes:
    data = picture.cpu().contiguous().numpy()
    return hashlib.blake2b(data, digest_size=16, person=str(data.shape)[:16].encode()).digest()


def _reduced(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps in the proportions of the picture, of at most 160 values along the longer side."""
    share = min(1.0, _SIDE / max(size))
    wanted = [max(1, round(side * share)) for side in size]
    if list(maps.shape[1:]) == wanted:
        return maps
    return torch.nn.functional.interpolate(maps[:, None], wanted, mode="bilinear", antialias=True)[:, 0]


def _scaled(maps: Tensor) -> Tensor:
    maps = maps.clamp(min=0)
    top = maps.amax((1, 2), keepdim=True)
    return torch.where(top > 0, maps / top.clamp(min=1e-30), 1.0)


def centre_map(size: tuple[int, int]) -> Tensor:
    """[H, W] a Gaussian in the middle, its standard deviations a quarter of the sides."""
    down, across = (((torch.arange(n) + 0.5) / n - 0.5) / 0.25 for n in size)
    return torch.exp(-(down[:, None] ** 2 + across**2) / 2)


def cell_means(maps: Tensor, grid: Grid) -> Tensor:
    """[S, h, w] maps over pictures to [S, C] means in the cells of a grid, weighted by the area that is shared."""
    width, height = grid.size_px
    down = _overlaps(grid.rows, grid.cell_px, height, maps.shape[1])
    across = _overlaps(grid.columns, grid.cell_px, width, maps.shape[2])
    return (down.to(maps) @ maps @ across.to(maps).T).flatten(1)


def _overlaps(cells: int, cell_px: float, side_px: float, values: int) -> Tensor:
    """[cells, values] share of each value in the mean of a cell."""
    low = torch.arange(cells, dtype=torch.float64) * cell_px
    high = (low + cell_px).clamp(max=side_px)
    edges = torch.arange(values + 1, dtype=torch.float64) * (side_px / values)
    shared = torch.minimum(high[:, None], edges[1:]) - torch.maximum(low[:, None], edges[:-1])
    shared = shared.clamp(min=0)
    return shared / shared.sum(1, keepdim=True)


def cell_areas(grid: Grid) -> Tensor:
    """[C] share of the picture that each cell covers; cells at the right and the lower edge may be smaller."""
    return (grid.areas_px / math.prod(grid.size_px)).float()
