"""Metrics whose value needs all rows at once, as it is no mean of the rows' own values: an area under a curve of
ranks, a line through means.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

__all__ = ["RowsMetric"]

_INSTANCES = itertools.count()


class RowsMetric(Metric):
    """Keeps tables of float64 rows, so that any number of processes gives exactly the value of one.

    Args:
        tables: name to number of columns.
    """

    is_differentiable = False
    full_state_update = False

    def __init__(self, **tables: int) -> None:
        super().__init__()
        # Its own names for each instance: a MetricCollection lets metrics whose states have equal names and, on
        # the first batch, equal values share them.
        number = next(_INSTANCES)
        self._states = {name: (f"{name}_{number}", columns) for name, columns in tables.items()}
        for state, _ in self._states.values():
            self.add_state(state, [], dist_reduce_fx="cat")

    def add_rows(self, name: str, rows: Tensor) -> None:
        """Append [N, columns] to the table `name`."""
        getattr(self, self._states[name][0]).append(rows.detach().double())

    def rows(self, name: str) -> Tensor:
        """[N, columns] of this process (of all inside `sync_context`)."""
        state, columns = self._states[name]
        parts = getattr(self, state)
        return dim_zero_cat(parts) if len(parts) else self._no_rows(columns)

    def _no_rows(self, columns: int) -> Tensor:
        return torch.zeros(0, columns, dtype=torch.float64, device=self.device)

    def _sync_dist(self, *args, **kwargs) -> None:
        # torchmetrics puts a float32 vector in for a process that has no rows, which does not fit ours
        for state, columns in self._states.values():
            if not len(getattr(self, state)):
                setattr(self, state, [self._no_rows(columns)])
        super()._sync_dist(*args, **kwargs)
