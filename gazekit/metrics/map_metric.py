"""Metrics of maps: an item is an image with its fixations."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike
from gazekit.metrics.functional.fixated import OnOutside, distinct, fixated_pixels
from gazekit.metrics.functional.map_settings import check_choice
from gazekit.metrics.functional.maps import as_map, over_images
from gazekit.metrics.item_metric import Aggregation, ItemMetric
from gazekit.metrics.renamed import renamed
from gazekit.scanpath import Scanpaths, ScanpathsLike

__all__ = ["ConditionalMetric", "FixationMapMetric", "MapMetric", "MapPairMetric"]


class MapMetric(ItemMetric):
    """`function` with `settings`, and the aggregation of its values per image. Subclasses check the settings first."""

    function: Callable[..., Tensor]

    def __init__(self, aggregation: Aggregation = "item", **settings) -> None:
        super().__init__(aggregation)
        self.settings = settings

    def add_images(self, values: Tensor, group: ArrayLike | None, weight: ArrayLike | None) -> None:
        """Values, groups and weights of B images, or of one without a leading dimension."""
        self.add(values.reshape(-1), group, weight)


class FixationMapMetric(MapMetric):
    """Maps read at fixations. An image weighs as many fixations as its value is the mean of.

    That is the number of its fixations, or of its distinct fixated pixels where each of these counts once.
    """

    pixels_count_once = False

    def __init__(
        self, aggregation: Aggregation = "item", on_outside: OnOutside = "raise", **settings
    ) -> None:
        check_choice("on_outside", on_outside, "raise", "drop", "clip")
        super().__init__(aggregation, on_outside=on_outside, **settings)

    def update(self, saliency: ArrayLike, fixations: ScanpathsLike, group: ArrayLike | None = None) -> None:
        """Add B images of one size, or one image. Images of other sizes go to a call of their own.

        Args:
            saliency: [B, H, W] or [H, W] maps.
            fixations: those on each image, [B, T] or [T]; see `Scanpaths.of`.
            group: [B] integer ids of what the images belong to (tasks, subjects).
        """
        self.add_fixations(fixations, group, saliency=saliency)

    def add_fixations(self, fixations: ScanpathsLike, group: ArrayLike | None, **arguments) -> None:
        """The same for a `function` of other `arguments`, the first of which is the map."""
        name = next(iter(arguments))
        arguments[name] = maps = as_map(name, arguments[name])
        fixated = fixated_pixels(fixations, maps, self.settings["on_outside"])
        values = type(self).function(**arguments, fixations=fixated, **self.settings)
        once = self.pixels_count_once or self.settings.get("variant") == "matlab"
        counted = over_images(distinct, *fixated) if once else fixated.mask
        self.add_images(values, group, counted.sum(-1))


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
            empirical_density: those of the fixations, `functional.fixation_density`.
            group: [B] integer ids of what the images belong to.
            weight: [B] numbers of fixations behind each density, for aggregation="weight".
        Raises:
            TypeError, ValueError: as the function; a weight that is missing, negative or not finite.
        """
        self.add_images(type(self).function(saliency, empirical_density, **self.settings), group, weight)


class ConditionalMetric(ItemMetric):
    """Single fixations, each scored by the map that predicted it: an item is a fixation.

    A fixation off the map that is dropped is an item without a value, which `undefined` counts.
    """

    function: Callable[..., Tensor]

    def __init__(
        self, aggregation: Aggregation = "item", on_outside: OnOutside = "raise", **settings
    ) -> None:
        if aggregation == "weight":
            raise ValueError("items are fixations, which have no weights: aggregation='item' is their mean")
        check_choice("on_outside", on_outside, "raise", "drop", "clip")
        super().__init__(aggregation)
        self.settings = {"on_outside": on_outside, **settings}

    @renamed(saliency="conditional_saliency")
    def update(
        self, conditional_saliency: ArrayLike, scanpaths: ScanpathsLike, group: ArrayLike | None = None
    ) -> None:
        """Add the fixations of B scanpaths, or of one.

        Args:
            conditional_saliency: [B, T, H, W] or [T, H, W], the prediction of each fixation.
            scanpaths: [B, T] or [T]; see `Scanpaths.of`.
            group: [B] integer ids of the scanpaths' images, which an interval then draws as wholes.
        """
        self.add_steps(scanpaths, group, saliency=conditional_saliency)

    def add_steps(self, scanpaths: ScanpathsLike, group: ArrayLike | None, **arguments) -> None:
        """The same for a `function` of other `arguments`."""
        paths = Scanpaths.of(scanpaths, "scanpaths")
        values = type(self).function(**arguments, scanpaths=paths, **self.settings)
        mask = paths.mask.to(values.device)
        if group is not None:
            group = torch.as_tensor(group).to(mask.device)
            if group.shape != mask.shape[:-1]:
                raise ValueError(f"group must have shape {list(mask.shape[:-1])}, got {list(group.shape)}")
            group = group[..., None].expand(mask.shape)[mask]
        self.add(values[mask], group)
