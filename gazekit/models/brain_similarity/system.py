"""A frozen backbone as a row of representational similarity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from gazekit.backbones import Backbone, load_backbone
from gazekit.base import Data, System
from gazekit.metrics.functional import rdm

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["BackboneRDMs"]


class BackboneRDMs(System):
    """Dissimilarities of pictures in the layers of a frozen net: 1 - Pearson's correlation of their patterns.

    A map [C, H, W] is two candidates of a layer search: "LAYER", the pattern of all its values, maps of more than
    `grid` cells a side averaged to that first; and "LAYER mean", its C means over places. A layer without places (a
    class token) is one. Nothing is trained; weights are read when pictures first come.

    Args:
        facts: of the data, not used.
        backbone: one of `gazekit.backbones.NAMES`.
        weights: see `gazekit.backbones.load_backbone`.
        layers: names of the layers; None for all.
        size_px: height and width to which pictures are stretched; None for what the net was trained with.
        grid: cells a side.
        batch: pictures at once.
    """

    def __init__(
        self,
        facts: Mapping[str, Any] | None = None,
        backbone: str = "vit_tiny",
        weights: str | None = None,
        layers: Sequence[str] | None = None,
        size_px: Sequence[int] | None = None,
        grid: int = 14,
        batch: int = 23,
    ) -> None:
        super().__init__(facts)
        if grid < 1 or batch < 1:
            raise ValueError(f"model.grid and model.batch must be at least 1, got {grid} and {batch}")
        self.backbone, self.weights, self.layers = backbone, weights, layers
        self.size_px, self.grid, self.batch = size_px, grid, batch
        self._net: Backbone | None = None
        self._known: dict[str, Tensor] = {}

    def patterns(self, pictures: Any) -> dict[str, Tensor]:
        """Candidate to patterns [n, D] of pictures uint8 RGB [n, H, W, 3]."""
        if self._net is None:
            size = None if self.size_px is None else (int(self.size_px[0]), int(self.size_px[1]))
            self._net = load_backbone(self.backbone, self.weights, self.layers, size)
        with torch.no_grad():
            maps = self._net(self._net.preprocess(pictures))
        found = {}
        for layer, values in maps.items():
            if values.dim() == 2:
                found[layer] = values
                continue
            side = [min(self.grid, cells) for cells in values.shape[2:]]
            found[layer] = adaptive_avg_pool2d(values, side).flatten(1)
            found[f"{layer} mean"] = values.mean((2, 3))
        return found

    def rdms(self, data: Any) -> dict[str, Tensor]:
        """Candidate to dissimilarities [n, n] of `data.split`, computed once; NaN for constant patterns."""
        if not self._known:
            index = data.parts[data.split]
            found: dict[str, list[Tensor]] = {}
            for start in range(0, len(index), self.batch):
                said = self.patterns(data.pictures(index[start : start + self.batch]))
                for name, values in said.items():
                    found.setdefault(name, []).append(values)
            self._known = {name: rdm(torch.cat(parts)) for name, parts in found.items()}
        return self._known

    def predict(self, batch: Any, generator: torch.Generator, samples: int = 1) -> dict[str, Any]:
        """Patterns of the pictures of a batch, candidate by candidate."""
        return self.patterns(batch["pictures"])

    def records(self, items: list[Any], said: Mapping[str, Any]) -> dict[str, Any]:
        """A file of patterns for each layer that is not too wide for a table: means and vectors."""
        from gazekit.base.records import table_of

        narrow = {name: values for name, values in said.items() if values.shape[1] <= 2048}
        return {f"{name.replace(' ', '_')}.csv": table_of(items, {name: x}) for name, x in narrow.items()}

    def figures(self, data: Data, table: Mapping[str, Mapping[str, Any]]) -> dict[str, Figure]:
        """Matrices beside one another, and bars with the noise ceiling."""
        from gazekit.models.brain_similarity.figures import bars_figure, matrices_figure

        if not hasattr(data, "brains"):
            return {}
        return {"matrices": matrices_figure(self, data), "similarity": bars_figure(data, table)}
