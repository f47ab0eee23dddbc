"""eccNET and its relatives: settings, and displays in, reaction times out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from gazekit.backbones import Backbone, load_backbone
from gazekit.datasets.search_tasks import TASKS
from gazekit.models.visual_search.modulation import (
    Sharpening,
    combined,
    correlated,
    sharpened,
    target_kernels,
    to_pixels,
)
from gazekit.models.visual_search.search import Priority
from gazekit.models.visual_search.search_row import SearchRow, one_background
from gazekit.models.visual_search.trunk import Early, Trunk

__all__ = ["LAYERS", "EccNetRow"]

LAYERS = {
    "vgg16": ("conv3_3", "conv4_3", "conv5_3"),
    "mobilenet_v2": ("expand4", "expand7", "expand14"),
    "deeplab_voc": ("expand4", "expand7", "expand14"),
    "squeezenet1_0": ("fire4", "fire8", "fire9"),
    "resnet18": ("layer1", "layer2", "layer3"),
    "resnet50": ("layer1", "layer2", "layer3"),
}
"""The last maps at strides 4, 8 and 16: those that the source takes of VGG16, and their counterparts."""


NATURAL: Sharpening = ((3, 0.0), (5, 1.0))
"""Of natural scenes, as published."""


class EccNetRow(SearchRow):
    """Search guided by the target's features in a frozen net; its resolution may fall off with eccentricity.

    Source: Gupta et al. 2021 (NeurIPS). Of a display only what differs from its background is computed; see `trunk`,
    `modulation` and `search` for how this works and where it deviates.

    Args:
        facts: of `SearchData`.
        backbone: name of a net with poolings or strides, see `LAYERS`.
        weights: of the backbone: a file, a folder, None for data/backbones/NAME, or "random".
        layers: maps that are compared, from fine to coarse; None takes the three of `LAYERS`, "coarsest" the last.
        stride: of the map of priorities, 32 as published or 16, which is finer.
        eccentric: windows grow with eccentricity; False leaves the net's own poolings (of IVSN: and one layer).
        weighting: "peak" or "equal", see `modulation.combined`.
        sharpening: two Gaussians (size, sigma); None takes the published ones of each task and of
            natural scenes; () does not sharpen.
        px_per_dva: of the displays.
        search: budget and inhibition of return, see `SearchRow`.
    """

    def __init__(
        self,
        facts: Mapping[str, Any] | None = None,
        backbone: str = "vgg16",
        weights: str | Path | None = None,
        layers: Sequence[str] | Literal["coarsest"] | None = None,
        stride: int = 32,
        eccentric: bool = True,
        weighting: Literal["peak", "equal"] = "peak",
        sharpening: Sharpening | tuple[()] | None = None,
        px_per_dva: float = 30,
        **search: Any,
    ) -> None:
        super().__init__(facts, **search)
        if layers in (None, "coarsest") and backbone not in LAYERS:
            raise ValueError(
                f"model.layers must be given for {backbone}; known are those of {', '.join(LAYERS)}"
            )
        if stride not in (16, 32):
            raise ValueError(f"model.stride must be 16 or 32, got {stride}")
        if weighting not in ("peak", "equal"):
            raise ValueError(f"model.weighting must be peak or equal, got {weighting!r}")
        if any(size % 2 == 0 for size, _ in sharpening or ()):
            raise ValueError(f"the sizes of model.sharpening must be odd, got {sharpening}")
        layers = LAYERS[backbone][-1:] if layers == "coarsest" else layers or LAYERS[backbone]
        self.name, self.weights, self.layers = backbone, weights, tuple(layers)
        self.stride, self.eccentric, self.weighting = stride, eccentric, weighting
        self.sharpening, self.px_per_dva = sharpening, px_per_dva

    @property
    def about(self) -> str:
        how = "eccentric pooling" if self.eccentric else "the net's own pooling"
        return (
            f"Search by the features of {self.name} ({', '.join(self.layers)}), stride {self.stride}, {how}."
        )

    @cached_property
    def trunk(self) -> Trunk:
        return Trunk(self.load(), self.layers, self.stride, self.eccentric, self.px_per_dva)

    def ready(self) -> None:
        _ = self.trunk

    def load(self) -> Backbone:
        """The net with its weights; subclasses that have one of their own return that."""
        return load_backbone(self.name, self.weights)

    def guide(self, batch: Mapping[str, Any], generator: torch.Generator) -> Priority:
        background = one_background(batch)
        early = self.trunk.early(batch["picture"], background)
        targets, which = _different(batch["target_picture"])
        kernels = target_kernels(self.trunk, targets, background)
        sharpening = self.sharpening_of(batch)

        def priority(rows: Tensor, xy_px: Tensor, painted: tuple[Tensor, Tensor]) -> Tensor:
            self.trunk.erase(early, *painted)
            return self.priority(early, rows, xy_px, kernels, which[rows], sharpening, targets.shape[1:3])

        return priority

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
        if "task" not in batch:
            return NATURAL
        return TASKS[self.facts["tasks"][int(batch["task"][0])]].sharpening


def _different(targets: Tensor) -> tuple[Tensor, Tensor]:
    """[U, h, w, 3] the different targets of a batch, and [B] which of them each display has."""
    flat, which = targets.flatten(1).unique(dim=0, return_inverse=True)
    return flat.unflatten(1, targets.shape[1:]), which
