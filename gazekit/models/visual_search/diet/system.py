"""A net that learns to name things on a diet, and is then judged by how it searches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gazekit.base import System
from gazekit.models.visual_search.diet.net import DietNet

__all__ = ["DietSearcher"]


class DietSearcher(System):
    """eccNET's search by the features of a small net that was trained to name things in pictures of one diet.

    The loss is the cross-entropy of the class of the picture; nothing is ever trained on a search display.

    Args:
        facts: `classes` of the data.
        init_seed: of the weights that the training starts from.
        widths, depth: see `DietNet`.
    """

    def __init__(self, facts: Mapping[str, Any], init_seed: int = 0, **net: Any) -> None:
        super().__init__(facts)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(init_seed)
            self.net = DietNet(len(facts["classes"]), **net)

    def logits(self, picture: Tensor) -> Tensor:
        x = picture.permute(0, 3, 1, 2).float() / 255
        x = (x - 0.5) / 0.25
        for name, value in self.net.walk(x):
            pass
        return value

    def loss(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        return {"loss": F.cross_entropy(self.logits(batch["picture"]), batch["label"])}

    def validate(self, batch: Mapping[str, Any]) -> None:
        hit = self.logits(batch["picture"]).argmax(1) == batch["label"]
        self.log("val/accuracy", hit.float().mean(), batch_size=len(hit), sync_dist=True)
