"""The learned model of free viewing: a row of the report, and a system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gazekit.base import Data
from gazekit.foveation import Grid
from gazekit.models.free_viewing.features import FrozenFeatures
from gazekit.models.free_viewing.fitting import fit_free_viewing, stretched
from gazekit.models.free_viewing.net import History, NextFixation, Seen, histories
from gazekit.models.free_viewing.reduction import Reduction
from gazekit.models.viewer_system import ViewerSystem
from gazekit.scanpaths.cells import CellPredictor
from gazekit.scanpaths.durations import DurationModel, Timed, timed_part
from gazekit.scanpaths.walk import LAGS, Display, Fixated, WalkState
from gazekit.scene import SceneBatch, TrialBatch

__all__ = ["FreeViewing"]


class FreeViewing(CellPredictor, ViewerSystem):
    """Readout of frozen features x centre bias x history of four fixations, with an exact likelihood.

    `fit` trains it in minutes, so that `evaluate` needs no training: `members` nets, each stopped by its own share of
    the training pictures, whose probabilities are averaged. Training by gradient descent on whole batches can follow.
    See `NextFixation`.

    Args:
        facts: of `ViewingData`.
        nets: see `FrozenFeatures`; so is longest_px.
        members: nets that are averaged.
        components: channels that are kept of each net, see `Reduction`.
        hidden, dropout: see `NextFixation`.
        steps: of the fit of a member; weight_decay: of its readout.
        across: cells along the longer side of a picture.
        durations: whether it says how long fixations last, too (`gazekit.scanpaths.durations`); fitted where the
            training part has durations. Positions do not depend on them.
    """

    def __init__(
        self,
        facts: Mapping[str, Any] | None = None,
        nets: Mapping[str, Mapping[str, Any]] | None = None,
        longest_px: int = 640,
        members: int = 4,
        components: int = 64,
        hidden: int = 24,
        dropout: float = 0.5,
        steps: int = 160,
        weight_decay: float = 5.0,
        across: int = 40,
        durations: bool = True,
    ) -> None:
        super().__init__(facts, across)
        self.features = FrozenFeatures(nets or {}, longest_px)
        self.steps, self.weight_decay = steps, weight_decay
        channels = self.features.channels()
        self.reductions = nn.ModuleDict({name: Reduction(n, components) for name, n in channels.items()})
        self.members = nn.ModuleList(
            NextFixation(components * len(channels), hidden, dropout) for _ in range(members)
        )
        self.register_buffer("centre", torch.zeros(1, 1, across, across))  # log-density of training fixations

        people = len(self.facts.get("observers", ()))
        self.durations = DurationModel(people).requires_grad_(False) if durations else None

    def fit(self, data: Data) -> None:
        """Centre bias and components in closed form, members and durations by short trainings.

        Raises:
            ValueError: see `fit_free_viewing`; durations are asked for and the training part has none.
        """
        fit_free_viewing(self, data)
        if self.durations is None:
            return
        train, val = (timed_part(data, part) for part in ("train", "val"))
        if not train.known.any():
            raise ValueError("model.durations=true, but the data have no durations; set it to false")
        self.durations.requires_grad_(True).fit(train, val)
        self.durations.requires_grad_(False)  # a further training is about positions

    def reduced(self, pictures: Tensor, grid: Grid) -> Tensor:
        """[P, channels, C] features of pictures uint8 [P, H, W, 3]."""
        maps = self.features(pictures, grid)
        device = self.centre.device
        return torch.cat([self.reductions[name](x.to(device)) for name, x in maps.items()], 1)

    def centre_on(self, grid: Grid) -> Tensor:
        """[C] log-density of the centre bias on a grid; uniform before the fit."""
        return stretched(self.centre, (grid.rows, grid.columns)).flatten().log_softmax(0)

    # one step at a time

    def look(self, scenes: SceneBatch, grid: Grid) -> Mapping[str, Any]:
        features = self.reduced(scenes.pictures, grid)
        return {str(k): member.see(features, grid) for k, member in enumerate(self.members)}

    def first(self, display: Display, n: int) -> Mapping[str, Any]:
        """The durations so far."""
        start = display.start_xy_px[:, None].expand(-1, n, -1)
        return {"timed": Timed.started(torch.tensor(display.grid.size_px).to(start), start)}

    def update(
        self, state: WalkState, fixated: Fixated, generator: torch.Generator | None
    ) -> Mapping[str, Any]:
        if self.durations is None:
            return state.memory
        return {"timed": state.memory["timed"].then(fixated.xy_px, fixated.duration_ms)}

    def duration(self, state: WalkState, xy_px: Tensor, generator: torch.Generator) -> Tensor | None:
        if self.durations is None:
            return None
        return self.durations.draw(state.memory["timed"].then(xy_px), generator)

    def log_map(self, state: WalkState) -> Tensor:
        b, n = state.here.shape
        history = self._history(state)
        found = self._mixed(state.display.maps, history, state.display.grid)
        return found.view(b, n, -1)

    def _history(self, state: WalkState) -> History:
        display = state.display
        b, n = state.here.shape
        cell = state.past.clone()
        if state.step < LAGS:  # where the eye rested comes before the first fixation
            cell[..., state.step] = display.grid.cell_of(display.start_xy_px)[:, None]
        row = torch.arange(b, device=cell.device).repeat_interleave(n)
        step = torch.full_like(row, state.step)
        return History(row, cell.flatten(0, 1), step)

    def _mixed(self, seen: Mapping[str, Seen], history: History, grid: Grid) -> Tensor:
        """[F, C] logarithm of the members' mean probability."""
        centre = self.centre_on(grid)
        each = [member(seen[str(k)], history, centre, grid) for k, member in enumerate(self.members)]
        return torch.stack(each).logsumexp(0) - torch.tensor(float(len(each))).log()

    # all fixations at once

    def fixation_log_prob(self, batch: TrialBatch) -> Tensor:
        grid = self.grid_of(batch.scenes)
        seen = self.look(batch.scenes, grid)
        history, cell = histories(batch, grid)
        parts = [
            self._mixed(seen, history.select(rows), grid).gather(1, cell[rows, None])[:, 0]
            for rows in torch.arange(len(cell), device=cell.device).split(512)
        ]
        found = torch.zeros_like(batch.xy_px[..., 0])
        found[batch.mask] = torch.cat(parts) if parts else found[batch.mask]
        return found

    def duration_log_prob(self, batch: TrialBatch) -> Tensor:
        """[B, T] natural log-density per ms of each duration, of known people as theirs; NaN where unknown.

        Raises:
            ValueError: a model without durations.
        """
        if self.durations is None:
            raise ValueError("this model knows no durations: model.durations is false")
        return self.durations.log_prob(Timed.of(batch))

    def loss(self, batch: TrialBatch) -> dict[str, Tensor]:
        """Mean negative log-probability of people's fixations, in nats per fixation."""
        count = batch.mask.sum().clamp(min=1)
        return {"loss": -self.fixation_log_prob(batch)[batch.mask].sum() / count}
