"""How well raters agree, under any metric that compares two annotations of one item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Literal

import torch
from torch import Tensor

from gazekit.metrics.ceiling.people import numbered
from gazekit.metrics.ceiling.predictors import from_other_groups, others_of
from gazekit.metrics.ceiling.scores import Items, comparisons_of, every_item, scores_of
from gazekit.metrics.ceiling.table import Ceiling, Comparisons
from gazekit.metrics.functional.arguments import ArrayLike, as_tensor
from gazekit.metrics.item_metric import ItemMetric
from gazekit.metrics.score import Score

__all__ = ["rater_ceiling"]

_PAIRS_AT_ONCE = 1000


def rater_ceiling(
    annotations: ArrayLike,
    item: Sequence,
    rater: Sequence,
    metrics: Mapping[str, ItemMetric],
    predictions: Mapping[str, ArrayLike] | None = None,
    unit: Literal["item", "rater"] = "item",
    draws: int = 10,
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Ceiling:
    """Score raters by one another, by what they said of other items, and models by raters.

    Rows: each model; "raters, leave one out" (the mean over all other raters of the item); "other items"
    (annotations of random other items: what is possible without looking at the item). For masks (Dice, IoU), directions
    (angular error), maps (CC): any metric whose `update` takes two annotations, the predicted and the true one.

    Args:
        annotations: [M, ...] what a rater said of an item.
        item: [M] name or number of the item of each; `rater` [M] who said it.
        metrics: name to metric, whose own accumulated state and aggregation don't matter.
        predictions: name of a model to its predictions [M, ...], for the item of each annotation.
        unit: what the bootstrap draws.
        draws: annotations of other items drawn for each.
        n_resamples: bootstrap draws; `level` of the intervals.
        seed: of everything random.
    Returns:
        A `Ceiling`; an entry without any defined annotation is NaN.
    Raises:
        TypeError: a metric that does not take two annotations.
        ValueError: numbers of annotations, items and raters differ; an unknown unit.
    """
    annotations = as_tensor("annotations", annotations)
    count = len(annotations)
    items, item_row = numbered("item", item, count)
    raters, rater_row = numbered("rater", rater, count)
    if unit not in ("item", "rater"):
        raise ValueError(f"unit must be 'item' or 'rater', got {unit!r}")
    for name, metric in metrics.items():
        if not isinstance(metric, ItemMetric) or len(signature(metric.update).parameters) < 2:
            raise TypeError(f"metric {name!r} ({type(metric).__name__}) does not compare two annotations")
    taken = [name for name in predictions or {} if name in ("raters, leave one out", "other items")]
    if taken:
        raise ValueError(
            f"a model is named {taken[0]!r}, as one of the rows that are always there: rename it"
        )
    if draws < 1:
        raise ValueError(f"draws must be at least 1, got {draws}")
    sources = _models(predictions or {}, annotations) | _raters(annotations, item_row, draws, seed)
    options = {"n_resamples": n_resamples, "level": level, "seed": seed}
    group = item_row if unit == "item" else rater_row
    rows: dict[str, dict[str, Score]] = {}
    comparisons: Comparisons = {}
    for row, (truth, predictor, pool) in sources.items():
        rows[row], comparisons[row] = {}, {}
        for name, metric in metrics.items():
            found = Items.by(truth, _compare(metric, pool, predictor, annotations, truth), count)
            rows[row] |= scores_of(name, metric, [found], group, options)
            comparisons[row] |= comparisons_of(name, metric, [found])
    facts = {"annotations": count, "items": len(items), "raters": len(raters), "unit": unit}
    facts |= {"level": level, "resamples": n_resamples, "draws": draws, "seed": seed}
    return Ceiling(rows, comparisons, facts)


Pairs = tuple[Tensor, Tensor, Tensor]
"""truth [P] rows of the annotations, predictor [P] rows of a pool, the pool."""


def _models(predictions: Mapping[str, ArrayLike], annotations: Tensor) -> dict[str, Pairs]:
    rows = torch.arange(len(annotations))
    found = {}
    for name, given in predictions.items():
        pool = as_tensor(f"predictions of {name!r}", given)
        if len(pool) != len(annotations):
            raise ValueError(f"model {name!r} has {len(pool)} predictions for {len(annotations)} annotations")
        found[name] = (rows, rows, pool)
    return found


def _raters(annotations: Tensor, item_row: Tensor, draws: int, seed: int) -> dict[str, Pairs]:
    truth = torch.arange(len(annotations)).repeat_interleave(draws if item_row.max() else 0)
    elsewhere = from_other_groups(item_row, truth, torch.Generator().manual_seed(seed))
    return {
        "raters, leave one out": (*others_of(item_row), annotations),
        "other items": (truth, elsewhere, annotations),
    }


def _compare(
    metric: ItemMetric, pool: Tensor, predictor: Tensor, annotations: Tensor, truth: Tensor
) -> Tensor:
    """[P, K] values of all pairs."""
    metric = every_item(metric)
    for part in torch.arange(len(truth)).split(_PAIRS_AT_ONCE):
        metric.update(pool[predictor[part]], annotations[truth[part]])
    return metric.item_values
