"""The mean of a quantity over those items for which it is defined, exact over batches and processes."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

__all__ = ["DefinedMean"]


class DefinedMean(Metric):
    """Sum and count as states; `undefined` counts what was left out because its value is NaN.

    The state that holds the sum is called by the class attribute `quantity`. It differs between metrics, as
    a MetricCollection lets metrics with equally named and, on the first batch, equal states share them.
    """

    quantity: str
    is_differentiable = False
    full_state_update = False

    count: Tensor
    undefined: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state(self.quantity, torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("undefined", torch.tensor(0), dist_reduce_fx="sum")

    def add_sums(self, total: Tensor, count: Tensor, undefined: Tensor) -> None:
        """Add the sum over defined items, their number, and the number of undefined ones."""
        setattr(self, self.quantity, getattr(self, self.quantity) + total)
        self.count = self.count + count
        self.undefined = self.undefined + undefined

    def add_trials(self, values: Tensor) -> None:
        """Add B trials, each the mean of the defined among its n values [B, n]; the others are counted."""
        trials = values.nanmean(1)
        self.add_sums(trials.nansum(), (~trials.isnan()).sum(), values.isnan().sum())

    def compute(self) -> Tensor:
        """The mean, NaN before anything defined was seen."""
        return getattr(self, self.quantity) / self.count
