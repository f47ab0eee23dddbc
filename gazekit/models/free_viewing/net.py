"""From features and the last fixations to the density of the next one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gazekit.foveation import Grid
from gazekit.models.free_viewing.tables import ANGULAR, RADIAL, TURNS, Displacements
from gazekit.scanpaths.walk import LAGS, Rows
from gazekit.scene import TrialBatch

__all__ = ["STEPS", "History", "NextFixation", "Seen", "histories"]

STEPS = 5
"""Fixations 0 to 3 have weights of their own; all later ones share the last."""
_CONTENT = 8  # channels in which two places are compared


@dataclass(frozen=True, eq=False)
class Seen(Rows):
    """What is known of P pictures before a fixation.

    Args:
        priority: [P, C]; content: [P, 8, C], for comparing two places of a picture.
    """

    priority: Tensor
    content: Tensor


@dataclass(frozen=True, eq=False)
class History(Rows):
    """What F next fixations are predicted from.

    Args:
        row: [F] picture, a row of `Seen`.
        cell: [F, LAGS] of the last fixations, the latest first; the place where the eye rested when the picture
            appeared counts as one. -1 = none.
        step: [F] number of fixations since then.
    """

    row: Tensor
    cell: Tensor
    step: Tensor


class NextFixation(nn.Module):
    """log p(cell) = log_softmax of a sum of

    - priority: a readout of the features (1 x 1 convolutions, softplus between them), smoothed by a Gaussian;
    - the centre bias; both weighted by the number of fixations so far;
    - a function of distance and direction from the last fixation, and of distance from the three before it
      (inhibition of return, and return), and of the turn against the last saccade by the lengths of both;
    - priority weighted by distance; likeness of content between the present place and the cell, weighted by distance.

    The class of model is that of DeepGaze III (Kümmerer, Bethge and Wallis 2022): a product of readout, centre bias and
    history with an exact likelihood. Deviations: functions of displacements are sums of basis functions instead of a
    network over distance maps, the products of history with priority and content are ours, and so are the nets.

    Args:
        channels: of the reduced features.
        hidden: units of the readout.
        dropout: of whole channels.
    """

    def __init__(self, channels: int, hidden: int = 24, dropout: float = 0.5) -> None:
        super().__init__()
        self.readout = nn.Sequential(
            nn.Dropout1d(dropout),
            nn.Conv1d(channels, hidden, 1),
            nn.Softplus(),
            nn.Dropout1d(0.1),
            nn.Conv1d(hidden, 1, 1),
        )
        self.content = nn.Conv1d(channels, _CONTENT, 1)
        nn.init.normal_(self.content.weight, 0, 0.1 / channels**0.5)  # likeness starts near 0
        self.log_width = nn.Parameter(torch.tensor(-0.3))  # of the smoothing, in cells
        self.priority_weight = nn.Parameter(torch.ones(STEPS))
        self.centre_weight = nn.Parameter(torch.ones(STEPS))
        self.first = nn.Parameter(torch.zeros(RADIAL, ANGULAR))  # from where the eye rested
        self.last = nn.Parameter(torch.zeros(RADIAL, ANGULAR))
        self.earlier = nn.Parameter(torch.zeros(LAGS - 1, RADIAL))
        self.turn = nn.Parameter(torch.zeros(2 * len(TURNS), RADIAL))
        self.by_distance = nn.Parameter(torch.zeros(2, RADIAL))  # weights of priority and of content

    def see(self, features: Tensor, grid: Grid) -> Seen:
        """From reduced features [P, channels, C]."""
        maps = self.readout(features)[:, 0].unflatten(-1, (grid.rows, grid.columns))
        down, across = (_blur(n, self.log_width.exp()) for n in (grid.rows, grid.columns))
        return Seen((down @ maps @ across.T).flatten(1), self.content(features))

    def spatial(self, seen: Seen, centre: Tensor) -> Tensor:
        """[P, C] log-density without a history: that of the third fixation."""
        return (self.priority_weight[2] * seen.priority + self.centre_weight[2] * centre).log_softmax(-1)

    def forward(self, seen: Seen, history: History, centre: Tensor, grid: Grid) -> Tensor:
        """[F, C] natural log-probabilities.

        Args:
            centre: [C] log-density of the centre bias.
        """
        step = history.step.clamp(max=STEPS - 1)
        priority = seen.priority.index_select(0, history.row)
        total = self.priority_weight[step][:, None] * priority + self.centre_weight[step][:, None] * centre
        total = total + self._from_last(seen, history, priority, grid)
        tables = Displacements.of(grid)
        for lag in range(1, LAGS):
            there = history.cell[:, lag] >= 0
            function = self.earlier[lag - 1 : lag] @ tables.radial.to(total)
            total = total + there[:, None] * tables.around(function, history.cell[:, lag].clamp(min=0))[0]
        return total.log_softmax(-1)

    def _from_last(self, seen: Seen, history: History, priority: Tensor, grid: Grid) -> Tensor:
        """[F, C] all that depends on the displacement from the last fixation."""
        tables = Displacements.of(grid)
        radial, angular = tables.radial.to(priority), tables.angular.to(priority)
        first, last = (((of.T @ radial) * angular).sum(0, keepdim=True) for of in (self.first, self.last))
        functions = [first, last, self.by_distance @ radial, self.turn @ radial]
        now, before = history.cell[:, 0].clamp(min=0), history.cell[:, 1]
        found = tables.around(torch.cat(functions), now)  # [K, F, C]
        first, last, by_priority, by_content = found[:4]
        total = last + by_priority * priority + (1 + by_content) * self._likeness(seen, history, now)
        way, weight = (x.to(priority) for x in tables.last_saccade(now, before.clamp(min=0)))
        way = (way * (before >= 0)[:, None]).T[..., None]
        x, y = tables.around(angular[3:], now)
        cosine = x * way[0] + y * way[1]  # of the turn; 0 without one of the two saccades
        by_cosine, by_double = torch.einsum("qkfc,fk->qfc", found[4:].unflatten(0, (2, len(TURNS))), weight)
        turned = (x.abs() + y.abs() > 0.5) & (before >= 0)[:, None] & (before != now)[:, None]
        total = total + by_cosine * cosine + by_double * (2 * cosine**2 - 1) * turned
        return torch.where((history.step == 0)[:, None], first, total)

    def _likeness(self, seen: Seen, history: History, now: Tensor) -> Tensor:
        """[F, C] of the content of each cell and of the present one."""
        cells = seen.content.shape[-1]
        here = seen.content.transpose(1, 2).flatten(0, 1).index_select(0, history.row * cells + now)
        return torch.bmm(here[:, None], seen.content.index_select(0, history.row))[:, 0]


def histories(batch: TrialBatch, grid: Grid) -> tuple[History, Tensor]:
    """Of all F fixations of a batch, in the order of `mask`: what came before each, and its cell [F]."""
    cells = grid.cell_of(batch.xy_px)
    start = grid.cell_of(batch.scenes.start_xy_px)[batch.scene_of_trial]
    none = torch.full_like(start, -1)
    padded = torch.cat([none[:, None].expand(-1, LAGS - 1), start[:, None], cells], 1)  # [B, LAGS + T]
    steps = cells.shape[1]
    past = torch.stack([padded[:, LAGS - 1 - lag : LAGS - 1 - lag + steps] for lag in range(LAGS)], -1)
    row = batch.scene_of_trial[:, None].expand_as(cells)
    step = torch.arange(steps, device=cells.device).expand_as(cells)
    mask = batch.mask
    return History(row[mask], past[mask], step[mask]), cells[mask]


def _blur(n: int, width: Tensor) -> Tensor:
    place = torch.arange(n, device=width.device, dtype=width.dtype)
    kernel = torch.exp(-((place[:, None] - place) ** 2) / (2 * width**2))
    return kernel / kernel.sum(1, keepdim=True)
