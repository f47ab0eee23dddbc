"""From a searcher's decision variable to the probability of where people look next."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from gazekit.foveation import Grid
from gazekit.models.visual_search.bayes.state import WalkState
from gazekit.scanpaths.walk import LAGS

__all__ = ["READOUTS", "LengthReadout", "PeopleReadout", "RawReadout"]

RADII = 12  # basis functions of a distance
NEAREST, FURTHEST = 0.015, 0.8  # their first and last centre, of the picture's diagonal


class RawReadout(nn.Module):
    """The decision variable divided by its sum: nothing is fitted, as in the published evaluation."""

    def forward(self, decision: Tensor, log_posterior: Tensor, state: WalkState) -> Tensor:
        """[B, n, C] log-probabilities of the next fixation.

        Args:
            decision: [B, n, C] logarithm of the decision variable.
            log_posterior: [B, n, C] of the target that is looked for.
            state: with one fixation at least.
        """
        return decision.log_softmax(-1)


class LengthReadout(nn.Module):
    """softmax(b D + k(|c - f|)), mixed with the density by place and the uniform distribution.

    b is the inverse temperature, k a kernel of the saccade's length: a sum of 12 Gaussians in its logarithm.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))
        self.length = nn.Parameter(torch.zeros(RADII))
        self.share = nn.Parameter(torch.tensor([3.0, 0.0, 0.0]))  # logits of model, density, uniform

    def forward(self, decision: Tensor, log_posterior: Tensor, state: WalkState) -> Tensor:
        logits = self.gain * decision + self.bias(log_posterior, state)
        density = state.display.log_density[:, None]
        even = torch.full_like(density, -math.log(density.shape[-1]))
        parts = torch.stack(torch.broadcast_tensors(logits.log_softmax(-1), density, even), -1)
        return (parts + self.share.log_softmax(-1)).logsumexp(-1)

    def bias(self, log_posterior: Tensor, state: WalkState) -> Tensor:
        """[B, n, C] added to the decision variable."""
        return _around(state, 0, lambda basis, _: basis @ self.length)


class PeopleReadout(LengthReadout):
    """As `LengthReadout`, with what is known of people's eyes beyond the published searchers.

    The logits also have the posterior itself, the density by place and the layout; kernels around each of the last four
    fixations, that around the present one with its direction (cos 2 theta, cos 4 theta: people prefer horizontal and
    vertical saccades); the turn against the last saccade, by its length; and the visits of the cell and of its object,
    which is inhibition of return. All of it is linear: 107 numbers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(7))
        self.direction = nn.Parameter(torch.zeros(RADII, 2))
        self.earlier = nn.Parameter(torch.zeros(LAGS - 1, RADII))
        self.turn = nn.Parameter(torch.zeros(RADII, 2))

    def bias(self, log_posterior: Tensor, state: WalkState) -> Tensor:
        display, visits = state.display, state.visits
        spots = (
            display.centre_cell.gather(1, display.owner) if display.centre_cell.shape[1] else display.owner
        )
        of_object = visits.gather(-1, spots[:, None].expand_as(visits))
        same = display.owner[:, None] == state.here[..., None]
        terms = (log_posterior, display.log_density[:, None], display.log_layout[:, None], visits, visits.clamp(max=1),
                 of_object.clamp(max=1), same)  # fmt: skip
        total = sum(weight * term for weight, term in zip(self.weights, terms, strict=True))
        total = total + _around(
            state, 0, lambda basis, two: basis @ self.length + ((basis @ self.direction) * two).sum(-1)
        )
        for lag in range(1, LAGS):
            total = total + _around(state, lag, lambda basis, _, lag=lag: basis @ self.earlier[lag - 1])
        return total + self._turned(state)

    def _turned(self, state: WalkState) -> Tensor:
        """[B, n, C] from the angle between the last saccade and the next, by the length of the next."""
        grid, (now, before) = state.display.grid, state.past[..., :2].unbind(-1)
        centres = grid.centres_px.to(state.visits)
        ahead = centres - centres[now.clamp(min=0)][..., None, :]  # [B, n, C, 2]
        last = (centres[now.clamp(min=0)] - centres[before.clamp(min=0)])[..., None, :]
        size = (ahead.norm(dim=-1) * last.norm(dim=-1)).clamp(min=1e-6)
        cosine = (ahead * last).sum(-1) / size
        by_length = [_around(state, 0, lambda basis, _, k=k: basis @ self.turn[:, k]) for k in range(2)]
        turned = by_length[0] * cosine + by_length[1] * (2 * cosine**2 - 1) * (size > 1e-6)
        return turned * (before >= 0)[..., None]


READOUTS: dict[str, type[nn.Module]] = {"raw": RawReadout, "length": LengthReadout, "people": PeopleReadout}


def _around(state: WalkState, lag: int, kernel: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """[B, n, C] a kernel of the displacement from the fixation `lag` steps ago; 0 where there was none.

    Args:
        kernel: of the basis [O, RADII] and the cosines [O, 2] of 2 and 4 times the direction, for all displacements.
    """
    grid, cell = state.display.grid, state.past[..., lag]
    basis, two = (x.to(state.visits) for x in displacements(grid))
    row, column = cell.clamp(min=0) // grid.columns, cell.clamp(min=0) % grid.columns
    every = torch.arange(len(grid), device=cell.device)
    down = every // grid.columns - row[..., None] + grid.rows - 1
    across = every % grid.columns - column[..., None] + grid.columns - 1
    return kernel(basis, two)[down * (2 * grid.columns - 1) + across] * (cell >= 0)[..., None]


_KEPT: dict[Grid, tuple[Tensor, Tensor]] = {}


def displacements(grid: Grid) -> tuple[Tensor, Tensor]:
    """Basis functions of the length [O, RADII] and the direction [O, 2] of all displacements between cells.

    Rows of displacements from -(rows - 1) to rows - 1, and columns alike. Lengths are in units of the picture's
    diagonal.
    """
    if grid not in _KEPT:
        if len(_KEPT) >= 8:
            _KEPT.clear()
        y = torch.arange(-(grid.rows - 1), grid.rows)[:, None] * grid.cell_px
        x = torch.arange(-(grid.columns - 1), grid.columns) * grid.cell_px
        length = torch.hypot(x.expand(len(y), -1), y.expand(-1, x.shape[0])) / math.hypot(*grid.size_px)
        angle = torch.atan2(y.expand_as(length), x.expand_as(length))
        centres = torch.linspace(math.log(NEAREST), math.log(FURTHEST), RADII)
        width = centres[1] - centres[0]
        log = length.clamp(min=NEAREST / 2).log().flatten()
        basis = torch.exp(-(((log[:, None] - centres) / width) ** 2) / 2)
        moved = (length > 0).flatten()[:, None]
        two = torch.stack([torch.cos(2 * angle), torch.cos(4 * angle)], -1).flatten(0, 1) * moved
        _KEPT[grid] = (basis, two)
    return _KEPT[grid]
