"""Held-out likelihood of scanpaths: the outcome of each step, its probability under a model, and chance.

At step t of a scanpath of L fixations, t of them are known. Its outcome is fixation t for t < L and STOP for
t = L; an empty scanpath has no outcome, because stopping before the first fixation is impossible.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gazekit.scene import TrialBatch

__all__ = ["Likelihood", "negative_log_likelihood", "next_fixation", "next_outcome"]


class Likelihood(NamedTuple):
    """Natural log-probabilities of the outcomes, by model and by chance, [B, steps], and the mask of valid steps."""

    log_prob: Tensor
    log_chance: Tensor
    mask: Tensor


def next_fixation(log_prob: Tensor, batch: TrialBatch) -> Likelihood:
    """Stop excluded: the probability of the fixated object *given that another fixation was made*.

    Args:
        log_prob: [B, T + 1, N + 1] of a `ScanpathModel`.
    Returns:
        [B, T] each; chance is 1 / number of objects.
    """
    objects = log_prob[:, :-1, :-1].log_softmax(-1).gather(-1, batch.objects[..., None])[..., 0]
    n = batch.scenes.object_mask.sum(-1)[batch.scene_of_trial]
    return Likelihood(objects, -n.log()[:, None].expand_as(objects).to(objects), batch.mask)


def next_outcome(log_prob: Tensor, batch: TrialBatch) -> Likelihood:
    """With stop: the probability of the fixated object, or of STOP at the scanpath's end.

    Returns:
        [B, T + 1] each; chance is 1 / (number of objects + 1), without the 1 at the first step.
    """
    b, t = batch.objects.shape
    length = batch.mask.sum(1)
    steps = torch.arange(t + 1, device=length.device)
    stop = log_prob.shape[-1] - 1
    outcome = torch.cat([batch.objects, batch.objects.new_zeros(b, 1)], 1)
    outcome = torch.where(steps == length[:, None], stop, outcome)
    mask = (steps <= length[:, None]) & (length > 0)[:, None]
    n = batch.scenes.object_mask.sum(-1)[batch.scene_of_trial][:, None] + (steps > 0)
    happened = log_prob.gather(-1, outcome[..., None])[..., 0]
    return Likelihood(happened, -n.log().to(happened), mask)


def negative_log_likelihood(log_prob: Tensor, batch: TrialBatch) -> Tensor:
    """[] mean over the outcomes, STOP included, of -log p: the cross-entropy used to train models.

    A batch of empty scanpaths has no outcome; its loss is 0.
    """
    happened = next_outcome(log_prob, batch)
    return -happened.log_prob[happened.mask].sum() / happened.mask.sum().clamp(min=1)
