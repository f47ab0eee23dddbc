"""Geometry and history between the fixated object and every candidate, the same numbers for every model.

`relations` gives them for all steps of known scanpaths at once, `RelationState` for one step of a scanpath
that is being generated; both call `_features`, so a model cannot see different things in the two.
Columns 0..N-1 are the objects, column N is the STOP token, which stands for the target.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gazekit.scene import SceneBatch

__all__ = ["PAIRWISE", "RELATIONS", "RelationState", "relations"]

PAIRWISE = (
    "dx",
    "dy",
    "distance",
    "log_distance",
    "visited",
    "current",
    "target",
    "stop",
    "on_target",
    "step",
)
"""What the pairwise baseline sees. Distances are in units of the scene's object spacing."""

RELATIONS = (
    *PAIRWISE, "log_dx", "log_dy", "same_column", "same_row", "return_dx", "return_dy",
    "recency", "visits", "turn", "last_amplitude", "last_dx", "last_dy", "x", "y",
)  # fmt: skip
"""What the relation bias of OAT sees: also rows and columns, the last saccade, the object before, and the place
of the candidate in the picture."""


def _features(
    scenes: SceneBatch,
    visits: Tensor,
    last_visit: Tensor,
    current: Tensor,
    previous: Tensor,
    step: Tensor,
    known: bool,
) -> Tensor:
    """[B, R, N + 1, F] features for R histories of each of B trials.

    Args:
        scenes: B scenes, one a trial.
        visits: [B, R, N] how often each object was fixated.
        last_visit: [B, R, N] step (from 1) of the last fixation on it, 0 = never.
        current, previous: [B, R] the two last fixated objects, -1 before the first fixation.
        step: [R] or [B, R] number of fixations so far.
        known: whether the observer knows where the target is.
    """
    b, r, n = visits.shape
    spacing = scenes.spacing_px[:, None]
    centres = scenes.centres_px / spacing  # [B, N, 2]
    start = (scenes.start_xy_px / spacing[:, 0])[:, None].expand(b, r, 2)

    def place(index: Tensor) -> Tensor:
        chosen = centres.gather(1, index.clamp(min=0)[..., None].expand(b, r, 2))
        return torch.where((index >= 0)[..., None], chosen, start)

    here, before = place(current), place(previous)
    has_target = scenes.target >= 0
    target = scenes.target.clamp(min=0)
    target_centre = centres.gather(1, target[:, None, None].expand(b, 1, 2))
    token = torch.where(
        (has_target & known)[:, None, None], target_centre, 0.5 * (scenes.size_px / spacing[:, 0])[:, None]
    )
    columns = torch.cat([centres, token], 1)[:, None]  # [B, 1, N + 1, 2]

    offset = columns - here[:, :, None]
    if not known:  # the STOP column must not tell where the target is
        offset = torch.cat([offset[:, :, :-1], torch.zeros_like(offset[:, :, -1:])], 2)
    distance = offset.norm(dim=-1)
    back = offset + (here - before)[:, :, None]
    saccade = (here - before)[:, :, None]
    amplitude = saccade.norm(dim=-1)
    turn = (offset * saccade).sum(-1) / (distance * amplitude).clamp(min=1e-6)

    index = torch.arange(n + 1, device=visits.device)
    is_token = (index == n).expand(b, r, n + 1)
    is_target = ((index == target[:, None]) | (index == n)) & has_target[:, None] & known
    on_target = (current == target[:, None]) & has_target[:, None]
    shown, at_target = (has_target & known)[:, None, None], target[:, None, None].expand(b, r, 1)
    padded_visits = torch.cat([visits, visits.gather(2, at_target) * shown], 2)
    padded_last = torch.cat([last_visit, last_visit.gather(2, at_target) * shown], 2)
    step = step.expand(b, r)[..., None].to(distance)
    recency = torch.where(padded_last > 0, 1 / (1 + step - padded_last), 0.0)
    position = columns * spacing[:, None] / scenes.size_px[:, None, None] * 2 - 1
    if not known:
        position = torch.cat([position[:, :, :-1], torch.zeros_like(position[:, :, -1:])], 2)

    def wide(x: Tensor) -> Tensor:
        return x.to(distance).expand(b, r, n + 1)

    values = {
        "dx": offset[..., 0] / 4,
        "dy": offset[..., 1] / 4,
        "distance": distance / 4,
        "log_distance": torch.log1p(distance),
        "visited": padded_visits > 0,
        "current": index == current[..., None],
        "target": is_target[:, None],
        "stop": is_token,
        "on_target": on_target[..., None],
        "step": torch.log1p(step) / 3,
        "log_dx": offset[..., 0].sign() * offset[..., 0].abs().log1p(),
        "log_dy": offset[..., 1].sign() * offset[..., 1].abs().log1p(),
        "same_column": torch.exp(-2 * offset[..., 0] ** 2),
        "same_row": torch.exp(-2 * offset[..., 1] ** 2),
        "return_dx": back[..., 0].sign() * back[..., 0].abs().log1p(),
        "return_dy": back[..., 1].sign() * back[..., 1].abs().log1p(),
        "recency": recency,
        "visits": torch.log1p(padded_visits),
        "turn": turn,
        "last_amplitude": torch.log1p(amplitude),
        "last_dx": saccade[..., 0] / 4,
        "last_dy": saccade[..., 1] / 4,
        "x": position[..., 0],
        "y": position[..., 1],
    }
    return torch.stack([wide(values[name]) for name in RELATIONS], -1)


