"""scanDDM: the cells of a picture race for the next fixation, and the race's time is the fixation's duration."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gazekit.base import Data
from gazekit.foveation import Grid
from gazekit.models.classic_scanpaths.saliency import Kind, Saliency
from gazekit.scanpath import Scanpaths
from gazekit.scanpaths.cells import within_cells
from gazekit.scanpaths.viewer import Viewer
from gazekit.scene import SceneBatch

__all__ = ["ScanDDM", "drifts", "race"]

SHORT_SIDE = 15  # racers along the shorter side of a picture
STEP_S = 1 / 250  # of the integration: 25 frames a second, 10 steps each
CHUNK = 25  # steps that are drawn together
SLOWEST = 1e-3  # racers with less drift do not take part


class ScanDDM(Viewer):
    """Cells race for the next fixation: drift diffusion, driven by saliency, nearness and cardinal directions.

    While the eye rests in cell a, the evidence of cell c grows by dE = nu_c dt + sqrt(noise dt) N(0, 1). The first cell
    whose evidence is `threshold` above that of all others is fixated next; the time this took, plus `non_decision_s`,
    is how long a was fixated. For nu see `drifts`. It has no closed likelihood: a race of 300 correlated margins has
    none, and it is not estimated here.

    Source: phuselab/scanDDM, read for its equations. Deviations: there the map is that of a zero-shot segmentation for
    a text, here any saliency map; positions are uniform in a cell, where theirs lie N(20, 10) px off its corner; a cell
    without a competitor must reach the threshold itself. As there, the fixated cell races too, and may win again.

    Args:
        saliency, weights: which map, see `Saliency`.
        width: k, of the Cauchy density of amplitudes, in cells squared.
        noise: variance of the evidence per s.
        drift: eta, drift of the best cell per s.
        threshold: of evidence.
        non_decision_s: added to each decision.
        longest_s: a race that is open by then is won by the leader.
    """

    reasons: Mapping[str, str] = {"log_prob": "a race has no closed likelihood"}

    def __init__(
        self,
        facts: Mapping[str, Any] | None = None,
        saliency: Kind = "attention_center",
        weights: str | None = None,
        width: float = 10.0,
        noise: float = 7.0,
        drift: float = 17.0,
        threshold: float = 1.0,
        non_decision_s: float = 0.005,
        longest_s: float = 5.0,
    ) -> None:
        super().__init__(facts)
        self.saliency = Saliency.of(saliency, weights)
        self.width, self.noise, self.drift, self.threshold = width, noise, drift, threshold
        self.non_decision_s, self.longest_s = non_decision_s, longest_s

    def fit(self, data: Data) -> None:
        self.saliency.fit(data)

    @torch.no_grad()
    def view(self, scenes: SceneBatch, n: int, fixations: int, generator: torch.Generator) -> Scanpaths:
        grid = Grid.over(scenes.size_px, float(scenes.size_px.min()) / SHORT_SIDE)
        salient = self.saliency.on_cells(scenes, grid)
        salient = salient / salient.amax(1, keepdim=True)
        cell = grid.cell_of(scenes.start_xy_px)[:, None].expand(-1, n)
        cells, times = [], []
        for _ in range(fixations + 1):  # the last race only says how long the last fixation was
            nu = drifts(salient, cell, grid, self.width, self.drift)
            cell, time_s = race(nu, self.noise, self.threshold, self.longest_s, generator)
            cells.append(cell)
            times.append(time_s + self.non_decision_s)
        at = torch.stack(cells[:-1], 2)
        xy = within_cells(grid, at, generator).to(scenes.start_xy_px)
        duration_ms = 1000 * torch.stack(times[1:], 2)
        return Scanpaths(xy, torch.ones_like(at, dtype=torch.bool), duration_ms)


def drifts(salient: Tensor, cell: Tensor, grid: Grid, width: float, drift: float) -> Tensor:
    """Drift of each cell's evidence while one is fixated.

        nu_c = drift v_c / max v / (1 + log2(1 + S_a)),   v_c = S_c q(c - a) (cos(4 phi) + 1) / 2

    with q(d) = (1 + d_x^2 / k_x + d_y^2 / k_y)^(-3/2) the Cauchy density of the displacement in cells, its k larger by
    the aspect ratio along the longer side, and phi the saccade's direction (1 for the fixated cell itself). Values up
    to 0.001 are -inf: these cells do not race.

    Args:
        salient: [S, C] in [0, 1]; if it is 0 everywhere, all cells count alike.
        cell: [S, n] fixated, a.
        width: k, in cells squared.
        drift: per s, eta.
    Returns:
        [S, n, C] per s.
    """
    salient = torch.where(salient.amax(1, keepdim=True) > 0, salient, 1.0)
    index = torch.arange(len(grid), device=cell.device)
    dx = index % grid.columns - (cell % grid.columns)[..., None]
    dy = index // grid.columns - (cell // grid.columns)[..., None]
    side = torch.tensor(grid.size_px)
    wide = width * (side / side.min())
    near = (1 + dx**2 / float(wide[0]) + dy**2 / float(wide[1])) ** -1.5
    cardinal = (torch.cos(4 * torch.atan2(dy.float(), dx.float())) + 1) / 2
    value = salient[:, None] * near * cardinal
    here = salient.gather(1, cell)[..., None]
    nu = drift * value / value.amax(-1, keepdim=True).clamp(min=1e-30) / (1 + torch.log2(1 + here))
    return nu.masked_fill(nu <= SLOWEST, -torch.inf)


def race(
    drift: Tensor, noise: float, threshold: float, longest_s: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Who first leads all others by the threshold, and when.

    Euler steps of 4 ms of dE = drift dt + sqrt(noise dt) N(0, 1) from 0. The lead is over the best of the others, or
    over 0 where all of them are below: a lone racer is a plain diffusion to one bound, whose mean time is threshold /
    drift.

    Args:
        drift: [..., C] per s; -inf does not take part.
        noise: variance per s.
        longest_s: when an open race ends; the leader wins.
    Returns:
        [...] index of the winner, [...] seconds.
    """
    flat = drift.flatten(0, -2).cpu()
    winner = flat.argmax(-1)
    time_s = torch.full(winner.shape, longest_s)
    rows, evidence, nu = torch.arange(len(flat)), torch.zeros_like(flat), flat
    for step in range(0, math.ceil(longest_s / STEP_S), CHUNK):
        if not len(rows):
            break
        moves = torch.randn(*nu.shape, CHUNK, generator=generator).mul_(math.sqrt(noise * STEP_S))
        path = evidence[..., None] + (moves + (nu * STEP_S)[..., None]).cumsum(-1)  # [R, C, CHUNK]
        best = path.topk(min(2, path.shape[1]), 1)
        second = best.values[:, 1].clamp(min=0) if path.shape[1] > 1 else 0.0
        over = best.values[:, 0] - second >= threshold  # [R, CHUNK]
        done, at = over.any(1), over.float().argmax(1)
        at = at.masked_fill(~done, CHUNK - 1)
        winner[rows] = best.indices[:, 0].gather(1, at[:, None])[:, 0]  # of open races: who leads now
        time_s[rows[done]] = (step + at[done] + 1) * STEP_S
        rows, nu, evidence = rows[~done], nu[~done], path[~done][..., -1]
    shape = drift.shape[:-1]
    return winner.view(shape).to(drift.device), time_s.clamp(max=longest_s).view(shape).to(drift.device)
