"""eccNET and its relatives as rows of a report: settings, and displays in, reaction times out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from gazekit.backbones import Backbone, load_backbone
from gazekit.base import Predictor
from gazekit.datasets.search_tasks import TASKS
from gazekit.models.visual_search.modulation import (
    Sharpening,
    combined,
    correlated,
    sharpened,
    target_kernels,
    to_pixels,
)
from gazekit.models.visual_search.search import Found, rt_ms, search_cells
from gazekit.models.visual_search.trunk import Early, Trunk

__all__ = ["LAYERS", "EccNet", "displays_said", "searched"]

LAYERS = {
    "vgg16": ("conv3_3", "conv4_3", "conv5_3"),
    "mobilenet_v2": ("expand4", "expand7", "expand14"),
    "deeplab_voc": ("expand4", "expand7", "expand14"),
    "squeezenet1_0": ("fire4", "fire8", "fire9"),
    "resnet18": ("layer1", "layer2", "layer3"),
    "resnet50": ("layer1", "layer2", "layer3"),
}
"""The last maps at strides 4, 8 and 16: those that the source takes of VGG16, and their counterparts."""


class EccNet(Predictor):
    """eccNET: search guided by the target's features in a net whose resolution falls off with eccentricity.

    Source: Gupta et al. 2021 (NeurIPS). Of a display only what differs from its background is computed; see `trunk`,
    `modulation` and `search` for how this works and where it deviates.

    Args:
        facts: of `SearchData`.
        backbone: name of a net with poolings or strides, see `LAYERS`.
        weights: of the backbone: a file, a folder, None for data/backbones/NAME, or "random".
        layers: maps that are compared, from fine to coarse; None takes the three of `LAYERS`.
        stride: of the map of priorities, 32 as published or 16, which is finer.
        eccentric: windows grow with eccentricity; False leaves the net's own poolings (of IVSN: and one layer).
        weighting: "peak" or "equal", see `modulation.combined`.
        sharpening: two Gaussians (size, sigma); None takes the published ones of each task; () does not sharpen.
        px_per_dva: of the displays.
    """

    def __init__(
        self,
        facts: Mapping[str, Any] | None = None,
        backbone: str = "vgg16",
        weights: str | Path | None = None,
        layers: Sequence[str] | None = None,
        stride: int = 32,
        eccentric: bool = True,
        weighting: Literal["peak", "equal"] = "peak",
        sharpening: Sharpening | tuple[()] | None = None,
        px_per_dva: float = 30,
    ) -> None:
        super().__init__(facts)
        if layers is None and backbone not in LAYERS:
            raise ValueError(
                f"model.layers must be given for {backbone}; known are those of {', '.join(LAYERS)}"
            )
        if stride not in (16, 32):
            raise ValueError(f"model.stride must be 16 or 32, got {stride}")
        self.name, self.weights, self.layers = backbone, weights, tuple(layers or LAYERS[backbone])
        self.stride, self.eccentric, self.weighting = stride, eccentric, weighting
        self.sharpening, self.px_per_dva = sharpening, px_per_dva

    @cached_property
    def trunk(self) -> Trunk:
        return Trunk(self.load(), self.layers, self.stride, self.eccentric, self.px_per_dva)

    def load(self) -> Backbone:
        """The net with its weights; subclasses that have one of their own return that."""
        return load_backbone(self.name, self.weights)

    @torch.no_grad()
    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        return displays_said(batch, self.search(batch))

    def search(self, batch: Mapping[str, Any]) -> Found:
        """Search the displays of a batch of `SearchData`."""
        background = one_background(batch)
        early = self.trunk.early(batch["picture"], background)
        targets, which = _different(batch["target_picture"])
        kernels = target_kernels(self.trunk, targets, background)
        sharpening = self.sharpening_of(batch)

        def priority(rows: Tensor, xy_px: Tensor, painted: tuple[Tensor, Tensor] | None) -> Tensor:
            if painted is not None:
                self.trunk.erase(early, *painted)
            return self.priority(early, rows, xy_px, kernels, which[rows], sharpening, targets.shape[1:3])

        return searched(priority, batch)

    def priority(
        self,
        early: Early,
        rows: Tensor,
        xy_px: Tensor,
        kernels: Sequence[Tensor],
        which: Tensor,
        sharpening: Sharpening | tuple[()],
        target_size_px: tuple[int, int],
    ) -> Tensor:
        """[R, H, W] how likely the target is centred at each pixel of some pictures, seen from one fixation each."""
        maps, corner = self.trunk.at(early, rows, xy_px)
        evidence = [correlated(m, k, which) for m, k in zip(maps, kernels, strict=True)]
        value = combined(evidence, self.weighting)
        value = sharpened(value, sharpening) if sharpening else value
        return to_pixels(value, corner, self.stride, target_size_px, early.picture.shape[-2:])

    def sharpening_of(self, batch: Mapping[str, Any]) -> Sharpening | tuple[()]:
        if self.sharpening is not None:
            return self.sharpening
        return TASKS[self.facts["tasks"][int(batch["task"][0])]].sharpening


def one_background(batch: Mapping[str, Any]) -> Tensor:
    """[3] uint8.

    Raises:
        ValueError: displays with different backgrounds in one batch.
    """
    background = batch["background"]
    if not (background == background[:1]).all():
        raise ValueError("the displays of a batch must have one background")
    return background[0]


def searched(priority: Any, batch: Mapping[str, Any]) -> Found:
    """`search_cells` on the displays of a batch; a search without success counts as the largest set size."""
    largest = batch["set_size"].max().expand(len(batch["set_size"]))
    size = tuple(batch["picture"].shape[1:3])
    return search_cells(priority, size, batch["cell_boxes_px"], batch["target_cell"], largest)


def displays_said(batch: Mapping[str, Any], found: Found) -> dict[str, Any]:
    """What a searcher says about displays, by the names that metrics ask for."""
    return {
        "fixations": found.saccades,
        "found": found.found,
        "cost": rt_ms(found.saccades),
        "visited_cells": found.cells,
        "xy_px": found.xy_px,
    }


def _different(targets: Tensor) -> tuple[Tensor, Tensor]:
    """[U, h, w, 3] the different targets of a batch, and [B] which of them each display has."""
    flat, which = targets.flatten(1).unique(dim=0, return_inverse=True)
    return flat.unflatten(1, targets.shape[1:]), which
