"""Next object from displacement, distance, visited, current, target and step alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gazekit.scanpaths.likelihood import negative_log_likelihood
from gazekit.scanpaths.model import masked_log_softmax
from gazekit.scanpaths.predictor import ObjectPredictor
from gazekit.scanpaths.relations import PAIRWISE, RelationState, relations
from gazekit.scene import SceneBatch, TrialBatch
from gazekit.schedule import one_cycle

if TYPE_CHECKING:
    from gazekit.base import Data

__all__ = ["Pairwise"]


class Pairwise(ObjectPredictor):
    """A small network scores each candidate from its relation to the current object, one by one.

    It sees no appearance and no other candidate, so it is the measure of what geometry and history alone
    explain. Satisfies `ScanpathModel`.

    Args:
        width: hidden units.
        target_position: "known" or "hidden": whether it sees where the target is.
        steps: of its training.
    """

    def __init__(
        self,
        facts: Mapping[str, Any] | None = None,
        width: int = 64,
        target_position: str = "known",
        steps: int = 400,
    ) -> None:
        super().__init__(facts)
        self.steps = steps
        if target_position not in ("known", "hidden"):
            raise ValueError(f"target_position must be 'known' or 'hidden', got {target_position!r}")
        self.known = target_position == "known"
        self.score = nn.Sequential(nn.Linear(len(PAIRWISE), width), nn.GELU(), nn.Linear(width, 1))

    def fit(self, data: Data) -> None:
        """A short training: AdamW, its rate raised to 0.01 and lowered to 0 along a cosine."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=1e-2, weight_decay=1e-3)
        scheduler = one_cycle(optimizer, self.steps)
        self.train()
        for step in range(self.steps):
            batch = data.training_batch(step)
            optimizer.zero_grad()
            negative_log_likelihood(self.log_prob(batch), batch).backward()
            nn.utils.clip_grad_norm_(self.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
        self.eval()

    def _logits(self, features: Tensor) -> Tensor:
        return self.score(features[..., : len(PAIRWISE)])[..., 0]

    def log_prob(self, batch: TrialBatch) -> Tensor:
        scenes = batch.scenes[batch.scene_of_trial]
        logits = self._logits(relations(scenes, batch.objects, self.known))
        return masked_log_softmax(logits, scenes.object_mask, torch.arange(logits.shape[1]) == 0)

    def begin(self, scenes: SceneBatch, n: int) -> RelationState:
        return RelationState.begin(scenes, n, self.known)

    def next_log_prob(self, state: RelationState) -> Tensor:
        return masked_log_softmax(self._logits(state.features()), state.scenes.object_mask, state.step == 0)

    def advance(self, state: RelationState, chosen: Tensor) -> RelationState:
        return state.advance(chosen)
