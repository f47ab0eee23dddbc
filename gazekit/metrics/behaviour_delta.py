"""Behaviour of model and people over trials, and the relative deviation between them."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

from gazekit.metrics.functional.arguments import check_trials
from gazekit.metrics.functional.behaviour import PARTS, behaviour, behaviour_delta

__all__ = ["BehaviourDelta"]


class BehaviourDelta(Metric):
    """`functional.behaviour_delta` between the mean behaviour of a model and of people on the same trials.

    A model's behaviour on a trial is the mean over its n scanpaths. A part of `functional.behaviour` counts
    on those trials where both sides define it: `found` where there is a target, the fractions where neither
    side is empty. Empty scanpaths are counted in `undefined`.

    Example:
        >>> import torch
        >>> metric = BehaviourDelta()
        >>> model, human = torch.tensor([[[4, 4, 7, 4, 2, 1]]]), torch.tensor([[4, 4, 7, 4, 2]])
        >>> masks = torch.ones(1, 1, 6, dtype=bool), torch.ones(1, 5, dtype=bool)
        >>> metric.update(model, masks[0], human, masks[1], torch.tensor([2]))
        >>> metric.compute()
        tensor(0.3289, dtype=torch.float64)
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False

    model_sum: Tensor
    human_sum: Tensor
    count: Tensor
    undefined: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("model_sum", torch.zeros(len(PARTS), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("human_sum", torch.zeros(len(PARTS), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(len(PARTS), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("undefined", torch.tensor(0), dist_reduce_fx="sum")

    def update(
        self,
        model_objects: Tensor,
        model_mask: Tensor,
        human_objects: Tensor,
        human_mask: Tensor,
        target: Tensor,
    ) -> None:
        """Add B trials: objects [B, n, T] of the model, [B, T'] of people, bool masks, target [B] or -1."""
        check_trials(model_objects, human_objects)
        n = model_objects.shape[1]
        samples = behaviour(
            model_objects.flatten(0, 1), model_mask.flatten(0, 1), target.repeat_interleave(n)
        )
        model = samples.unflatten(0, model_objects.shape[:2]).nanmean(1)
        human = behaviour(human_objects, human_mask, target)
        both = ~(model.isnan() | human.isnan())
        self.model_sum = self.model_sum + torch.where(both, model, 0).sum(0)
        self.human_sum = self.human_sum + torch.where(both, human, 0).sum(0)
        self.count = self.count + both.sum(0)
        self.undefined = self.undefined + (~model_mask.any(-1)).sum() + (~human_mask.any(-1)).sum()

    def compute(self) -> Tensor:
        """The delta; NaN if a part is undefined, other than `found` in free viewing."""
        return behaviour_delta(*self._means())

    def means(self) -> tuple[Tensor, Tensor]:
        """Mean behaviour [5] of the model and of people, over all processes (call it on all of them)."""
        with self.sync_context():
            return self._means()

    def _means(self) -> tuple[Tensor, Tensor]:
        return self.model_sum / self.count, self.human_sum / self.count
