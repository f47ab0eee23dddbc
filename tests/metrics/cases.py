"""One case a metric for the harness of `test_classes.py`.

A case makes the inputs of one batch from a seed and computes the value of several batches from the
functional form, all at once and independently of the class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torchmetrics import Metric

__all__ = ["Batch", "Case"]

Batch = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """`make` makes the metric; `may_be_undefined` says that the batches hold undefined items."""

    make: Callable[[], Metric]
    batch: Callable[[int], Batch]
    expected: Callable[[list[Batch]], Tensor]
    may_be_undefined: bool = True

    def batches(self, count: int) -> list[Batch]:
        return [self.batch(seed) for seed in range(count)]

    def update(self, metric: Metric, batch: Batch) -> None:
        metric.update(**metric._filter_kwargs(**batch))
