"""Next object from displacement, distance, visited, current, target and step alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gazekit.scanpaths.model import masked_log_softmax
from gazekit.scanpaths.relations import PAIRWISE, RelationState, relations
from gazekit.scene import SceneBatch, TrialBatch

__all__ = ["Pairwise"]


class Pairwise(nn.Module):
    """A small network scores each candidate from its relation to the current object, one by one.

    It sees no appearance and no other candidate, so it is the measure of what geometry and history alone
    explain. Satisfies `ScanpathModel`.

    Args:
        width: hidden units.
        target_position: "known" or "hidden", as in `OATNet`.
    """

    def __init__(self, width: int = 64, target_position: str = "known") -> None:
        super().__init__()
        if target_position not in ("known", "hidden"):
            raise ValueError(f"target_position must be 'known' or 'hidden', got {target_position!r}")
        self.known = target_position == "known"
        self.score = nn.Sequential(nn.Linear(len(PAIRWISE), width), nn.GELU(), nn.Linear(width, 1))

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