def relations(scenes: SceneBatch, objects: Tensor, known: bool = True) -> Tensor:
    """Features of every candidate at every step of known scanpaths.

    Args:
        scenes: B scenes, one a trial.
        objects: [B, T] fixated objects; what stands in padding does not matter to earlier steps.
        known: whether the target's place is known to the observer.
    Returns:
        [B, T + 1, N + 1, F]: step t has seen t fixations; F as in `RELATIONS`.
    """
    b, t = objects.shape
    n = scenes.boxes_px.shape[1]
    one_hot = torch.nn.functional.one_hot(objects, n)  # [B, T, N]
    times = torch.arange(1, t + 1, device=objects.device)[None, :, None]
    empty = one_hot.new_zeros(b, 1, n)
    visits = torch.cat([empty, one_hot.cumsum(1)], 1)
    last_visit = torch.cat([empty, (one_hot * times).cummax(1).values if t else empty[:, :0]], 1)
    nowhere = objects.new_full((b, 1), -1)
    current = torch.cat([nowhere, objects], 1)
    previous = torch.cat([nowhere, nowhere, objects[:, :-1]], 1)[:, : t + 1]
    return _features(
        scenes, visits, last_visit, current, previous, torch.arange(t + 1, device=objects.device), known
    )


@dataclass(frozen=True, eq=False)
class RelationState:
    """What `_features` needs to know of the past of n scanpaths for each of B trials."""

    scenes: SceneBatch
    visits: Tensor  # [B, n, N]
    last_visit: Tensor  # [B, n, N]
    current: Tensor  # [B, n]
    previous: Tensor  # [B, n]
    step: int
    known: bool

    @classmethod
    def begin(cls, scenes: SceneBatch, n: int, known: bool = True) -> RelationState:
        """No fixation yet, for n scanpaths a scene."""
        b, n_objects = scenes.object_mask.shape
        nothing = torch.zeros(b, n, n_objects, dtype=torch.long, device=scenes.target.device)
        nowhere = scenes.target.new_full((b, n), -1)
        return cls(scenes, nothing, nothing, nowhere, nowhere, 0, known)

    def advance(self, chosen: Tensor) -> RelationState:
        """Add one fixation, [B, n] object indices; a STOP (index N) leaves the row as it is."""
        stopped = chosen >= self.visits.shape[-1]
        safe = chosen.clamp(max=self.visits.shape[-1] - 1)
        hit = torch.nn.functional.one_hot(safe, self.visits.shape[-1]) * (~stopped)[..., None]
        return replace(
            self,
            visits=self.visits + hit,
            last_visit=torch.where(hit > 0, self.step + 1, self.last_visit),
            current=torch.where(stopped, self.current, safe),
            previous=torch.where(stopped, self.previous, self.current),
            step=self.step + 1,
        )

    def select(self, rows: Tensor) -> RelationState:
        """Keep some of the B trials."""
        return RelationState(
            self.scenes[rows], self.visits[rows], self.last_visit[rows], self.current[rows], self.previous[rows],
            self.step, self.known,
        )  # fmt: skip

    def features(self) -> Tensor:
        """[B, n, N + 1, F] features of every candidate now."""
        step = torch.tensor([self.step], device=self.visits.device)
        return _features(
            self.scenes, self.visits, self.last_visit, self.current, self.previous, step, self.known
        )
