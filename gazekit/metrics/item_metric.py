"""Metrics that keep one value (or K parts of one) an item: an image, a trial, a pair of scanpaths, a voxel.

All items are kept, 8 (K + 2) bytes each (8 less without groups, and without weights), so that any number of
processes gives exactly the value of one, any grouping of the items can be averaged, and an interval comes from the
same numbers.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from gazekit.metrics.bootstrap import bootstrap_interval
from gazekit.metrics.functional.arguments import ArrayLike
from gazekit.metrics.functional.arguments import values as real_values
from gazekit.metrics.grouped_metric import GroupedMetric
from gazekit.metrics.score import Score

__all__ = ["Aggregation", "ItemMetric"]

Aggregation = Literal["item", "weight", "group", "none"]


class ItemMetric(GroupedMetric):
    """Items' values, and how they are put together.

    Subclasses set `parts`, the names of the K values of an item, where it has several.

    Args:
        aggregation: "item" = mean over items; "weight" = mean over what the items' values are means of (the
            fixations behind an image's NSS); "group" = mean over groups of their items' means (trials of an
            image, images of a task); "none" = all items.

    Undefined items (NaN) are left out of every mean and counted in `undefined`.
    """

    parts: tuple[str, ...] = ()

    def __init__(self, aggregation: Aggregation = "item") -> None:
        super().__init__("items", items=1, weights=1)
        if aggregation not in ("item", "weight", "group", "none"):
            raise ValueError(f"aggregation must be item, weight, group or none, got {aggregation!r}")
        self.aggregation = aggregation

    def add(self, values: Tensor, group: ArrayLike | None = None, weight: ArrayLike | None = None) -> None:
        """Add N items: values [N] or [N, K], integer groups [N] and weights [N] where they matter.

        Either all items have a group or none has; so with weights.

        Raises:
            TypeError: groups that are not integers, weights that are no real numbers.
            ValueError: shapes that don't fit, negative or infinite weights, groups (weights) of some items only,
                or aggregation="group" ("weight") without any.
        """
        values = values[:, None] if values.dim() == 1 else values
        if values.dim() != 2 or values.shape[1] != self._width:
            raise ValueError(f"values must have shape [N, {self._width}], got {list(values.shape)}")
        weight = None if weight is None else _weights(weight)
        for name, fact in (("group", group), ("weight", weight)):
            if fact is None and self.aggregation == name:
                raise ValueError(
                    f"aggregation={name!r} needs the {name} of each item, which this update did not give"
                )
        self.check_fact("weight", weight, len(values))
        self.add_grouped(values, group)
        if weight is not None:
            self.add_rows("weights", weight.to(values.device)[:, None])

    def no_rows(self, name: str) -> Tensor:
        if name == "items":  # subclasses may set `parts` after the constructor
            return torch.zeros(0, self._width, dtype=torch.float64, device=self.device)
        return super().no_rows(name)

    def compute(self) -> Tensor:
        """[] or [K] the mean over defined items; [N] or [N, K] with aggregation "none". NaN where undefined."""
        result = self.item_values if self.aggregation == "none" else self._ratio()
        return result if self.parts else result[..., 0]

    def interval(
        self, n_resamples: int = 2000, level: float = 0.95, seed: int = 0
    ) -> Score | dict[str, Score]:
        """The mean with its percentile bootstrap interval: a `Score`, or one for each of the `parts`.

        The bootstrap draws whole groups, or single items if there are no groups. `n` counts the items with a
        value, `undefined` those without.

        Call it on all processes. There is no interval (NaN) where fewer than two groups (items) have a value. See
        `bootstrap_interval`.

        Raises:
            ValueError: aggregation "none"; level or n_resamples out of range.
        """
        if self.aggregation == "none":
            raise ValueError("aggregation='none' has no mean to give an interval for")
        with self.sync_context():
            found = bootstrap_interval(*self._sums(), n_resamples=n_resamples, level=level, seed=seed)
            undefined = self.item_values.isnan().sum(0).tolist()
            count = self.count
        scores = [
            Score.of(bounds, count - left_out, left_out)
            for *bounds, left_out in zip(*found, undefined, strict=True)
        ]
        return dict(zip(self.parts, scores, strict=True)) if self.parts else scores[0]

    @property
    def item_values(self) -> Tensor:
        """[N, K] values of all items of this process, NaN where undefined; K = 1 without parts."""
        return self.rows("items")

    @property
    def undefined(self) -> Tensor:
        """[] or [K] number of items of this process (of all inside `sync_context`) whose value is NaN."""
        count = self.item_values.isnan().sum(0)
        return count if self.parts else count[0]

    @property
    def _width(self) -> int:
        return max(1, len(self.parts))

    def _ratio(self) -> Tensor:
        top, bottom = self._sums()
        return top.sum(0) / bottom.sum(0)

    def _sums(self) -> tuple[Tensor, Tensor]:
        """[G, K] numerators and denominators, whose sums' ratio is the value; G groups, or items without groups."""
        values = self.item_values
        defined = ~values.isnan()
        share = defined.to(values)
        if self.aggregation == "weight":
            weight = self.fact("weight")
            share = share * (weight if weight is not None else share.new_zeros(0))[:, None]
        top, bottom = torch.where(defined, values * share, 0.0), share
        if self.fact("group") is None:
            return top, bottom
        unit, count = self.units()
        top, bottom = (values.new_zeros(count, self._width).index_add_(0, unit, x) for x in (top, bottom))
        if self.aggregation == "group":
            return torch.where(bottom > 0, top / bottom, 0.0), (bottom > 0).to(values)
        return top, bottom


def _weights(weight: ArrayLike) -> Tensor:
    """[N] float64."""
    weight = torch.atleast_1d(real_values("weight", weight))
    if not ((weight >= 0) & weight.isfinite()).all():
        raise ValueError(f"weight must be finite and at least 0, got {weight.tolist()}")
    return weight
