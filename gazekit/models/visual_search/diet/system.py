"""A net that learns to name things on a diet, and is then judged by how it searches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gazekit.base import Data, System
from gazekit.datasets.diet_world import DIETS
from gazekit.models.visual_search.diet.example_figure import diet_figure
from gazekit.models.visual_search.diet.net import NETS
from gazekit.models.visual_search.diet.searching import Grown
from gazekit.models.visual_search.figures import search_figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["DietSearcher"]


class DietSearcher(Grown, System):
    """eccNET's search by the features of a net that was trained to name things in the pictures of one diet.

    The loss is the cross-entropy of the class of the picture; nothing is ever trained on a search display. Arguments
    are those of `Grown`.
    """

    def logits(self, picture: Tensor) -> Tensor:
        """[B, classes] of pictures uint8 [B, H, W, 3] of the size of the training."""
        how = NETS[self.kind].preprocessing
        mean, std = (picture.new_tensor(values, dtype=torch.float32) * 255 for values in (how.mean, how.std))
        images = ((picture - mean) / std).permute(0, 3, 1, 2)
        *_, (_, logits) = self.net.walk(images.contiguous(memory_format=torch.channels_last))
        return logits

    def loss(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        return {"loss": F.cross_entropy(self.logits(batch["picture"]), batch["label"])}

    def validate(self, batch: Mapping[str, Any]) -> None:
        hit = self.logits(batch["picture"]).argmax(1) == batch["label"]
        self.log("val/accuracy", hit.float().mean(), batch_size=len(hit), sync_dist=True)

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        """Of search displays see `Grown.predict`; of pictures of a diet the `probability` [B, classes] of each class,
        the `label` [B] and whether the most probable class is `correct` [B]. Nothing is random."""
        if "target_picture" in batch:
            return super().predict(batch, generator, samples)
        probability = self.logits(batch["picture"]).softmax(1)
        label = batch["label"]
        return {"probability": probability, "label": label, "correct": probability.argmax(1) == label}

    def notes(self) -> list[str]:
        return [
            f"trained on the diet {self.facts['diet']} to name {len(self.facts['classes'])} classes; searches with "
            f"{', '.join(NETS[self.kind].layers)}, stride {self.stride}"
        ]

    def figures(self, data: Data, table: Mapping[str, Mapping[str, Any]]) -> dict[str, Figure]:
        """Pictures of a generated diet; of search displays also those of `search_figures`."""
        diet = self.facts["diet"]
        shown = {"diet": diet_figure(diet, self.facts["classes"])} if diet in DIETS else {}
        return shown | (search_figures(self, data, table) if "conditions" in data.facts() else {})
