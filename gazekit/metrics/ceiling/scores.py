"""From the values of single comparisons to means with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from gazekit.metrics.bootstrap import bootstrap_interval
from gazekit.metrics.item_metric import ItemMetric
from gazekit.metrics.score import Score

__all__ = ["Items", "comparisons_of", "every_item", "scores_of", "update"]


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


class Items(NamedTuple):
    """What a metric says of M people: `means` [M, K] over each one's comparisons; NaN without any defined.

    `comparisons` is the number of these, `undefined` [K] how many have no value.
    """

    means: Tensor
    comparisons: int
    undefined: Tensor

    @classmethod
    def by(cls, row: Tensor, values: Tensor, count: int) -> Items:
        """From values [P, K] of comparisons, each of which is about the person `row` [P]."""
        defined = ~values.isnan()
        sums = values.new_zeros(count, values.shape[1]).index_add_(0, row, torch.where(defined, values, 0.0))
        number = torch.zeros_like(sums).index_add_(0, row, defined.to(values))
        return cls(sums / number, len(values), (~defined).sum(0))


def scores_of(
    name: str, metric: ItemMetric, found: list[Items], group: Tensor, options: dict
) -> dict[str, Score]:
    """Columns of one metric: means over scanpaths and over all parts (splits) of a row; groups are drawn."""
    values = torch.stack([items.means for items in found]).nanmean(0)  # [M, K]
    defined = ~values.isnan()
    shape = (int(group.max()) + 1, values.shape[1])
    top, bottom = (
        torch.zeros(shape, dtype=torch.float64).index_add_(0, group, x)
        for x in (torch.where(defined, values, 0.0), defined.double())
    )
    interval = bootstrap_interval(top, bottom, **options)
    n = defined.sum(0).tolist()
    return {
        column: Score.of((bound[k] for bound in interval), n[k], len(values) - n[k])
        for k, column in enumerate(_columns(name, metric))
    }


def comparisons_of(name: str, metric: ItemMetric, found: list[Items]) -> dict[str, tuple[int, int]]:
    """For each column of one metric the number of comparisons and how many of them have no value."""
    total = sum(items.comparisons for items in found)
    undefined = sum(items.undefined for items in found).tolist()
    return {column: (total, k) for column, k in zip(_columns(name, metric), undefined, strict=True)}


def _columns(name: str, metric: ItemMetric) -> list[str]:
    return [f"{name}.{part}" for part in metric.parts] or [name]
