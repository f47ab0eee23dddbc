"""Metrics that compare a model's scanpaths with people's."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gazekit.metrics.item_metric import Aggregation, ItemMetric
from gazekit.scanpath import Scanpaths, ScanpathsLike

__all__ = ["PairMetric", "SizedPairMetric"]


class PairMetric(ItemMetric):
    """Mean of `function` over a model's and people's scanpaths of each trial, then over trials.

    Subclasses set `function`, whose first two arguments are scanpaths and which returns a value, or as many as
    `parts` names, a pair. Pairs without a value are left out of a trial's mean; a trial without any is counted
    in `undefined`.
    """

    function: Callable[..., Tensor]

    def __init__(self, aggregation: Aggregation = "item", **settings) -> None:
        super().__init__(aggregation)
        self.settings = settings

    def update(self, model: ScanpathsLike, human: ScanpathsLike, group: Tensor | None = None) -> None:
        """Add B trials.

        Args:
            model: B scanpaths, or [B, n, T] for n of each trial.
            human: B scanpaths, or [B, m, T] for m people, all n x m pairs of whom are compared.
            group: [B] integer ids of the images (subjects, tasks) that the trials belong to.
        """
        self.add_pairs(model, human, group)

    def add_pairs(
        self, model: ScanpathsLike, human: ScanpathsLike, group: Tensor | None, *facts: Tensor
    ) -> None:
        """The same with facts [B, F] or [F] about the trials, which `function` takes behind the scanpaths."""
        model, human = Scanpaths.of(model, "model"), Scanpaths.of(human, "human")
        if not 1 <= len(model.shape) <= 2 or not 1 <= len(human.shape) <= 2 or len(model) != len(human):
            raise ValueError(
                "model and human must hold equally many trials, [B, T] or [B, n, T], got leading shapes "
                f"{list(model.shape)} and {list(human.shape)}"
            )
        model = model[:, :, None] if len(model.shape) == 2 else model[:, None, None]
        human = human[:, None] if len(human.shape) == 2 else human[:, None, None]
        facts = tuple(fact[:, None, None] if fact.dim() == 2 else fact for fact in facts)
        scores = type(self).function(model, human, *facts, **self.settings)  # [B, n, m] or [B, n, m, K]
        self.add(scores.flatten(1, 2).nanmean(1), group)


class SizedPairMetric(PairMetric):
    """A `PairMetric` whose `function` needs the size of the picture too."""

    def update(
        self,
        model: ScanpathsLike,
        human: ScanpathsLike,
        size_px: Tensor | tuple[float, float],
        group: Tensor | None = None,
    ) -> None:
        """Add B trials, as `PairMetric.update`.

        Args:
            size_px: (width, height) of the pictures, one for all or [B, 2].
        """
        self.add_pairs(model, human, group, torch.as_tensor(size_px))
