"""Metrics that keep one value (or K parts of one) an item: an image, a trial, a pair of scanpaths, a voxel.

All items are kept, 8 (K + 2) bytes each, so that any number of processes gives exactly the value of one, any
grouping of the items can be averaged, and an interval comes from the same numbers.
"""

from __future__ import annotations

import itertools
from typing import Literal

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from gazekit.metrics.bootstrap import Interval, bootstrap_interval

__all__ = ["Aggregation", "ItemMetric"]

Aggregation = Literal["item", "weight", "group", "none"]
_INSTANCES = itertools.count()


class ItemMetric(Metric):
    """Items' values, and how they are put together.

    Subclasses set `parts`, the names of the K values of an item, where it has several.

    Args:
        aggregation: "item" = mean over items; "weight" = mean over what the items' values are means of (the
            fixations behind an image's NSS); "group" = mean over groups of their items' means (trials of an
            image, images of a task); "none" = all items.

    Undefined items (NaN) are left out of every mean and counted in `undefined`.
    """

    parts: tuple[str, ...] = ()
    is_differentiable = False
    full_state_update = False

    def __init__(self, aggregation: Aggregation = "item") -> None:
        super().__init__()
        if aggregation not in ("item", "weight", "group", "none"):
            raise ValueError(f"aggregation must be item, weight, group or none, got {aggregation!r}")
        self.aggregation = aggregation
        # Its own name for each instance: a MetricCollection lets metrics whose states have equal names and, on
        # the first batch, equal values share them.
        self._state = f"items_{next(_INSTANCES)}"
        self.add_state(self._state, [], dist_reduce_fx="cat")

    def add(self, values: Tensor, group: Tensor | None = None, weight: Tensor | None = None) -> None:
        """Add N items: values [N] or [N, K], integer groups [N] and weights [N] where they matter.

        Raises:
            ValueError: shapes that don't fit, or aggregation="group" without groups.
        """
        values = values.detach().double()
        values = values[:, None] if values.dim() == 1 else values
        if values.dim() != 2 or values.shape[1] != self._width:
            raise ValueError(f"values must have shape [N, {self._width}], got {list(values.shape)}")
        if group is None and self.aggregation == "group":
            raise ValueError("aggregation='group' needs the group of each item: update(..., group=ids)")
        columns = [values]
        for name, extra in (("group", group), ("weight", weight)):
            extra = torch.zeros(len(values)) if extra is None else torch.as_tensor(extra)
            if extra.shape != values.shape[:1]:
                raise ValueError(f"{name} must have shape [{len(values)}], got {list(extra.shape)}")
            columns.append(extra.to(values)[:, None])
        getattr(self, self._state).append(torch.cat(columns, 1))

    def compute(self) -> Tensor:
        """[] or [K] the mean over defined items; [N] or [N, K] with aggregation "none". NaN where undefined."""
        values = self._items()[:, : self._width]
        result = values if self.aggregation == "none" else self._ratio()
        return result if self.parts else result[..., 0]

    def interval(self, n_resamples: int = 2000, level: float = 0.95, seed: int = 0) -> Interval:
        """The mean with its percentile bootstrap interval; whole groups are drawn, or items without groups.

        Call it on all processes. See `bootstrap_interval`.
        """
        if self.aggregation == "none":
            raise ValueError("aggregation='none' has no mean to give an interval for")
        with self.sync_context():
            found = bootstrap_interval(*self._sums(), n_resamples=n_resamples, level=level, seed=seed)
        return found if self.parts else Interval(*(bound[0] for bound in found))

    @property
    def item_values(self) -> Tensor:
        """[N, K] values of all items of this process, NaN where undefined; K = 1 without parts."""
        return self._items()[:, : self._width]

    @property
    def undefined(self) -> Tensor:
        """[] or [K] number of items of this process (of all inside `sync_context`) whose value is NaN."""
        count = self._items()[:, : self._width].isnan().sum(0)
        return count if self.parts else count[0]

    @property
    def count(self) -> int:
        """Number of items, undefined ones included, of this process (of all inside `sync_context`)."""
        return len(self._items())

    @property
    def _width(self) -> int:
        return max(1, len(self.parts))

    def _items(self) -> Tensor:
        """[N, K + 2] values, group, weight."""
        rows = getattr(self, self._state)
        return dim_zero_cat(rows) if len(rows) else self._no_items()

    def _no_items(self) -> Tensor:
        return torch.zeros(0, self._width + 2, dtype=torch.float64, device=self.device)

    def _ratio(self) -> Tensor:
        top, bottom = self._sums()
        return top.sum(0) / bottom.sum(0)

    def _sums(self) -> tuple[Tensor, Tensor]:
        """[G, K] numerators and denominators, whose sums' ratio is the value; G groups, or items."""
        items = self._items()
        values, group, weight = items[:, : self._width], items[:, -2], items[:, -1:]
        defined = ~values.isnan()
        share = defined.to(items) * (weight if self.aggregation == "weight" else 1.0)
        top, bottom = torch.where(defined, values * share, 0.0), share
        if not len(items) or not (group != group[0]).any():
            if self.aggregation != "group":
                return top, bottom
        names, index = group.unique(return_inverse=True)
        sums = [torch.zeros(len(names), self._width).to(items).index_add_(0, index, x) for x in (top, bottom)]
        if self.aggregation == "group":
            return torch.where(sums[1] > 0, sums[0] / sums[1], 0.0), (sums[1] > 0).to(items)
        return sums[0], sums[1]

    def _sync_dist(self, *args, **kwargs) -> None:
        # torchmetrics puts a float32 vector in for a process that has no items, which does not fit ours
        if not len(getattr(self, self._state)):
            setattr(self, self._state, [self._no_items()])
        super()._sync_dist(*args, **kwargs)
