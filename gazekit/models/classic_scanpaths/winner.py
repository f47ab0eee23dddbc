"""The most salient place wins and is then inhibited (Koch and Ullman 1985; Itti, Koch and Niebur 1998)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gazekit.base import Data
from gazekit.foveation import Grid
from gazekit.models.classic_scanpaths.saliency import Kind, Saliency
from gazekit.scanpaths.cells import CellPredictor
from gazekit.scanpaths.walk import Display, Fixated, WalkState
from gazekit.scene import SceneBatch

__all__ = ["WinnerTakeAll", "inhibited"]

LEAK = 0.05  # share of the uniform distribution in the likelihood
USUAL_MS = 250.0  # of a fixation whose duration is not known


class WinnerTakeAll(CellPredictor):
    """The most salient place wins and is inhibited, then the next.

    s_t(c) = S(c) (1 - h_t(c)), the next fixation is argmax_c s_t(c). A fixation sets h to 1 in a disc of a sixth of the
    picture's shorter side; with `recovery_s`, h decays by exp(-t / recovery_s) while the eye rests, else it stays. Once
    all is inhibited it begins again.

    The winner is certain, so a likelihood needs a leak: 95 % s_t / sum s_t + 5 % uniform. That is ours: the model
    itself only takes maxima. Equal maxima are drawn from, so that a uniform map gives random places, not a corner.

    Source: from memory. The disc's size and the time constants (.5 to .9 s) are those that the literature reports.

    Args:
        saliency, weights: which map, see `Saliency`.
        radius: of the disc, as a share of the shorter side.
        recovery_s: time constant in s; None: inhibited for good. Fixations of unknown duration last 250 ms.
    Raises:
        ValueError: a radius or time constant that is not positive.
    """

    def __init__(
        self,
        facts: Mapping[str, Any] | None = None,
        saliency: Kind = "attention_center",
        weights: str | None = None,
        radius: float = 1 / 6,
        recovery_s: float | None = None,
        across: int = 40,
    ) -> None:
        super().__init__(facts, across)
        if not radius > 0 or not (recovery_s is None or recovery_s > 0):
            raise ValueError(f"radius and recovery_s must be positive, got {radius} and {recovery_s}")
        self.saliency, self.radius, self.recovery_s = Saliency.of(saliency, weights), radius, recovery_s

    def fit(self, data: Data) -> None:
        self.saliency.fit(data)

    def look(self, scenes: SceneBatch, grid: Grid) -> Mapping[str, Any]:
        return {"saliency": self.saliency.on_cells(scenes, grid)}

    def first(self, display: Display, n: int) -> Tensor:
        """[B, n, C] inhibition."""
        salient = display.maps["saliency"]
        return salient.new_zeros(len(salient), n, salient.shape[1])

    def update(self, state: WalkState, fixated: Fixated, generator: torch.Generator | None) -> Tensor:
        decay: Tensor | float = 1.0
        if self.recovery_s is not None:
            rested_s = fixated.duration_ms.nan_to_num(USUAL_MS) / 1000
            decay = (-rested_s / self.recovery_s).exp()[..., None]
        return inhibited(state.memory, fixated.cell, state.display.grid, self.radius, decay)

    def left(self, state: WalkState) -> Tensor:
        """[B, n, C] what is not inhibited, as shares."""
        left = state.display.maps["saliency"][:, None] * (1 - state.memory)
        total = left.sum(-1, keepdim=True)
        return torch.where(total > 0, left / total.clamp(min=1e-30), 1 / left.shape[-1])

    def log_map(self, state: WalkState) -> Tensor:
        left = self.left(state)
        return ((1 - LEAK) * left + LEAK / left.shape[-1]).log()

    def choose(self, state: WalkState, generator: torch.Generator) -> Tensor:
        left = self.left(state)
        best = (left >= left.amax(-1, keepdim=True)).float().flatten(0, 1).cpu()
        return torch.multinomial(best, 1, generator=generator).view(left.shape[:2]).to(left.device)


def inhibited(
    inhibition: Tensor, cell: Tensor, grid: Grid, radius: float, decay: Tensor | float = 1.0
) -> Tensor:
    """Inhibition of return after one more fixation.

    Args:
        inhibition: [B, n, C] in [0, 1].
        cell: [B, n] fixated.
        radius: of the disc that is set to 1, as a share of the shorter side; the fixated cell always is.
        decay: factor of what was there, [B, n, 1] or one number.
    Returns:
        [B, n, C]; 0 everywhere where no cell would be left free.
    """
    centres = grid.centres_px.to(inhibition)
    away = (centres[cell][..., None, :] - centres).norm(dim=-1)
    disc = (away <= radius * min(grid.size_px)).to(inhibition)
    found = torch.maximum(inhibition * decay, disc)
    return torch.where((found >= 1).all(-1, keepdim=True), 0.0, found)
