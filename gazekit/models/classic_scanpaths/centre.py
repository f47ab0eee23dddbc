"""Chance, and where people look in any picture: what every model must beat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor

from gazekit.base import Data
from gazekit.foveation import Grid
from gazekit.models.classic_scanpaths.density import CentreDensity
from gazekit.models.classic_scanpaths.saliency import cell_areas
from gazekit.scanpaths.cells import CellPredictor
from gazekit.scanpaths.walk import WalkState
from gazekit.scene import SceneBatch

__all__ = ["CentreBias", "RandomGaze"]


class _Independent(CellPredictor):
    """Fixations that depend neither on the picture nor on one another."""

    def log_cells(self, grid: Grid) -> Tensor:
        """[C] natural log-probabilities."""
        raise NotImplementedError(f"{type(self).__name__} must define log_cells(grid)")

    def look(self, scenes: SceneBatch, grid: Grid) -> Mapping[str, Any]:
        return {"log_cells": self.log_cells(grid).to(scenes.size_px).expand(len(scenes), -1)}

    def log_map(self, state: WalkState) -> Tensor:
        log = state.display.maps["log_cells"]
        return log[:, None].expand(-1, state.here.shape[1], -1)


class RandomGaze(_Independent):
    """Every place in the picture is equally likely.

    p(cell) = area of the cell / area of the picture, so that a cell cut by the picture's edge is less likely.
    """

    def log_cells(self, grid: Grid) -> Tensor:
        return cell_areas(grid).log()


class CentreBias(_Independent):
    """Where people look in any picture: the density of the training part's fixations.

    Source: the baseline of all of the field; for widths see `CentreDensity`.

    Args:
        kind: "kde" or "gaussian", see `CentreDensity`.
    """

    def __init__(
        self,
        facts: Mapping[str, Any] | None = None,
        kind: Literal["kde", "gaussian"] = "kde",
        across: int = 40,
    ) -> None:
        super().__init__(facts, across)
        self.density = CentreDensity(kind)

    def fit(self, data: Data) -> None:
        self.density.fit(data)

    def log_cells(self, grid: Grid) -> Tensor:
        return self.density.log_cells(grid)
