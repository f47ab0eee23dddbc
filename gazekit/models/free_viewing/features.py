"""Maps of frozen nets on the grid of a picture."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gazekit.backbones import Backbone, build_net, load_backbone
from gazekit.foveation import Grid

__all__ = ["FrozenFeatures"]

_STEP_PX = 32  # nets take sizes in multiples of this


class FrozenFeatures:
    """Layers of several frozen nets, brought to the cells of a grid.

    Pictures are stretched so that their longer side has `longest_px` pixels, to multiples of 32. Maps finer than the
    grid are averaged over its cells, coarser ones interpolated. The maps of the last `kept` pictures stay in memory in
    half precision (5 MB per picture with three nets on 1,200 cells). Copies share nets and maps.

    Args:
        nets: name of a backbone to "weights" (a path, or "random"), "layers" and, if it differs, "longest_px".
        longest_px: of the stretched pictures.
        kept: pictures.
    Raises:
        ValueError: no net. Errors of `load_backbone`.
    """

    def __init__(self, nets: Mapping[str, Mapping[str, Any]], longest_px: int = 640, kept: int = 128) -> None:
        if not nets:
            raise ValueError(
                "free viewing needs one net at least: model.nets.attention_center.weights=FOLDER, say"
            )
        self.nets = {name: dict(given) for name, given in nets.items()}
        self.longest_px, self.kept = longest_px, kept
        self._loaded: dict[tuple[str, tuple[int, int]], Backbone] = {}
        self._maps: OrderedDict[tuple, dict[str, Tensor]] = OrderedDict()

    def channels(self) -> dict[str, int]:
        """Channels of each net, which needs no weights."""
        found = {}
        for name, given in self.nets.items():
            layers = build_net(name).layers
            wanted = layers if given.get("layers") is None else given["layers"]
            if unknown := sorted(set(wanted) - set(layers)):
                raise ValueError(
                    f"model.nets.{name}.layers: {', '.join(unknown)} unknown, expected of {', '.join(layers)}"
                )
            found[name] = sum(layers[layer].channels for layer in wanted)
        return found

    def __deepcopy__(self, memo: dict) -> FrozenFeatures:
        return self

    def __call__(self, pictures: Tensor, grid: Grid) -> dict[str, Tensor]:
        """By net, [S, channels, C] float32 of pictures uint8 [S, H, W, 3]."""
        found = [self._of(picture, grid) for picture in pictures.cpu().numpy()]
        return {name: torch.stack([one[name] for one in found]).float() for name in self.nets}

    def _of(self, picture: np.ndarray, grid: Grid) -> dict[str, Tensor]:
        digest = hashlib.blake2b(np.ascontiguousarray(picture), digest_size=16).digest()
        key = (digest, picture.shape, grid)
        if key not in self._maps:
            self._maps[key] = {name: self._maps_of(name, picture, grid) for name in self.nets}
            if len(self._maps) > self.kept:
                self._maps.popitem(last=False)
        self._maps.move_to_end(key)
        return self._maps[key]

    @torch.no_grad()
    def _maps_of(self, name: str, picture: np.ndarray, grid: Grid) -> Tensor:
        longest = self.nets[name].get("longest_px", self.longest_px)
        height, width = (
            max(_STEP_PX, round(side * longest / max(picture.shape[:2]) / _STEP_PX) * _STEP_PX)
            for side in picture.shape[:2]
        )
        backbone = self._backbone(name, (height, width))
        smaller = height < picture.shape[0]
        stretched = cv2.resize(
            picture, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        )
        maps = backbone(backbone.preprocess(stretched[None]))
        return torch.cat([_on_grid(x, grid)[0] for x in maps.values()]).half()

    def _backbone(self, name: str, size_px: tuple[int, int]) -> Backbone:
        if (name, size_px) not in self._loaded:
            given = self.nets[name]
            self._loaded[name, size_px] = load_backbone(
                name, given.get("weights"), _layers(given.get("layers")), size_px=size_px
            )
        return self._loaded[name, size_px]


def _layers(layers: Sequence[str] | None) -> list[str] | None:
    return None if layers is None else list(layers)


def _on_grid(x: Tensor, grid: Grid) -> Tensor:
    """[S, channels, H, W] to [S, channels, C]."""
    size = (grid.rows, grid.columns)
    fine = x.shape[-2] >= size[0] and x.shape[-1] >= size[1]
    found = (
        F.adaptive_avg_pool2d(x, size)
        if fine
        else F.interpolate(x, size, mode="bilinear", align_corners=False)
    )
    return found.flatten(2)
