"""Metrics that keep rows: all that their value is made of, so that any number of processes gives exactly the value
of one. Areas under curves of ranks and lines through means need all rows at once; means over items can be
taken in any grouping, with an interval.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from gazekit.metrics.renamed import AcceptsOldNames

__all__ = ["RowsMetric"]


class RowsMetric(AcceptsOldNames, Metric):
    """Keeps tables of float64 rows, which `.to(dtype)`, `.half()` and `set_dtype` leave as they are.

    Args:
        tables: name to number of columns.
    """

    is_differentiable = False
    full_state_update = False

    def __init__(self, **tables: int) -> None:
        super().__init__()
        self._columns = tables
        for name in tables:
            self.add_state(name, [], dist_reduce_fx="cat")
        # A MetricCollection lets metrics share their states when these have equal names and, on the first batch,
        # values close to one another. Rows of different metrics may be that; NaN is close to nothing.
        self.add_state("unshared", torch.tensor(torch.nan), dist_reduce_fx="sum")

    def add_rows(self, name: str, rows: Tensor) -> None:
        """Append [N, columns] to the table `name`."""
        getattr(self, name).append(rows.detach().to(self.no_rows(name).dtype))

    def rows(self, name: str) -> Tensor:
        """[N, columns] of this process (of all inside `sync_context`)."""
        parts = getattr(self, name)
        return dim_zero_cat(parts) if len(parts) else self.no_rows(name)

    def no_rows(self, name: str) -> Tensor:
        """[0, columns], the table `name` while it is empty."""
        return torch.zeros(0, self._columns[name], dtype=torch.float64, device=self.device)

    def _sync_dist(self, *args, **kwargs) -> None:
        # torchmetrics puts a float32 vector in for a process that has no rows, which does not fit ours
        for name in self._columns:
            if not len(getattr(self, name)):
                setattr(self, name, [self.no_rows(name)])
        super()._sync_dist(*args, **kwargs)

    def _apply(self, fn: Callable[[Tensor], Tensor], *args, **kwargs) -> Metric:
        # rows go to other devices, but never to another precision
        return super()._apply(lambda rows: rows.to(fn(rows.new_zeros(0)).device), *args, **kwargs)
