"""What is known of a scene on its grid, and of the scanpaths over it so far."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from gazekit.foveation import Grid
from gazekit.scene import SceneBatch

__all__ = ["LAGS", "Display", "WalkState", "owners"]

LAGS = 4
"""Last fixations whose cells are kept."""


class _Rows:
    """Row selection for dataclasses of tensors [B, ...]."""

    def select(self, rows: Tensor) -> Any:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        chosen = {k: v[rows] for k, v in values.items() if isinstance(v, Tensor)}
        return replace(
            self, **chosen, **{k: v.select(rows) for k, v in values.items() if isinstance(v, _Rows)}
        )


@dataclass(frozen=True, eq=False)
class Display(_Rows):
    """B scenes on a grid of C cells, with M memorised and N shown objects.

    Attributes:
        grid: of all of them.
        log_density: [B, C] of people's fixations by place, normalised.
        log_layout: [B, C] preference for cells near objects; 0 where layouts are not used.
        log_prior: [B, C] of both, see `Places`.
        similarity: [B, M, C].
        present: [B, M, C] whether the memorised object is in the cell; only the first, the target, ever is.
        memory_mask: [B, M].
        owner: [B, C] the object that a fixation in the cell belongs to.
        centre_cell: [B, N] cell of each object's centre.
        object_mask: [B, N].
        start_xy_px: [B, 2].
        target: [B], -1 without one.
    """

    grid: Grid
    log_density: Tensor
    log_layout: Tensor
    log_prior: Tensor
    similarity: Tensor
    present: Tensor
    memory_mask: Tensor
    owner: Tensor
    centre_cell: Tensor
    object_mask: Tensor
    start_xy_px: Tensor
    target: Tensor


@dataclass(frozen=True, eq=False)
class WalkState(_Rows):
    """n scanpaths over each of B displays.

    Attributes:
        memory: [B, n, ...] what the model itself keeps.
        past: [B, n, LAGS] cells of the last fixations, the latest first; -1 = none.
        visits: [B, n, C] past fixations, each spread as far as the fovea sees and fading.
        here: [B, n] object of the last fixation, -1 before the first.
        step: number of fixations so far.
    """

    display: Display
    memory: Tensor
    past: Tensor
    visits: Tensor
    here: Tensor
    step: int

    @classmethod
    def begin(cls, display: Display, memory: Tensor, n: int) -> WalkState:
        b, c = display.log_prior.shape
        past = display.target.new_full((b, n, LAGS), -1)
        return cls(display, memory, past, display.log_prior.new_zeros(b, n, c), past[..., 0].clone(), 0)


def owners(scenes: SceneBatch, grid: Grid) -> Tensor:
    """[B, C] object that each cell's centre belongs to, by the rule of `geometry.assign_objects`; 0 without objects."""
    n = scenes.boxes_px.shape[1]
    if not n:
        return scenes.target.new_zeros(len(scenes), len(grid))
    shown = scenes.object_mask[..., None]
    distance = grid.distance_px(scenes.centres_px.repeat(1, 1, 2)).masked_fill_(
        ~shown, torch.inf
    )  # [B, N, C]
    inside = grid.within(scenes.boxes_px) & shown
    held = distance.masked_fill(~inside, torch.inf).min(1)
    return torch.where(held.values.isfinite(), held.indices, distance.argmin(1))
