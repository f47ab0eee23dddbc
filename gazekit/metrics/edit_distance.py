"""Edit distance over trials."""

from __future__ import annotations

from torch import Tensor

from gazekit.metrics.defined_mean import DefinedMean
from gazekit.metrics.functional.arguments import check_trials
from gazekit.metrics.functional.edit_distance import edit_distance

__all__ = ["EditDistance"]


class EditDistance(DefinedMean):
    """Mean `functional.edit_distance` between a model's n scanpaths and the human one, averaged over trials.

    Example:
        >>> import torch
        >>> metric = EditDistance()
        >>> model, human = torch.tensor([[[4, 7, 2], [4, 4, 2]]]), torch.tensor([[4, 7, 2]])
        >>> metric.update(model, torch.ones(1, 2, 3, dtype=bool), human, torch.ones(1, 3, dtype=bool))
        >>> metric.compute()
        tensor(0.5000, dtype=torch.float64)
    """

    quantity = "edits"
    higher_is_better = False

    def update(
        self, model_objects: Tensor, model_mask: Tensor, human_objects: Tensor, human_mask: Tensor
    ) -> None:
        """Add B trials: objects [B, n, T] of the model and [B, T'] of people, with bool masks."""
        check_trials(model_objects, human_objects)
        self.add_trials(edit_distance(model_objects, human_objects[:, None], model_mask, human_mask[:, None]))
