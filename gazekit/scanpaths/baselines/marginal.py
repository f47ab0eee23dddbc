"""Where people look in a picture, regardless of its content and of the scanpath so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gazekit.scanpaths.model import masked_log_softmax
from gazekit.scanpaths.predictor import ObjectPredictor
from gazekit.scanpaths.relations import RelationState
from gazekit.scene import SceneBatch, TrialBatch

if TYPE_CHECKING:
    from gazekit.base import Data

__all__ = ["Marginal"]

CELLS = 48


class Marginal(ObjectPredictor):
    """The probability of an object depends on its place in the picture alone.

    The preference for a place is the density of fixated objects there divided by the density of objects that
    could have been fixated, both over places relative to the picture and smoothed by a Gaussian; on a regular
    grid this is the usual marginal over cells, and it carries over to any layout. STOP has the rate of the
    training scanpaths. Fitted in closed form by `fit`; satisfies `ScanpathModel`.

    Args:
        sigma: of the smoothing, as a fraction of the picture's sides.
    """

    def __init__(self, facts: Mapping[str, Any] | None = None, sigma: float = 0.04) -> None:
        super().__init__(facts)
        self.sigma = sigma
        self.register_buffer("log_preference", torch.zeros(CELLS, CELLS))
        self.register_buffer("stop_rate", torch.tensor(0.1))

    def fit(self, data: Data) -> None:
        """Count fixations and choices over the training trials."""
        fixated, offered = torch.zeros(CELLS * CELLS), torch.zeros(CELLS * CELLS)
        fixations = ended = 0
        for batch in data.batches("train"):
            scenes = batch.scenes[batch.scene_of_trial]
            cell, length = self._cells(scenes), batch.mask.sum(1).float()
            fixated.index_add_(0, cell.gather(1, batch.objects)[batch.mask], torch.ones(int(length.sum())))
            share = (scenes.object_mask * (length / scenes.object_mask.sum(1).clamp(min=1))[:, None])[
                scenes.object_mask
            ]
            offered.index_add_(0, cell[scenes.object_mask], share)
            fixations, ended = fixations + int(length.sum()), ended + int((length > 0).sum())
        smooth = torch.exp(
            -((torch.arange(CELLS)[:, None] - torch.arange(CELLS)) ** 2) / (2 * (self.sigma * CELLS) ** 2)
        )
        maps = [smooth @ counts.view(CELLS, CELLS) @ smooth for counts in (fixated, offered)]
        prior = 1.0  # so that places without data have the average preference
        self.log_preference.copy_(((maps[0] + prior) / (maps[1] + prior)).log())
        self.stop_rate.fill_(min(max(ended / max(fixations, 1), 1e-4), 1 - 1e-4))

    def _cells(self, scenes: SceneBatch) -> Tensor:
        """[B, N] cell of the map in which each object's centre lies."""
        place = (scenes.centres_px / scenes.size_px[:, None] * CELLS).long().clamp(0, CELLS - 1)
        return place[..., 1] * CELLS + place[..., 0]

    def _log_prob(self, scenes: SceneBatch, rows: int, at_start: Tensor) -> Tensor:
        preference = self.log_preference.flatten()[self._cells(scenes)]
        total = preference.masked_fill(~scenes.object_mask, -torch.inf).logsumexp(-1, keepdim=True)
        logits = torch.cat([preference, total + torch.logit(self.stop_rate)], -1)
        return masked_log_softmax(logits[:, None].expand(-1, rows, -1), scenes.object_mask, at_start)

    def log_prob(self, batch: TrialBatch) -> Tensor:
        steps = torch.arange(batch.objects.shape[1] + 1, device=batch.objects.device)
        return self._log_prob(batch.scenes[batch.scene_of_trial], len(steps), steps == 0)

    def begin(self, scenes: SceneBatch, n: int) -> RelationState:
        return RelationState.begin(scenes, n)

    def next_log_prob(self, state: RelationState) -> Tensor:
        return self._log_prob(state.scenes, state.current.shape[1], torch.tensor(state.step == 0))

    def advance(self, state: RelationState, chosen: Tensor) -> RelationState:
        return state.advance(chosen)
