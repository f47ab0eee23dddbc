"""Rows beside the learned embedding: ridge regression to the space of pictures, and chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from gazekit.base import Data, Predictor
from gazekit.brain import ridge_cv
from gazekit.models.brain_retrieval.net import PictureSpace, Voxels, fit_sides

__all__ = ["ChanceRetrieval", "RidgeRetrieval"]


class _Row(Predictor):
    """Pictures in the space of `PictureSpace`.

    Args:
        facts: of `BrainData`.
        layers: of the features; None for all.
        components: see `PictureSpace`.
    """

    def __init__(
        self, facts: Mapping[str, Any], layers: Sequence[str] | None = None, components: int = 64
    ) -> None:
        super().__init__(facts)
        self.space = PictureSpace(
            {name: facts["layers"][name] for name in layers or facts["layers"]}, components
        )
        self.voxels = Voxels(facts["voxels"])


class RidgeRetrieval(_Row):
    """Ridge regression from voxels to each component of the picture, penalties by cross-validation.

    Args:
        facts, layers, components: as the system's.
        alphas: penalties that are tried: from and to which power of ten, and how many.
    """

    def __init__(
        self,
        facts: Mapping[str, Any],
        layers: Sequence[str] | None = None,
        components: int = 64,
        alphas: Sequence[float] = (0, 6, 13),
    ) -> None:
        super().__init__(facts, layers, components)
        self.alphas = torch.logspace(alphas[0], alphas[1], int(alphas[2]))
        self.register_buffer("weight", torch.zeros(facts["voxels"], components))
        self.register_buffer("intercept", torch.zeros(components))

    def fit(self, data: Data) -> None:
        found = ridge_cv(*fit_sides(self.space, self.voxels, data), self.alphas)
        self.weight.copy_(found.weight)
        self.intercept.copy_(found.intercept)

    def predict(self, batch: Any, generator: torch.Generator, samples: int = 1) -> dict[str, Any]:
        brain = self.voxels(batch["response"]) @ self.weight + self.intercept
        return {"brain_embedding": brain, "picture_embedding": self.space(batch["features"])}


class ChanceRetrieval(_Row):
    """All brains say the same: k of n by definition."""

    def fit(self, data: Data) -> None:
        fit_sides(self.space, self.voxels, data)

    def predict(self, batch: Any, generator: torch.Generator, samples: int = 1) -> dict[str, Any]:
        picture = self.space(batch["features"])
        return {"brain_embedding": torch.ones_like(picture), "picture_embedding": picture}
