"""A net that learns to name things on a diet, and is then judged by how it searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gazekit.backbones.backbone import Backbone
from gazekit.base import Predictor, System
from gazekit.models.visual_search.diet.net import NETS, SMALL_WIDTHS, grown

__all__ = ["DietSearcher", "UntrainedDiet"]


class DietSearcher(System):
    """eccNET's search by the features of a net that was trained to name things in the pictures of one diet.

    The loss is the cross-entropy of the class of the picture; nothing is ever trained on a search display.

    Args:
        facts: `classes` of the data.
        net: "small" or "vgg16", see `grown`.
        init_seed: of the weights that the training starts from.
        widths: see `DietNet`.
    """

    def __init__(
        self,
        facts: Mapping[str, Any],
        net: str = "small",
        init_seed: int = 0,
        widths: Sequence[int] = SMALL_WIDTHS,
    ) -> None:
        super().__init__(facts)
        self.kind = net
        self.net = grown(net, len(facts["classes"]), init_seed, widths)

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
        """Of search displays what `NetSearch` says; of pictures of a diet the `probability` [B, classes] of each class
        and `correct` [B]. Nothing is random."""
        if "target_picture" in batch:
            return searched(self.kind, self.net, batch)
        logits = self.logits(batch["picture"])
        return {"probability": logits.softmax(1), "correct": logits.argmax(1) == batch["label"]}


class UntrainedDiet(Predictor):
    """The same net as it was before its training (with the same `init_seed`).

    Args:
        facts, net, init_seed, widths: see `DietSearcher`.
    """

    def __init__(
        self,
        facts: Mapping[str, Any],
        net: str = "small",
        init_seed: int = 0,
        widths: Sequence[int] = SMALL_WIDTHS,
    ) -> None:
        super().__init__(facts)
        self.kind = net
        self.net = grown(net, len(facts["classes"]), init_seed, widths)

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        """See `DietSearcher.predict`; search displays only."""
        return searched(self.kind, self.net, batch)
