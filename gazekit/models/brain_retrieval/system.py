"""MindEye's retrieval: voxels and pictures in one space, learned by contrast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gazekit.base import Data, System
from gazekit.metrics.functional import retrieval_top_k
from gazekit.models.brain_retrieval.losses import annealed, bimixco, mix_responses, softclip
from gazekit.models.brain_retrieval.net import BrainMLP, PictureSpace, Voxels, fit_sides

__all__ = ["BrainRetrieval"]

VALIDATED = 50  # pictures to choose from in validation


class BrainRetrieval(System):
    """An MLP from voxels to the space of pictures; BiMixCo for the first part of the training, SoftCLIP then.

    After the retrieval branch of MindEye (Scotti et al. 2023, arXiv 2305.18274). Deviations: no diffusion prior and no
    augmented pictures; the target is a projection of frozen features (`PictureSpace`); repeats are averaged, where
    MindEye takes them in turn; responses that are missing are the mean.

    Args:
        facts: of `BrainData`.
        layers: of the features; None for all.
        components: D of the embedding, see `PictureSpace`.
        hidden, blocks, dropout: see `BrainMLP`.
        mixed: share of the training with mixed responses.
        mix_temperature: of BiMixCo; MindEye 0.006.
        temperatures: of SoftCLIP, first and last; MindEye 0.004 and 0.0075, for CLIP's tokens, whose likenesses differ
            less than those of centred components.
    """

    def __init__(
        self,
        facts: Mapping[str, Any],
        layers: Sequence[str] | None = None,
        components: int = 64,
        hidden: int = 512,
        blocks: int = 2,
        dropout: Sequence[float] = (0.5, 0.15),
        mixed: float = 0.33,
        mix_temperature: float = 0.03,
        temperatures: Sequence[float] = (0.03, 0.06),
    ) -> None:
        super().__init__(facts)
        self.space = PictureSpace(
            {name: facts["layers"][name] for name in layers or facts["layers"]}, components
        )
        self.voxels = Voxels(facts["voxels"])
        self.net = BrainMLP(facts["voxels"], components, hidden, blocks, dropout)
        self.mixed, self.mix_temperature, self.temperatures = mixed, mix_temperature, tuple(temperatures)

    def fit(self, data: Data) -> None:
        """The space of pictures and the scale of voxels, from the training pictures."""
        fit_sides(self.space, self.voxels, data)

    def loss(self, batch: Any) -> dict[str, Tensor]:
        """In validation always SoftCLIP at the last temperature, so that steps compare."""
        response, picture = self.voxels(batch["response"]), self.space(batch["features"])
        if not self.training:
            return {"loss": softclip(self.net(response), picture, self.temperatures[1])}
        done = self._progress()
        if done < self.mixed:
            response, mixture = mix_responses(response)
            return {"loss": bimixco(self.net(response), picture, mixture, self.mix_temperature)}
        rest = (done - self.mixed) / max(1 - self.mixed, 1e-9)
        return {"loss": softclip(self.net(response), picture, annealed(rest, *self.temperatures))}

    def validate(self, batch: Any) -> None:
        """Top-1 of both directions among 50 pictures of a batch, or as many as it has."""
        said = self.predict(batch, torch.Generator())
        count = len(batch["group"])
        if count < 2:
            return
        found = retrieval_top_k(said["brain_embedding"], said["picture_embedding"], 1, min(VALIDATED, count))
        self.log("val/top1", found.mean(), prog_bar=True, batch_size=count, sync_dist=True)

    def predict(self, batch: Any, generator: torch.Generator, samples: int = 1) -> dict[str, Any]:
        """Both embeddings [B, D]; the brain's does not know the picture."""
        return {
            "brain_embedding": self.net(self.voxels(batch["response"])),
            "picture_embedding": self.space(batch["features"]),
        }

    def _progress(self) -> float:
        """Share of the training that is over; 0 outside of one."""
        if self._trainer is None:
            return 0.0
        return self.global_step / max(1, int(self.trainer.estimated_stepping_batches))
