"""Scanpath models over cells of a picture, as rows of any report: maps, positions, and objects with STOP."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from gazekit.base import Data
from gazekit.foveation import GaussianVisibility, Grid
from gazekit.models.visual_search.bayes.places import Places, mixed_prior
from gazekit.models.visual_search.bayes.similarity import BoxSimilarity, SimilarityMap, memory_of
from gazekit.models.visual_search.bayes.state import Display, WalkState
from gazekit.scanpaths.cells import CellModel
from gazekit.scanpaths.walk import Fixated
from gazekit.scene import SceneBatch, TrialBatch

__all__ = ["FOVEA", "SIGMA", "CellPredictor", "visibility"]

SIGMA = (63.2 / 1024, 51.0 / 768)
"""Standard deviations of the visibility, of the picture's width and height: those of the published searchers, whose
pictures are shown to them at 1024 x 768 pixels."""
FOVEA = 2.0
"""Exponent of what the fovea sees."""
FADING = 8.0  # fixations after which a visit has faded to 1 / e


class CellPredictor(CellModel):
    """A search of a scene: a distribution over its cells for each next fixation.

    A subclass defines `log_map`, and what it keeps of the past in `first` and `update`. STOP is the oracle's: it has
    one rate on the target and one elsewhere, counted in the training part, so that people's misses and their giving up
    are fitted.

    Args:
        cell_px: side of the cells.
        layout: whether the places of objects are part of the prior.

    Attributes:
        similarity: compares cells with what is looked for; boxes and categories unless it is replaced, for instance by
            a network's map.
    """

    def __init__(
        self, facts: Mapping[str, Any] | None = None, cell_px: float = 32.0, layout: bool = True
    ) -> None:
        super().__init__(facts)
        self.cell_px = cell_px
        self.places = Places(layout)
        self.similarity: SimilarityMap = BoxSimilarity()
        self.register_buffer("stop_rate", torch.tensor([0.02, 0.5]))  # away from the target, on it

    def grid_of(self, scenes: SceneBatch) -> Grid:
        return Grid.over(scenes.size_px, self.cell_px)

    # what it learns

    def fit(self, data: Data) -> None:
        """Densities and rates of STOP, in closed form."""
        self.places.fit(data, self.cell_px)
        ended, made = self.stop_rate.new_zeros(2), self.stop_rate.new_zeros(2)
        for batch in data.batches("train"):
            target = batch.scenes.target[batch.scene_of_trial]
            on = ((batch.objects == target[:, None]) & batch.mask).long()
            last = (batch.mask.sum(1) - 1).clamp(min=0)
            made += torch.bincount(on[batch.mask], minlength=2)
            ended += torch.bincount(on.gather(1, last[:, None])[batch.mask.any(1)].flatten(), minlength=2)
        self.stop_rate.copy_(((ended + 0.5) / (made + 1)).clamp(1e-4, 1 - 1e-4))

    # one walk over scenes

    def display(self, scenes: SceneBatch) -> Display:
        """What is known of scenes before a fixation.

        Raises:
            ValueError: scenes of several sizes.
        """
        grid = self.grid_of(scenes)
        memory = memory_of(scenes)
        n = scenes.boxes_px.shape[1]
        present = torch.zeros(*memory.shape, len(grid), dtype=torch.bool, device=memory.device)
        if n:
            target = scenes.target.clamp(min=0)[:, None, None].expand(-1, 1, 4)
            touched = grid.touched(scenes.boxes_px.gather(1, target)[:, 0])
            present[:, 0] = touched & (scenes.target >= 0)[:, None]
        density, layout = self.places.log_density(scenes, grid), self.places.log_layout(scenes, grid)
        return Display(
            **self.layout(scenes, grid),
            log_density=density,
            log_layout=layout,
            log_prior=mixed_prior(density, layout),
            similarity=self.similarity(scenes, grid),
            present=present,
            memory_mask=memory >= 0,
            target=scenes.target,
        )

    def started(self, display: Display, n: int) -> WalkState:
        base = super().started(display, n)
        walked = {f.name: getattr(base, f.name) for f in fields(base)}
        return WalkState(
            **walked,
            visits=display.log_prior[:, None].new_zeros(1).expand(*base.here.shape, len(display.grid)),
        )

    def fixate(
        self, state: WalkState, fixated: Fixated, here: Tensor, generator: torch.Generator | None = None
    ) -> WalkState:
        seen = visibility(state.display.grid).seen_from(fixated.cell, FOVEA)
        visits = state.visits * math.exp(-1 / FADING) + seen
        return replace(super().fixate(state, fixated, here, generator), visits=visits)

    # what reports ask for

    @torch.no_grad()
    def positions_px(self, batch: TrialBatch, generator: torch.Generator, samples: int) -> list[Tensor]:
        """`samples` searches of each trial's scene, [T, 2], trial by trial.

        They begin where the eye was when the picture appeared and end in a cell of the target's box, or after
        `max_fixations`; without a target they always do.
        """
        display = self.display(batch.scenes).select(batch.scene_of_trial)
        grid, b = display.grid, len(batch)
        centres = grid.centres_px.to(display.start_xy_px)
        cell = grid.cell_of(display.start_xy_px)[:, None].expand(b, samples)
        path = display.start_xy_px.new_full((b, samples, self.max_fixations, 2), torch.nan)
        path[:, :, 0] = display.start_xy_px[:, None]
        state, rows = self.started(display, samples), torch.arange(b, device=cell.device)
        going = ~_hit(display, cell)
        for step in range(1, self.max_fixations):
            keep = going.any(1)
            if not keep.any():
                break
            state, rows, going, cell = state.select(keep), rows[keep], going[keep], cell[keep]
            unknown = torch.full(cell.shape, torch.nan, device=cell.device)
            fixated = Fixated(cell, centres[cell], unknown)
            state = self.fixate(state, fixated, state.display.owner.gather(1, cell), generator)
            cell = self.choose(state, generator)
            path[rows, :, step] = torch.where(going[..., None], centres[cell], torch.nan)
            going = going & ~_hit(state.display, cell)
        path = path.flatten(0, 1).double().cpu()
        return [xy[~xy[:, 0].isnan()] for xy in path]

    def stop_probability(self, state: WalkState) -> Tensor:
        display = state.display
        on_target = (state.here == display.target[:, None]) & (display.target >= 0)[:, None]
        return self.stop_rate[on_target.long()]


def visibility(grid: Grid) -> GaussianVisibility:
    """That of the published width."""
    return GaussianVisibility.of(
        grid, tuple(share * side for share, side in zip(SIGMA, grid.size_px, strict=True))
    )


def _hit(display: Display, cell: Tensor) -> Tensor:
    """[B, n] whether the cells are among the target's."""
    return display.present[:, 0].gather(1, cell)
