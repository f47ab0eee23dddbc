"""What is known of scenes on a grid of cells, and of the scanpaths over them so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gazekit.foveation import Grid
from gazekit.scene import SceneBatch

__all__ = ["LAGS", "Display", "Fixated", "WalkState", "owners", "select"]

LAGS = 4
"""Last fixations that a state keeps."""


def select(value: Any, rows: Tensor) -> Any:
    """Rows of a tensor, of what has rows itself, or of a mapping of these; anything else as it is."""
    if isinstance(value, Tensor):
        return value[rows]
    if isinstance(value, Rows):
        return value.select(rows)
    if isinstance(value, Mapping):
        return {name: select(one, rows) for name, one in value.items()}
    return value


class Rows:
    """Row selection for dataclasses of tensors [B, ...]."""

    def select(self, rows: Tensor) -> Any:
        return replace(self, **{f.name: select(getattr(self, f.name), rows) for f in fields(self)})


class Fixated(NamedTuple):
    """One fixation of each of n scanpaths over B scenes.

    Args:
        cell: [B, n].
        xy_px: [B, n, 2] where in it.
        duration_ms: [B, n], NaN where unknown.
    """

    cell: Tensor
    xy_px: Tensor
    duration_ms: Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class Display(Rows):
    """B scenes on a grid of C cells, with N objects.

    Attributes:
        grid: of all of them.
        owner: [B, C] the object that a fixation in the cell belongs to.
        centre_cell: [B, N] cell of each object's centre.
        object_mask: [B, N].
        start_xy_px: [B, 2].
        maps: what a model has seen in the pictures, [B, ...] each, by its name.
    """

    grid: Grid
    owner: Tensor
    centre_cell: Tensor
    object_mask: Tensor
    start_xy_px: Tensor
    maps: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, kw_only=True)
class WalkState(Rows):
    """n scanpaths over each of B displays.

    Attributes:
        memory: [B, n, ...] what the model itself keeps, or a mapping of such.
        past_xy_px: [B, n, LAGS, 2] the last fixations, the latest first; NaN = none.
        here: [B, n] object of the last fixation, -1 before the first.
        step: number of fixations so far.
    """

    display: Display
    memory: Any
    past_xy_px: Tensor
    here: Tensor
    step: int

    @property
    def past(self) -> Tensor:
        """[B, n, LAGS] cells of the last fixations; -1 = none."""
        none = self.past_xy_px[..., 0].isnan()
        return self.display.grid.cell_of(self.past_xy_px.nan_to_num()).masked_fill(none, -1)


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
