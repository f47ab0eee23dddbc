"""Geometric and history features between the fixated object and every candidate, shared by all models.

`relations` computes them for all steps of known scanpaths at once, `RelationState` for one step of a scanpath
being generated; both call `_features`, so a model sees the same features in both cases.
Columns 0..N-1 are the objects, column N is the STOP token, which represents the target.
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
"""Features of the pairwise baseline. Distances are in units of the scene's object spacing."""

RELATIONS = (
    *PAIRWISE, "log_dx", "log_dy", "same_column", "same_row", "gaze_dx", "gaze_dy", "gaze_distance",
    "return_dx", "return_dy", "recency", "visits", "turn", "last_amplitude", "last_dx", "last_dy", "x", "y",
)  # fmt: skip
"""Features of OAT's relation bias: also rows and columns, the displacement from the actual gaze position, the
last saccade, the previous object, and the position of the candidate in the picture.
"""


@dataclass(frozen=True, eq=False)
class _History:
    """The history of R scanpaths of each of B trials, one per step or one per sample.

    Attributes:
        visits: [B, R, N] number of fixations of each object.
        last_visit: [B, R, N] step (from 1) of the last fixation on it, 0 = never.
        current, previous: [B, R] the two last fixated objects, -1 before the first fixation.
        step: [R] number of fixations so far.
    """

    visits: Tensor
    last_visit: Tensor
    current: Tensor
    previous: Tensor
    step: Tensor


def _places(scenes: SceneBatch, history: _History) -> tuple[Tensor, Tensor]:
    """[B, R, 2] centres, in objects, of the current and the previous object; the start before them."""
    b, r = history.current.shape
    spacing = scenes.spacing_px
    centres = scenes.centres_px / spacing[:, None]
    start = (scenes.start_xy_px / spacing)[:, None].expand(b, r, 2)

    def place(index: Tensor) -> Tensor:
        chosen = centres.gather(1, index.clamp(min=0)[..., None].expand(b, r, 2))
        return torch.where((index >= 0)[..., None], chosen, start)

    return place(history.current), place(history.previous)


def _columns(scenes: SceneBatch, known: bool) -> Tensor:
    """[B, 1, N + 1, 2] centres of the objects and of the STOP token, in objects.

    The token is at the target if its position is known, else at the centre of the picture.
    """
    spacing = scenes.spacing_px
    centres = scenes.centres_px / spacing[:, None]
    at_target = centres.gather(1, scenes.target.clamp(min=0)[:, None, None].expand(-1, 1, 2))
    shown = (scenes.target >= 0) & known
    token = torch.where(shown[:, None, None], at_target, 0.5 * (scenes.size_px / spacing)[:, None])
    return torch.cat([centres, token], 1)[:, None]


def _signed_log(x: Tensor) -> Tensor:
    return x.sign() * x.abs().log1p()


def _features(scenes: SceneBatch, history: _History, gaze: Tensor | None, known: bool) -> Tensor:
    """[B, R, N + 1, F] features for R histories of each of B trials.

    Args:
        scenes: B scenes, one per trial.
        gaze: [B, R, 2] gaze position, in objects; None: the centre of the current object.
        known: whether the observer knows where the target is.
    """
    here, before = _places(scenes, history)
    columns = _columns(scenes, known)
    offset = columns - here[:, :, None]
    from_gaze = columns - (here if gaze is None else gaze)[:, :, None]
    saccade = (here - before)[:, :, None]
    back = offset + saccade  # from the previous object
    distance, amplitude = offset.norm(dim=-1), saccade.norm(dim=-1)
    position = columns * scenes.spacing_px[:, None, None] / scenes.size_px[:, None, None] * 2 - 1
    values = {
        "dx": offset[..., 0] / 4,
        "dy": offset[..., 1] / 4,
        "distance": distance / 4,
        "log_distance": distance.log1p(),
        "log_dx": _signed_log(offset[..., 0]),
        "log_dy": _signed_log(offset[..., 1]),
        "same_column": torch.exp(-2 * offset[..., 0] ** 2),
        "same_row": torch.exp(-2 * offset[..., 1] ** 2),
        "gaze_dx": _signed_log(from_gaze[..., 0]),
        "gaze_dy": _signed_log(from_gaze[..., 1]),
        "gaze_distance": from_gaze.norm(dim=-1).log1p(),
        "return_dx": _signed_log(back[..., 0]),
        "return_dy": _signed_log(back[..., 1]),
        "turn": (offset * saccade).sum(-1) / (distance * amplitude).clamp(min=1e-6),
        "last_amplitude": amplitude.log1p(),
        "last_dx": saccade[..., 0] / 4,
        "last_dy": saccade[..., 1] / 4,
        "x": position[..., 0],
        "y": position[..., 1],
        **_visited(scenes, history, known),
    }
    return torch.stack([values[name].to(distance).expand_as(distance) for name in RELATIONS], -1)


