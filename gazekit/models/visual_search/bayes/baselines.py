"""What every searcher is measured against: chance, the centre bias, and a winner that takes all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gazekit.models.visual_search.bayes.cells import CellPredictor
from gazekit.models.visual_search.bayes.state import Display, WalkState
from gazekit.scanpaths.walk import Fixated

__all__ = ["CentreBias", "RandomSearch", "WinnerTakeAll"]

LEAK = 0.05  # share of the uniform distribution in the map of the winner


class RandomSearch(CellPredictor):
    """Every cell is equally likely."""

    def log_map(self, state: WalkState) -> Tensor:
        return torch.full_like(state.visits, -math.log(state.visits.shape[-1]))


class CentreBias(CellPredictor):
    """Where people look in any picture of the data set: the density of the training part's fixations."""

    def log_map(self, state: WalkState) -> Tensor:
        return state.display.log_density[:, None].expand_as(state.visits)


class WinnerTakeAll(CellPredictor):
    """The most salient cell wins and is inhibited for good, then the next (Itti, Koch and Niebur 1998).

    Salient is what the prior and the similarity say together, p exp(2 s); a fixation inhibits a disc of a sixth of the
    picture's shorter side. Its map is what is left, mixed with 5 % uniform. Once all is inhibited, it begins again.

    Args:
        radius: of the disc, of the shorter side.
    """

    def __init__(
        self,
        facts: Mapping[str, Any] | None = None,
        radius: float = 1 / 6,
        cell_px: float = 32.0,
        layout: bool = True,
    ) -> None:
        super().__init__(facts, cell_px, layout)
        self.radius = radius

    def first(self, display: Display, n: int) -> Tensor:
        """[B, n, C] 1 where nothing is inhibited."""
        return torch.ones_like(display.log_prior)[:, None].repeat(1, n, 1)

    def update(self, state: WalkState, fixated: Fixated, generator: torch.Generator | None) -> Tensor:
        grid = state.display.grid
        centres = grid.centres_px.to(state.visits)
        away = (centres[fixated.cell][..., None, :] - centres).norm(dim=-1)
        free = state.memory * (away > self.radius * min(grid.size_px))
        spent = (free == 0).all(-1, keepdim=True)
        return torch.where(spent, 1.0, free)

    def _left(self, state: WalkState) -> Tensor:
        display = state.display
        salient = (display.log_prior + 2 * display.similarity.amax(1)).softmax(-1)
        left = salient[:, None] * state.memory
        return left / left.sum(-1, keepdim=True)

    def log_map(self, state: WalkState) -> Tensor:
        return ((1 - LEAK) * self._left(state) + LEAK / state.visits.shape[-1]).log()

    def choose(self, state: WalkState, generator: torch.Generator) -> Tensor:
        return self._left(state).argmax(-1)
