"""Metrics of maps: an item is an image with its fixations."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike
from gazekit.metrics.functional.fixated import fixated_pixels
from gazekit.metrics.functional.maps import as_map
from gazekit.metrics.item_metric import Aggregation, ItemMetric
from gazekit.scanpath import ScanpathsLike

__all__ = ["ConditionalMetric", "FixationMapMetric", "MapMetric", "MapPairMetric"]


class MapMetric(ItemMetric):
    """`function` with `settings`, its values an image put together."""

    function: Callable[..., Tensor]

    def __init__(self, aggregation: Aggregation = "item", **settings) -> None:
        super().__init__(aggregation)
        self.settings = settings

    def add_images(self, values: Tensor, group: ArrayLike | None, weight: ArrayLike | None) -> None:
        """Values, groups and weights of B images, or of one without a leading dimension."""
        group, weight = (
            None if fact is None else torch.as_tensor(fact).reshape(-1) for fact in (group, weight)
        )
        self.add(values.reshape(-1), group, weight)


class FixationMapMetric(MapMetric):
    """Maps read at fixations; the number of an image's fixations is its weight."""

    def update(self, saliency: ArrayLike, fixations: ScanpathsLike, group: ArrayLike | None = None) -> None:
        """Add B images of one size, or one image. Images of other sizes go to a call of their own.

        Args:
            saliency: [B, H, W] or [H, W] maps.
            fixations: those on each image, [B, T] or [T]; see `Scanpaths.of`.
            group: [B] integer ids of what the images belong to (tasks, subjects).
        """
        self.add_fixations(saliency, fixations, group, saliency, fixations)

    def add_fixations(
        self, maps: ArrayLike, fixations: ScanpathsLike, group: ArrayLike | None, *arguments
    ) -> None:
        """The same for a `function` of other `arguments`."""
        values = type(self).function(*arguments, **self.settings)
        _, mask = fixated_pixels(fixations, as_map("saliency", maps), self.settings["on_outside"])
        self.add_images(values, group, mask.sum(-1))


class MapPairMetric(MapMetric):
    """Two maps of the same image."""

    def update(
        self,
        saliency: ArrayLike,
        empirical_density: ArrayLike,
        group: ArrayLike | None = None,
        weight: ArrayLike | None = None,
    ) -> None:
        """Add B images of one size, or one image.

        Args:
            saliency: [B, H, W] or [H, W] maps.
            density: those of the fixations, `functional.fixation_density`.
            group: [B] integer ids of what the images belong to.
            weight: [B] numbers of fixations behind each density, for aggregation="weight".
        """
        if weight is None and self.aggregation == "weight":
            raise ValueError(
                "aggregation='weight' needs the weight of each image: update(..., weight=counts)"
            )
        self.add_images(type(self).function(saliency, empirical_density, **self.settings), group, weight)


class ConditionalMetric(ItemMetric):
    """Single fixations, each scored by the map that predicted it: an item is a fixation."""

    function: Callable[..., Tensor]

    def __init__(self, aggregation: Aggregation = "item", **settings) -> None:
        if aggregation == "weight":
            raise ValueError("items are fixations, which have no weights: aggregation='item' is their mean")
        super().__init__(aggregation)
        self.settings = settings

    def update(self, saliency: ArrayLike, scanpaths: ScanpathsLike, group: ArrayLike | None = None) -> None:
        """Add the fixations of B scanpaths, or of one.

        Args:
            saliency: [B, T, H, W] or [T, H, W], the prediction of each fixation.
            scanpaths: [B, T] or [T]; see `Scanpaths.of`.
            group: [B] integer ids of the scanpaths' images, which an interval then draws as wholes.
        """
        self.add_steps(saliency, scanpaths, group, saliency, scanpaths)

    def add_steps(
        self, maps: ArrayLike, scanpaths: ScanpathsLike, group: ArrayLike | None, *arguments
    ) -> None:
        """The same for a `function` of other `arguments`."""
        values = type(self).function(*arguments, **self.settings)
        on_outside = self.settings["on_outside"]
        _, mask = fixated_pixels(scanpaths, as_map("maps", maps)[..., 0, :, :], on_outside, "scanpaths")
        if group is not None:
            group = torch.as_tensor(group).to(mask.device)
            if group.shape != mask.shape[:-1]:
                raise ValueError(f"group must have shape {list(mask.shape[:-1])}, got {list(group.shape)}")
            group = group[..., None].expand(mask.shape)[mask]
        self.add(values[mask], group)
