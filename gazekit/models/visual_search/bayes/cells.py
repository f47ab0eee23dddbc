"""Scanpath models over cells of a picture, as rows of any report: maps, positions, and objects with STOP."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gazekit.base import Data
from gazekit.foveation import GaussianVisibility, Grid
from gazekit.models.visual_search.bayes.places import Places, mixed_prior
from gazekit.models.visual_search.bayes.similarity import BoxSimilarity, SimilarityMap, memory_of
from gazekit.models.visual_search.bayes.state import Display, WalkState, owners
from gazekit.scanpaths.predictor import ObjectPredictor
from gazekit.scene import SceneBatch, TrialBatch

__all__ = ["FOVEA", "SIGMA", "CellPredictor", "visibility"]

SIGMA = (63.2 / 1024, 51.0 / 768)
"""Standard deviations of the visibility, of the picture's width and height: those of the published searchers, whose
pictures are shown to them at 1024 x 768 pixels."""
FOVEA = 2.0
"""Exponent of what the fovea sees."""
FADING = 8.0  # fixations after which a visit has faded to 1 / e
SMALLEST = 1e-12  # probability of an object that owns no cell


class CellPredictor(ObjectPredictor):
    """A distribution over the cells of a picture for each next fixation.

    A subclass defines `log_map`, and what it keeps of the past in `first` and `update`. Object probabilities
    (`ScanpathModel`) are sums over the cells that belong to an object. STOP is the oracle's: it has one rate on the
    target and one elsewhere, counted in the training part, so that people's misses and their giving up are fitted.

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

    # what a subclass defines

    def log_map(self, state: WalkState) -> Tensor:
        """[B, n, C] natural log-probabilities of the cell of the next fixation."""
        raise NotImplementedError(f"{type(self).__name__} must define log_map(state)")

    def first(self, display: Display, n: int) -> Tensor:
        """[B, n, ...] what the model keeps before the first fixation. Default: nothing."""
        return display.log_prior.new_zeros(len(display.target), n, 0)

    def update(self, state: WalkState, cell: Tensor, generator: torch.Generator | None) -> Tensor:
        """[B, n, ...] what it keeps after a fixation [B, n]. A generator is given where the model searches itself."""
        return state.memory

    def choose(self, state: WalkState, generator: torch.Generator) -> Tensor:
        """[B, n] cell of its own next fixation. Default: drawn from `log_map`."""
        probability = self.log_map(state).exp()
        drawn = torch.multinomial(probability.flatten(0, 1).cpu(), 1, generator=generator)
        return drawn.view(probability.shape[:2]).to(probability.device)

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
        grid = Grid.over(scenes.size_px, self.cell_px)
        memory = memory_of(scenes)
        n = scenes.boxes_px.shape[1]
        present = torch.zeros(*memory.shape, len(grid), dtype=torch.bool, device=memory.device)
        if n:
            target = scenes.target.clamp(min=0)[:, None, None].expand(-1, 1, 4)
            touched = grid.touched(scenes.boxes_px.gather(1, target)[:, 0])
            present[:, 0] = touched & (scenes.target >= 0)[:, None]
        density, layout = self.places.log_density(scenes, grid), self.places.log_layout(scenes, grid)
        return Display(
            grid=grid,
            log_density=density,
            log_layout=layout,
            log_prior=mixed_prior(density, layout),
            similarity=self.similarity(scenes, grid),
            present=present,
            memory_mask=memory >= 0,
            owner=owners(scenes, grid),
            centre_cell=grid.cell_of(scenes.centres_px),
            object_mask=scenes.object_mask,
            start_xy_px=scenes.start_xy_px,
            target=scenes.target,
        )

    def started(self, display: Display, n: int) -> WalkState:
        """n scanpaths without a fixation over each display."""
        return WalkState.begin(display, self.first(display, n), n)

    def fixate(
        self, state: WalkState, cell: Tensor, here: Tensor, generator: torch.Generator | None = None
    ) -> WalkState:
        """The state after the fixations of cells [B, n], which belong to the objects [B, n]."""
        seen = visibility(state.display.grid).seen_from(cell, FOVEA)
        return replace(
            state,
            memory=self.update(state, cell, generator),
            past=torch.cat([cell[..., None], state.past[..., :-1]], -1),
            visits=state.visits * math.exp(-1 / FADING) + seen,
            here=here,
            step=state.step + 1,
        )

    def along(self, batch: TrialBatch, extra: int) -> Iterator[tuple[int, Tensor, WalkState]]:
        """The states along people's scanpaths: step, trials that have got there, and their state.

        Args:
            extra: 0 for the states in which a fixation followed, 1 for the last state, too.
        """
        length = batch.mask.sum(1) + extra
        rows = (length > 0).nonzero()[:, 0]
        state = self.started(self.display(batch.scenes), 1).select(batch.scene_of_trial[rows])
        cells = state.display.grid.cell_of(batch.xy_px)
        for step in range(int(length.max()) if len(length) else 0):
            keep = length[rows] > step
            if not keep.all():
                rows, state = rows[keep], state.select(keep)
            yield step, rows, state
            further = length[rows] > step + 1  # the others have no fixation here
            rows, state = rows[further], state.select(further)
            if len(rows):
                state = self.fixate(state, cells[rows, step, None], batch.objects[rows, step, None])

    # what reports ask for

    def next_fixation_maps(self, batch: TrialBatch) -> Tensor:
        """[B, T, rows, columns] natural log-probabilities of fixation t given the t fixations before it; padding is 0.

        Entry 0 is the prior.
        """
        grid = Grid.over(batch.scenes.size_px, self.cell_px)
        maps = batch.xy_px.new_zeros(*batch.mask.shape, len(grid))
        for step, rows, state in self.along(batch, 0):
            maps[rows, step] = self.log_map(state)[:, 0]
        return maps.unflatten(-1, (grid.rows, grid.columns))

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
            state = self.fixate(state, cell, state.display.owner.gather(1, cell), generator)
            cell = self.choose(state, generator)
            path[rows, :, step] = torch.where(going[..., None], centres[cell], torch.nan)
            going = going & ~_hit(state.display, cell)
        path = path.flatten(0, 1).double().cpu()
        return [xy[~xy[:, 0].isnan()] for xy in path]

    # ScanpathModel: objects and STOP

    def log_prob(self, batch: TrialBatch) -> Tensor:
        b, t = batch.objects.shape
        n = batch.scenes.object_mask.shape[1]
        mask = batch.scenes.object_mask[batch.scene_of_trial]
        # steps after a scanpath's end have no state: all objects alike there
        even = torch.cat([torch.where(mask, 0.0, -torch.inf), mask.new_zeros(b, 1)], 1).log_softmax(-1)
        found = even[:, None].repeat(1, t + 1, 1)
        for step, rows, state in self.along(batch, 1):
            found[rows, step] = self.next_log_prob(state)[:, 0]
        assert found.shape[-1] == n + 1
        found[:, 0, -1] = -torch.inf
        return found

    def begin(self, scenes: SceneBatch, n: int) -> WalkState:
        return self.started(self.display(scenes), n)

    def next_log_prob(self, state: WalkState) -> Tensor:
        display = state.display
        probability = self.log_map(state).exp()
        b, n, _ = probability.shape
        objects = probability.new_zeros(b, n, display.object_mask.shape[1])
        objects.scatter_add_(2, display.owner[:, None].expand_as(probability), probability)
        log = objects.clamp(min=SMALLEST).log().masked_fill(~display.object_mask[:, None], -torch.inf)
        log = log.log_softmax(-1)
        if state.step == 0:
            return torch.cat([log, torch.full_like(log[..., :1], -torch.inf)], -1)
        on_target = (state.here == display.target[:, None]) & (display.target >= 0)[:, None]
        stop = self.stop_rate[on_target.long()][..., None]
        return torch.cat([log + (1 - stop).log(), stop.log()], -1)

    def advance(self, state: WalkState, chosen: Tensor) -> WalkState:
        here = chosen.clamp(max=state.display.object_mask.shape[1] - 1)
        return self.fixate(state, state.display.centre_cell.gather(1, here), here)


def visibility(grid: Grid) -> GaussianVisibility:
    """That of the published width."""
    return GaussianVisibility.of(
        grid, tuple(share * side for share, side in zip(SIGMA, grid.size_px, strict=True))
    )


def _hit(display: Display, cell: Tensor) -> Tensor:
    """[B, n] whether the cells are among the target's."""
    return display.present[:, 0].gather(1, cell)
