"""Rows of the report: receptive fields, read-outs, ridge regressions in time, and simple baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gazekit.base import Data, Predictor
from gazekit.brain import delayed, ridge_cv
from gazekit.models.receptive_fields.encoder import TimeEncoder, fit_encoder, scale_to

__all__ = ["FittedField", "GlobalSignal", "ListedFields", "RidgeInTime", "TimeChance", "learning_batch"]


def learning_batch(data: Data) -> dict[str, Tensor]:
    """The volumes to learn from, as one batch: the part "learning" of the data."""
    return data.batch(data.parts["learning"].tolist())


class FittedField(Predictor):
    """A receptive field or a read-out per voxel, fitted to the learning time by likelihood.

    Args:
        facts: see `TimeEncoder`; so are `field`, `learned_hrf` and `own_delays`.
        steps: of the refinement after the grid search; 0 = the grid alone.
    """

    def __init__(
        self,
        facts: Mapping[str, Any],
        field: str = "gaussian",
        learned_hrf: bool = True,
        own_delays: bool = False,
        steps: int = 40,
    ) -> None:
        super().__init__(facts)
        self.steps = steps
        self.encoder = TimeEncoder(facts, field, learned_hrf, own_delays)

    def fit(self, data: Data) -> None:
        fit_encoder(self.encoder, learning_batch(data), self.steps)

    def predict(self, batch: Any, generator: torch.Generator, samples: int = 1) -> dict[str, Tensor]:
        """`prediction` [B, V]."""
        return {"prediction": self.encoder(batch)}


class ListedFields(Predictor):
    """Published receptive fields with the canonical response; they were fitted to all volumes, the test included."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        super().__init__(facts)
        self.encoder = TimeEncoder(facts, "gaussian", learned_hrf=False)
        listed = {name: torch.tensor(facts["listed"][name]) for name in ("x", "y", "sd")}
        xy = torch.stack([listed["x"], listed["y"]], 1)
        self.encoder.field.start(xy, torch.where(listed["sd"] > 0, listed["sd"], 1.0))

    def fit(self, data: Data) -> None:
        """Amplitudes and baselines of the learning time."""
        batch = learning_batch(data)
        scale_to(self.encoder, batch)
        self.encoder.amplitude *= torch.tensor(self.facts["listed"]["sd"]) > 0

    def predict(self, batch: Any, generator: torch.Generator, samples: int = 1) -> dict[str, Tensor]:
        """`prediction` [B, V]; constant for voxels that have no listed field."""
        return {"prediction": self.encoder(batch)}


class RidgeInTime(Predictor):
    """Ridge regression on means of blocks of the stimulus at several delays.

    Args:
        facts: `voxels`, `x_dva`, `y_dva` of the data.
        blocks: across and down the screen.
        delays_tr: in volumes.
        alphas: penalties; with several, each voxel's own is chosen by `folds` stretches of the learning time.
        folds: number of them.
    """

    def __init__(
        self,
        facts: Mapping[str, Any],
        blocks: Sequence[int] = (10, 9),
        delays_tr: Sequence[int] = (2, 3, 4, 5, 6),
        alphas: Sequence[float] = (1000.0,),
        folds: int = 6,
    ) -> None:
        super().__init__(facts)
        self.blocks, self.delays_tr, self.alphas, self.folds = (
            tuple(blocks),
            list(delays_tr),
            list(alphas),
            folds,
        )
        features = blocks[0] * blocks[1] * len(self.delays_tr)
        self.register_buffer("weight", torch.zeros(features, facts["voxels"]))
        self.register_buffer("intercept", torch.zeros(facts["voxels"]))

    def features(self, batch: Mapping[str, Tensor]) -> Tensor:
        """[B, F]."""
        means = F.adaptive_avg_pool2d(batch["stimulus"].float()[:, None], self.blocks).flatten(1)
        return delayed(means, self.delays_tr)[batch["time"]]

    def fit(self, data: Data) -> None:
        batch = learning_batch(data)
        fold = torch.arange(len(batch["time"])) * self.folds // len(batch["time"])
        found = ridge_cv(self.features(batch), batch["response"], self.alphas, fold)
        self.weight.copy_(found.weight)
        self.intercept.copy_(found.intercept)

    def predict(self, batch: Any, generator: torch.Generator, samples: int = 1) -> dict[str, Tensor]:
        """`prediction` [B, V]."""
        return {"prediction": self.features(batch) @ self.weight + self.intercept}


class GlobalSignal(Predictor):
    """The mean response of all voxels, predicted by ridge from the stimulus and scaled to each voxel."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        super().__init__(facts)
        self.mean = RidgeInTime({**facts, "voxels": 1})
        self.register_buffer("slope", torch.zeros(facts["voxels"]))
        self.register_buffer("intercept", torch.zeros(facts["voxels"]))

    def fit(self, data: Data) -> None:
        batch = learning_batch(data)
        response = batch["response"]
        mean = response.mean(1, keepdim=True)
        found = ridge_cv(self.mean.features(batch), mean, self.mean.alphas, 2)
        self.mean.weight.copy_(found.weight)
        self.mean.intercept.copy_(found.intercept)
        centred = mean - mean.mean()
        self.slope.copy_((centred * response).sum(0) / centred.square().sum())
        self.intercept.copy_(response.mean(0) - self.slope * mean.mean())

    def predict(self, batch: Any, generator: torch.Generator, samples: int = 1) -> dict[str, Tensor]:
        """`prediction` [B, V]."""
        mean = self.mean.predict(batch, generator)["prediction"]
        return {"prediction": mean * self.slope + self.intercept}


class TimeChance(Predictor):
    """Smooth noise that knows nothing of stimulus or voxel: what r is by chance in so short a time."""

    def predict(self, batch: Any, generator: torch.Generator, samples: int = 1) -> dict[str, Tensor]:
        """`prediction` [B, V]: white noise, averaged over five volumes."""
        noise = torch.randn(len(batch["time"]) + 4, self.facts["voxels"], generator=generator)
        return {"prediction": noise.unfold(0, 5, 1).mean(2).to(batch["response"])}