def _visited(scenes: SceneBatch, history: _History, known: bool) -> dict[str, Tensor]:
    """The features of object identity and fixation history, each broadcasting to [B, R, N + 1]."""
    b, r, n = history.visits.shape
    index = torch.arange(n + 1, device=history.visits.device)
    target = scenes.target.clamp(min=0)
    searched = scenes.target >= 0
    shown, at_target = (searched & known)[:, None, None], target[:, None, None].expand(b, r, 1)

    def with_token(x: Tensor) -> Tensor:
        return torch.cat([x, x.gather(2, at_target) * shown], 2)

    visits, last_visit = with_token(history.visits), with_token(history.last_visit)
    step = history.step[None, :, None]
    return {
        "visited": visits > 0,
        "visits": visits.log1p(),
        "recency": torch.where(last_visit > 0, 1 / (1 + step - last_visit), 0.0),
        "current": index == history.current[..., None],
        "target": ((index == target[:, None, None]) | (index == n)) & shown,
        "stop": (index == n)[None, None],
        "on_target": ((history.current == target[:, None]) & searched[:, None])[..., None],
        "step": step.log1p() / 3,
    }


def relations(scenes: SceneBatch, objects: Tensor, known: bool = True, xy_px: Tensor | None = None) -> Tensor:
    """Features of every candidate at every step of known scanpaths.

    Args:
        scenes: B scenes, one per trial.
        objects: [B, T] fixated objects; padding does not affect earlier steps.
        known: whether the observer knows the target's position.
        xy_px: [B, T, 2] fixation positions; None: the centres of their objects.
    Returns:
        [B, T + 1, N + 1, F]: at step t, t fixations are known; F as in `RELATIONS`.
    """
    b, t = objects.shape
    n = scenes.boxes_px.shape[1]
    one_hot = torch.nn.functional.one_hot(objects, n)  # [B, T, N]
    times = torch.arange(1, t + 1, device=objects.device)[None, :, None]
    empty = one_hot.new_zeros(b, 1, n)
    nowhere = objects.new_full((b, 1), -1)
    history = _History(
        visits=torch.cat([empty, one_hot.cumsum(1)], 1),
        last_visit=torch.cat([empty, (one_hot * times).cummax(1).values if t else empty[:, :0]], 1),
        current=torch.cat([nowhere, objects], 1),
        previous=torch.cat([nowhere, nowhere, objects[:, :-1]], 1)[:, : t + 1],
        step=torch.arange(t + 1, device=objects.device),
    )
    gaze = None
    if xy_px is not None:
        gaze = torch.cat([scenes.start_xy_px[:, None], xy_px], 1) / scenes.spacing_px[:, None]
    return _features(scenes, history, gaze, known)


@dataclass(frozen=True, eq=False)
class RelationState:
    """The history that `_features` needs, for n scanpaths of each of B trials."""

    scenes: SceneBatch
    visits: Tensor  # [B, n, N]
    last_visit: Tensor  # [B, n, N]
    current: Tensor  # [B, n]
    previous: Tensor  # [B, n]
    step: int
    known: bool

    @classmethod
    def begin(cls, scenes: SceneBatch, n: int, known: bool = True) -> RelationState:
        """State without fixations, for n scanpaths per scene."""
        b, n_objects = scenes.object_mask.shape
        nothing = torch.zeros(b, n, n_objects, dtype=torch.long, device=scenes.target.device)
        nowhere = scenes.target.new_full((b, n), -1)
        return cls(scenes, nothing, nothing, nowhere, nowhere, 0, known)

    def advance(self, chosen: Tensor) -> RelationState:
        """Add one fixation, [B, n] object indices; a STOP (index N) leaves the row unchanged."""
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
        """[B, n, N + 1, F] current features of every candidate; gaze is at the centre of the current object."""
        step = torch.tensor([self.step], device=self.visits.device)
        history = _History(self.visits, self.last_visit, self.current, self.previous, step)
        return _features(self.scenes, history, None, self.known)
