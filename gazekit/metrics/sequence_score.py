"""Sequence score over trials."""

from __future__ import annotations

from torch import Tensor

from gazekit.metrics.defined_mean import DefinedMean
from gazekit.metrics.functional.arguments import check_trials
from gazekit.metrics.functional.sequence_score import sequence_score

__all__ = ["SequenceScore"]


class SequenceScore(DefinedMean):
    """Mean `functional.sequence_score` between a model's n scanpaths and the human one, averaged over trials.

    Pairs of two empty scanpaths are left out and counted in `undefined`.

    Example:
        >>> import torch
        >>> metric = SequenceScore()
        >>> model, human = torch.tensor([[[4, 7, 2], [4, 4, 2]]]), torch.tensor([[4, 7, 2]])
        >>> metric.update(model, torch.ones(1, 2, 3, dtype=bool), human, torch.ones(1, 3, dtype=bool))
        >>> metric.compute()
        tensor(0.8333, dtype=torch.float64)
    """

    quantity = "score"
    higher_is_better = True

    def update(
        self, model_objects: Tensor, model_mask: Tensor, human_objects: Tensor, human_mask: Tensor
    ) -> None:
        """Add B trials: objects [B, n, T] of the model and [B, T'] of people, with bool masks."""
        check_trials(model_objects, human_objects)
        self.add_trials(
            sequence_score(model_objects, human_objects[:, None], model_mask, human_mask[:, None])
        )
