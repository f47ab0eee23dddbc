"""From the values of single comparisons to means with intervals."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from gazekit.metrics.bootstrap import bootstrap_interval
from gazekit.metrics.ceiling.table import Score
from gazekit.metrics.item_metric import ItemMetric

__all__ = ["every_item", "mean_by", "scores_of", "update"]


def every_item(metric: ItemMetric) -> ItemMetric:
    """A copy that starts empty and keeps all items apart."""
    metric = metric.clone()
    metric.reset()
    metric.aggregation = "none"
    return metric


def update(metrics: Mapping[str, ItemMetric], inputs: Mapping) -> None:
    """Update each metric by those of the inputs that it takes."""
    for metric in metrics.values():
        metric.update(**metric._filter_kwargs(**inputs))


def mean_by(row: Tensor, values: Tensor, count: int) -> Tensor:
    """[count, K] means of the defined among values [P, K] by row [P]."""
    defined = ~values.isnan()
    sums = values.new_zeros(count, values.shape[1]).index_add_(0, row, torch.where(defined, values, 0.0))
    number = torch.zeros_like(sums).index_add_(0, row, defined.to(values))
    return sums / number


def scores_of(
    name: str, metric: ItemMetric, values: Tensor, group: Tensor, options: dict
) -> dict[str, Score]:
    """Columns of one metric: means over scanpaths, intervals by drawing groups."""
    defined = ~values.isnan()
    shape = (int(group.max()) + 1, values.shape[1])
    top, bottom = (
        torch.zeros(shape, dtype=torch.float64).index_add_(0, group, x)
        for x in (torch.where(defined, values, 0.0), defined.double())
    )
    interval = bootstrap_interval(top, bottom, **options)
    columns = [f"{name}.{part}" for part in metric.parts] or [name]
    n = defined.sum(0).tolist()
    return {
        column: Score(*(float(bound[k]) for bound in interval), n[k], len(values) - n[k])
        for k, column in enumerate(columns)
    }
