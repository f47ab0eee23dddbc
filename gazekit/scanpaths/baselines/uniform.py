"""Every object, and STOP, equally likely."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.scanpaths.model import masked_log_softmax
from gazekit.scanpaths.predictor import ObjectPredictor
from gazekit.scanpaths.relations import RelationState
from gazekit.scene import SceneBatch, TrialBatch

__all__ = ["Uniform"]


class Uniform(ObjectPredictor):
    """Chance: each object has the same probability, and so has STOP once a fixation was made.

    This is the reference distribution of the information gain, so its own gain is 0 by definition.
    Satisfies `ScanpathModel`; has no parameters.
    """

    def log_prob(self, batch: TrialBatch) -> Tensor:
        mask = batch.scenes.object_mask[batch.scene_of_trial]
        b, t = batch.objects.shape
        logits = torch.zeros(b, t + 1, mask.shape[1] + 1, device=mask.device)
        return masked_log_softmax(logits, mask, torch.arange(t + 1) == 0)

    def begin(self, scenes: SceneBatch, n: int) -> RelationState:
        return RelationState.begin(scenes, n)

    def next_log_prob(self, state: RelationState) -> Tensor:
        b, n, n_objects = state.visits.shape
        logits = torch.zeros(b, n, n_objects + 1, device=state.visits.device)
        return masked_log_softmax(logits, state.scenes.object_mask, state.step == 0)

    def advance(self, state: RelationState, chosen: Tensor) -> RelationState:
        return state.advance(chosen)
