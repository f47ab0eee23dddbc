"""SceneWalk as a system: trained further by gradient descent, kept in checkpoints, and run on one's own pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from gazekit.base import Data
from gazekit.models.classic_scanpaths.scene_walk import SceneWalk
from gazekit.models.viewer_system import ViewerSystem
from gazekit.scene import TrialBatch

__all__ = ["SceneWalkSystem"]


class SceneWalkSystem(SceneWalk, ViewerSystem):
    """Attention around the eye, times where people look, minus an inhibition that lags behind.

    `fit` has already fitted it, so `evaluate` reports on it without a training. Settings: `SceneWalk`.
    """

    def __init__(self, facts: Mapping[str, Any] | None = None, **settings: Any) -> None:
        super().__init__(facts, **settings)

    def fit(self, data: Data) -> None:
        super().fit(data)
        self.requires_grad_(True)  # for a training that follows

    def loss(self, batch: TrialBatch) -> dict[str, Tensor]:
        """Mean negative log-probability of the cells that people looked at, in nats."""
        return {"loss": -self.fixation_log_prob(batch)[batch.mask].mean()}
