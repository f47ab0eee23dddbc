"""Sequence score over trials."""

from __future__ import annotations

from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, check_trials, where_present
from gazekit.metrics.functional.sequence_score import sequence_score
from gazekit.metrics.item_metric import ItemMetric

__all__ = ["SequenceScore"]


class SequenceScore(ItemMetric):
    """Mean `functional.sequence_score` between a model's n scanpaths and the human one, averaged over trials.

    Pairs of two empty scanpaths are left out of a trial's mean; a trial without any other pair is counted in
    `undefined`.

    Args:
        aggregation: as `ItemMetric`; trials have no weights.

    Example:
        >>> import torch
        >>> metric = SequenceScore()
        >>> model, human = torch.tensor([[[4, 7, 2], [4, 4, 2]]]), torch.tensor([[4, 7, 2]])
        >>> metric.update(model, torch.ones(1, 2, 3, dtype=bool), human, torch.ones(1, 3, dtype=bool))
        >>> metric.compute()
        tensor(0.8333, dtype=torch.float64)
    """

    higher_is_better = True

    def update(
        self,
        model_objects: Tensor,
        model_mask: Tensor,
        human_objects: Tensor,
        human_mask: Tensor,
        group: ArrayLike | None = None,
        model_present: Tensor | None = None,
    ) -> None:
        """Add B trials.

        Args:
            model_objects: [B, n, T] object ids that n scanpaths of the model fixate on each trial.
            model_mask: [B, n, T] bool, True = valid; padding at the end.
            human_objects: [B, T'] object ids that the person fixated; `human_mask` [B, T'] likewise.
            group: [B] integer ids of the images (subjects) that the trials belong to.
            model_present: [B, n] bool, which of the n scanpaths exist, where trials differ in number; None = all.
        """
        check_trials(model_objects, human_objects)
        scores = sequence_score(model_objects, human_objects[:, None], model_mask, human_mask[:, None])
        self.add(where_present(scores, model_present).nanmean(1), group)
