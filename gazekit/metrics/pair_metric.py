"""Metrics that compare a model's scanpaths with people's."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, reals
from gazekit.metrics.item_metric import Aggregation, ItemMetric
from gazekit.metrics.panels import panel
from gazekit.scanpath import ScanpathsLike

__all__ = ["PairMetric", "SizedPairMetric"]


class PairMetric(ItemMetric):
    """Mean of `function` over a model's and people's scanpaths of each trial, then over trials.

    Subclasses set `function`, whose first two arguments are scanpaths and which returns a value, or as many as
    `parts` names, a pair. Pairs without a value are left out of a trial's mean; a trial without any is counted
    in `undefined`. Trials have no weights, so there is no aggregation "weight".
    """

    function: Callable[..., Tensor]

    def __init__(self, aggregation: Aggregation = "item", **settings) -> None:
        if aggregation == "weight":
            raise ValueError(
                "items are trials, which have no weights: aggregation must be item, group or none"
            )
        super().__init__(aggregation)
        self.settings = settings

    def update(self, model: ScanpathsLike, human: ScanpathsLike, group: ArrayLike | None = None) -> None:
        """Add B trials.

        Trials may have different numbers of scanpaths: in a padded [B, n, T], one without fixations is
        padding, and its pairs are left out. In [B, T] and in lists it is an empty scanpath, which is compared.

        Args:
            model: B scanpaths, or [B, n, T] for n of each trial, or B lists of n_i scanpaths.
            human: B scanpaths, or [B, m, T] for m people, all n x m pairs of whom are compared, or B lists. Lists
                that are all empty, [[], []], are B empty scanpaths.
            group: [B] integer ids of the images (subjects, tasks) that the trials belong to.
        """
        self.add_pairs(model, human, group)

    def add_pairs(
        self, model: ScanpathsLike, human: ScanpathsLike, group: ArrayLike | None, *facts: Tensor
    ) -> None:
        """The same with facts [B, F] or [F] about the trials, which `function` takes behind the scanpaths."""
        (model, runs), (human, people) = panel("model", model), panel("human", human)
        if len(model) != len(human):
            raise ValueError(
                "model and human must hold equally many trials, [B, T] or [B, n, T], got leading shapes "
                f"{list(model.shape)} and {list(human.shape)}"
            )
        facts = tuple(fact[:, None, None] if fact.dim() == 2 else fact for fact in facts)
        # [B, n, m] or [B, n, m, K]
        scores = type(self).function(model[:, :, None], human[:, None], *facts, **self.settings)
        absent = ~(runs[:, :, None] & people[:, None].to(runs.device))
        absent = absent.reshape(absent.shape + (1,) * (scores.dim() - 3)).to(scores.device)
        self.add(scores.masked_fill(absent, torch.nan).flatten(1, 2).nanmean(1), group)


class SizedPairMetric(PairMetric):
    """A `PairMetric` whose `function` needs the size of the picture too."""

    def update(
        self,
        model: ScanpathsLike,
        human: ScanpathsLike,
        size_px: ArrayLike | tuple[float, float],
        group: ArrayLike | None = None,
    ) -> None:
        """Add B trials, as `PairMetric.update`.

        Args:
            size_px: (width, height) of the pictures, one for all or [B, 2].
        """
        self.add_pairs(model, human, group, reals("size_px", size_px, 2))
