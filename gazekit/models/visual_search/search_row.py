"""A searcher as a row of a report: what it is guided by is its own, how it searches is the same for all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from lightning_fabric.utilities import move_data_to_device
from torch import Tensor

from gazekit.base import Predictor
from gazekit.models.visual_search.search import Found, Priority, rt_ms, search_cells, search_pictures

__all__ = ["SearchRow", "one_background"]

PICTURE_BUDGET = 65
"""Saccades in a natural picture (Gupta et al. 2021 for natural scenes: 66 fixations)."""


class SearchRow(Predictor):
    """Searches displays of `SearchData` and pictures of `SearchPictures`; a subclass defines `guide`.

    Args:
        facts: of the data.
        budget: saccades; None is one to each cell of a display, 65 in a picture. A display in which it was used up
            counts as many as the largest set size of its task, a picture as many as the budget.
        ior_px: side of the square, or diameter of the disc, that is not looked at again in a picture, and from
            whose centre a target in it is recognised.
        ior_shape: "square" or "disc".
    """

    def __init__(
        self,
        facts: Mapping[str, Any] | None = None,
        budget: int | None = None,
        ior_px: float = 64.0,
        ior_shape: Literal["square", "disc"] = "square",
    ) -> None:
        super().__init__(facts)
        if ior_shape not in ("square", "disc"):
            raise ValueError(f"ior_shape must be square or disc, got {ior_shape!r}")
        if budget is not None and budget < 1:
            raise ValueError(f"budget must be at least 1 saccade, got {budget}")
        self.budget, self.ior_px, self.ior_shape = budget, ior_px, ior_shape

    def ready(self) -> None:
        """Load what a search needs, so that what is wrong with it is told before any search. Default: nothing.

        Raises:
            FileNotFoundError, DataError: weights that are absent or broken.
        """

    def guide(self, batch: Mapping[str, Any], generator: torch.Generator) -> Priority:
        """What tells where to look next in the displays or pictures of a batch."""
        raise NotImplementedError(f"{type(self).__name__} must define guide(batch, generator)")

    @torch.no_grad()
    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        """Number of `fixations` (after the first, given one), whether the target was `found`, and the scanpath `xy_px`.

        Displays: also the reaction time `cost` (ms) and `visited_cells`. Pictures: also `paths`, the scanpaths as
        metrics take them, and `boxes_xyxy_px`, from within which the target is recognised.

        A search runs on the CPU, wherever the batch is, and so is what it returns.
        """
        batch = move_data_to_device(batch, "cpu")
        height, width = batch["picture"].shape[1:3]
        high, wide = batch["target_picture"].shape[1:3]
        if high > height or wide > width:
            raise ValueError(
                f"the target of {wide} x {high} px is larger than the picture of {width} x {height} px"
            )
        priority = self.guide(batch, generator)
        if "cell_boxes_px" in batch:
            spent = torch.full_like(batch["set_size"], self._spent(batch))
            found = search_cells(
                priority, (height, width), batch["cell_boxes_px"], batch["target_cell"], spent, self.budget
            )
            return _said(found) | {"cost": rt_ms(found.saccades), "visited_cells": found.cells}
        box = batch["target_box_px"].double()
        budget = PICTURE_BUDGET if self.budget is None else self.budget
        found = search_pictures(priority, (height, width), box, budget, self.ior_px, self.ior_shape)
        reach = torch.tensor([-1.0, -1, 1, 1], dtype=box.dtype) * self.ior_px / 2
        paths = [path[path.isfinite().all(1)] for path in found.xy_px]
        return _said(found) | {"paths": paths, "boxes_xyxy_px": box + reach}

    def _spent(self, batch: Mapping[str, Any]) -> int:
        """Saccades that are noted where the budget was used up: the largest set size of the task (Gupta et al.)."""
        if self.budget is None:
            return batch["cell_boxes_px"].shape[1]  # never noted, as each cell is looked at
        if "set_sizes" not in self.facts:
            raise ValueError("a searcher of displays with a budget needs the facts of its `SearchData`")
        return max(self.facts["set_sizes"][self.facts["tasks"][int(batch["task"][0])]])


def _said(found: Found) -> dict[str, Tensor]:
    return {"fixations": found.saccades, "found": found.found, "xy_px": found.xy_px}


def one_background(batch: Mapping[str, Any]) -> Tensor:
    """[3] uint8.

    Raises:
        ValueError: displays with different backgrounds in one batch.
    """
    background = batch["background"]
    if not (background == background[:1]).all():
        raise ValueError("the displays of a batch must have one background")
    return background[0]
