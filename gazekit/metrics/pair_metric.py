"""Metrics that compare a model's scanpaths with people's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, reals
from gazekit.metrics.item_metric import Aggregation, ItemMetric
from gazekit.scanpath import Scanpath, Scanpaths, ScanpathsLike

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

        Trials may have different numbers of scanpaths: in [B, n, T], one without fixations stands for nobody, and
        its pairs are left out. One of [B, T] without fixations is somebody's empty scanpath, which is compared.

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
        model, human = _trials("model", model), _trials("human", human)
        if not 1 <= len(model.shape) <= 2 or not 1 <= len(human.shape) <= 2 or len(model) != len(human):
            raise ValueError(
                "model and human must hold equally many trials, [B, T] or [B, n, T], got leading shapes "
                f"{list(model.shape)} and {list(human.shape)}"
            )
        absent = _absent(model)[:, :, None] | _absent(human)[:, None]
        model = model[:, :, None] if len(model.shape) == 2 else model[:, None, None]
        human = human[:, None] if len(human.shape) == 2 else human[:, None, None]
        facts = tuple(fact[:, None, None] if fact.dim() == 2 else fact for fact in facts)
        scores = type(self).function(model, human, *facts, **self.settings)  # [B, n, m] or [B, n, m, K]
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


def _absent(paths: Scanpaths) -> Tensor:
    """[B, n], True where a panel has nobody; [B, 1] all False for B scanpaths alone."""
    empty = ~paths.mask.any(-1)
    return empty if empty.dim() == 2 else torch.zeros_like(empty)[:, None]


def _trials(name: str, paths: ScanpathsLike) -> Scanpaths:
    """[B, T], or [B, n, T], which lists of lists are padded to."""
    if not isinstance(paths, list | tuple) or _depth(paths) != 4:
        return Scanpaths.of(paths, name)
    for i, trial in enumerate(paths):
        depths = [_depth(path) for path in trial]
        if any(
            depth != 2 and not (depth == 1 and not len(path))
            for depth, path in zip(depths, trial, strict=True)
        ):
            raise ValueError(f"{name}[{i}] must be a list of scanpaths, as those of other trials are")
    flat = Scanpaths.of([path for trial in paths for path in trial], f"{name}, all trials in a row,")
    counts = torch.tensor([len(trial) for trial in paths])
    place = (torch.arange(int(counts.max())) < counts[:, None]).to(flat.mask.device)

    def spread(values: Tensor) -> Tensor:
        return values.new_zeros((*place.shape, *values.shape[1:])).masked_scatter(
            place.reshape(place.shape + (1,) * (values.dim() - 1)), values
        )

    duration = None if flat.duration_ms is None else spread(flat.duration_ms)
    return Scanpaths(spread(flat.xy_px), spread(flat.mask), duration)


def _depth(nested: Sequence | np.ndarray | Tensor | Scanpath | float) -> int:
    """Number of dimensions: 2 for a scanpath, 3 for a list of scanpaths, 4 for a list of such lists."""
    if isinstance(nested, list | tuple):
        if nested and isinstance(nested[0], int | float):
            return 1
        return 1 + max(map(_depth, nested), default=0)
    return 2 if isinstance(nested, Scanpath) else np.ndim(nested)
