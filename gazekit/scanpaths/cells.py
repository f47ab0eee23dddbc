"""Scanpath models that give a probability to each cell of a picture: maps, positions, and objects with STOP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gazekit.foveation import Grid
from gazekit.scanpath import Scanpaths
from gazekit.scanpaths.predictor import ObjectPredictor
from gazekit.scanpaths.viewer import Viewer
from gazekit.scanpaths.walk import LAGS, Display, Fixated, WalkState, owners
from gazekit.scene import SceneBatch, TrialBatch

__all__ = ["CellModel", "CellPredictor", "within_cells"]

SMALLEST = 1e-12  # probability of an object that owns no cell


class CellModel(ObjectPredictor):
    """A distribution over the cells of a picture for each next fixation, and what follows from it.

    A subclass defines `log_map` and `stop_probability`, and what it keeps of the past in `first` and `update`. Object
    probabilities (`ScanpathModel`) are sums over the cells that belong to an object.
    """

    # what a subclass defines

    def grid_of(self, scenes: SceneBatch) -> Grid:
        """The grid of scenes, which have one size."""
        raise NotImplementedError(f"{type(self).__name__} must define grid_of(scenes)")

    def log_map(self, state: WalkState) -> Tensor:
        """[B, n, C] natural log-probabilities of the cell of the next fixation."""
        raise NotImplementedError(f"{type(self).__name__} must define log_map(state)")

    def stop_probability(self, state: WalkState) -> Tensor:
        """[B, n] that no fixation follows, after at least one."""
        raise NotImplementedError(f"{type(self).__name__} must define stop_probability(state)")

    def first(self, display: Display, n: int) -> Any:
        """[B, n, ...] what the model keeps before the first fixation, or a mapping of such. Default: nothing."""
        return display.start_xy_px.new_zeros(len(display.start_xy_px), n, 0)

    def update(self, state: WalkState, fixated: Fixated, generator: torch.Generator | None) -> Any:
        """What it keeps after a fixation. A generator is given where the model makes a scanpath of its own."""
        return state.memory

    def choose(self, state: WalkState, generator: torch.Generator) -> Tensor:
        """[B, n] cell of its own next fixation. Default: drawn from `log_map`."""
        probability = self.log_map(state).exp()
        drawn = torch.multinomial(probability.flatten(0, 1).cpu(), 1, generator=generator)
        return drawn.view(probability.shape[:2]).to(probability.device)

    # one walk over scenes

    def display(self, scenes: SceneBatch) -> Display:
        """What is known of scenes before a fixation.

        Raises:
            ValueError: scenes of several sizes.
        """
        return Display(**self.layout(scenes, self.grid_of(scenes)))

    def layout(self, scenes: SceneBatch, grid: Grid) -> dict[str, Any]:
        """The entries of every `Display`."""
        return {
            "grid": grid,
            "owner": owners(scenes, grid),
            "centre_cell": grid.cell_of(scenes.centres_px),
            "object_mask": scenes.object_mask,
            "start_xy_px": scenes.start_xy_px,
        }

    def started(self, display: Display, n: int) -> WalkState:
        """n scanpaths without a fixation over each display."""
        b = len(display.start_xy_px)
        past = display.start_xy_px.new_full((b, n, LAGS, 2), torch.nan)
        here = torch.full((b, n), -1, device=past.device)
        return WalkState(display=display, memory=self.first(display, n), past_xy_px=past, here=here, step=0)

    def fixate(
        self, state: WalkState, fixated: Fixated, here: Tensor, generator: torch.Generator | None = None
    ) -> WalkState:
        """The state after a fixation of each scanpath, which belongs to the objects [B, n]."""
        return replace(
            state,
            memory=self.update(state, fixated, generator),
            past_xy_px=torch.cat([fixated.xy_px[..., None, :], state.past_xy_px[..., :-1, :]], -2),
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
        unknown = torch.full_like(batch.xy_px[..., 0], torch.nan)
        duration = unknown if batch.duration_ms is None else batch.duration_ms
        for step in range(int(length.max()) if len(length) else 0):
            keep = length[rows] > step
            if not keep.all():
                rows, state = rows[keep], state.select(keep)
            yield step, rows, state
            further = length[rows] > step + 1  # the others have no fixation here
            rows, state = rows[further], state.select(further)
            if len(rows):
                seen = Fixated(
                    cells[rows, step, None], batch.xy_px[rows, step, None], duration[rows, step, None]
                )
                state = self.fixate(state, seen, batch.objects[rows, step, None])

    # what reports ask for

    def next_fixation_maps(self, batch: TrialBatch) -> Tensor:
        """[B, T, rows, columns] natural log-probabilities of fixation t given the t before it; padding is 0."""
        grid = self.grid_of(batch.scenes)
        maps = batch.xy_px.new_zeros(*batch.mask.shape, len(grid))
        for step, rows, state in self.along(batch, 0):
            maps[rows, step] = self.log_map(state)[:, 0]
        return maps.unflatten(-1, (grid.rows, grid.columns))

    def fixation_log_prob(self, batch: TrialBatch) -> Tensor:
        """[B, T] natural log-probability of the cell of each fixation given those before it; padding is 0."""
        found = torch.zeros_like(batch.xy_px[..., 0])
        for step, rows, state in self.along(batch, 0):
            cell = state.display.grid.cell_of(batch.xy_px[rows, step])
            found[rows, step] = self.log_map(state)[:, 0].gather(1, cell[:, None])[:, 0]
        return found

    # ScanpathModel: objects and STOP

    def log_prob(self, batch: TrialBatch) -> Tensor:
        t = batch.objects.shape[1]
        mask = batch.scenes.object_mask[batch.scene_of_trial]
        # steps after a scanpath's end have no state: all objects alike there
        even = torch.cat([torch.where(mask, 0.0, -torch.inf), mask.new_zeros(len(mask), 1)], 1).log_softmax(
            -1
        )
        found = even[:, None].repeat(1, t + 1, 1)
        for step, rows, state in self.along(batch, 1):
            found[rows, step] = self.next_log_prob(state)[:, 0]
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
        stop = self.stop_probability(state)[..., None]
        return torch.cat([log + (1 - stop).log(), stop.log()], -1)

    def advance(self, state: WalkState, chosen: Tensor) -> WalkState:
        display = state.display
        here = chosen.clamp(max=display.object_mask.shape[1] - 1)
        cell = display.centre_cell.gather(1, here)
        xy = display.grid.centres_px.to(display.start_xy_px)[cell]
        unknown = torch.full_like(xy[..., 0], torch.nan)
        return self.fixate(state, Fixated(cell, xy, unknown), here)


class CellPredictor(Viewer, CellModel):
    """A model of free viewing with a likelihood: a distribution over cells for each next fixation.

    A subclass defines `log_map`, what it sees in a picture in `look`, and what it keeps of the past in `first` and
    `update`.

    Args:
        facts: of `ViewingData`.
        across: cells along the longer side of a picture, so that one grid fits pictures of all sizes.
    Raises:
        ValueError: no cell.
    """

    def __init__(self, facts: Mapping[str, Any] | None = None, across: int = 40) -> None:
        super().__init__(facts)
        if across < 1:
            raise ValueError(f"across must be at least 1 cell, got {across}")
        self.across = across
        counts = torch.tensor(self.facts.get("length_counts", [0] * 10 + [1]), dtype=torch.float32)
        reached = counts.flip(0).cumsum(0).flip(0)
        stop = ((counts + 0.5) / (reached + 1)).clamp(1e-4, 1 - 1e-4)
        self.register_buffer("stop_rate", stop, persistent=False)  # after t fixations

    def look(self, scenes: SceneBatch, grid: Grid) -> Mapping[str, Any]:
        """What the model sees in pictures: [S, ...] by name, kept as `display.maps`. Default: nothing."""
        return {}

    def grid_of(self, scenes: SceneBatch) -> Grid:
        longest = float(scenes.size_px.max()) if len(scenes) else 1.0
        return Grid.over(scenes.size_px, longest / self.across)

    def layout(self, scenes: SceneBatch, grid: Grid) -> dict[str, Any]:
        return super().layout(scenes, grid) | {"maps": self.look(scenes, grid)}

    def stop_probability(self, state: WalkState) -> Tensor:
        rate = self.stop_rate[min(state.step, len(self.stop_rate) - 1)]
        return rate.expand(state.here.shape)

    def predict(self, batch: TrialBatch, generator: torch.Generator, samples: int = 1) -> dict[str, Any]:
        """Of a `Viewer`, and of an `ObjectPredictor`."""
        over_objects = CellModel.predict(self, batch, generator, samples)
        return over_objects | super().predict(batch, generator, samples)

    def duration(self, state: WalkState, xy_px: Tensor, generator: torch.Generator) -> Tensor | None:
        """[B, n] durations in ms of its own next fixations at [B, n, 2]. Default: none."""
        return None

    @torch.no_grad()
    def view(self, scenes: SceneBatch, n: int, fixations: int, generator: torch.Generator) -> Scanpaths:
        """Drawn cell by cell; uniformly within a cell."""
        state = self.started(self.display(scenes), n)
        grid, paths, durations = state.display.grid, [], []
        for _ in range(fixations):
            cell = self.choose(state, generator)
            xy = within_cells(grid, cell, generator).to(scenes.start_xy_px)
            paths.append(xy)
            made = self.duration(state, xy, generator)
            duration = torch.full_like(xy[..., 0], torch.nan) if made is None else made
            durations.append(duration)
            owner = state.display.owner.gather(1, cell)
            state = self.fixate(state, Fixated(cell, xy, duration), owner, generator)
        xy = torch.stack(paths, 2)
        duration = torch.stack(durations, 2)
        mask = torch.ones(xy.shape[:-1], dtype=torch.bool, device=xy.device)
        return Scanpaths(xy, mask, None if bool(duration.isnan().any()) else duration)


def within_cells(grid: Grid, cell: Tensor, generator: torch.Generator) -> Tensor:
    """[..., 2] points, uniform in each cell; cells at the right and the lower edge end with the picture."""
    size = torch.tensor(grid.size_px, dtype=torch.float64)
    low = torch.stack([cell % grid.columns, cell // grid.columns], -1).cpu().double() * grid.cell_px
    high = torch.minimum(low + grid.cell_px, size)
    share = torch.rand(low.shape, generator=generator, dtype=torch.float64)
    return (low + share * (high - low)).clamp(min=0).minimum(size * (1 - 1e-7))
