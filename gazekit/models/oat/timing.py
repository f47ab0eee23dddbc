"""Scanpaths over objects as the duration model sees them: an object's centre stands for a fixation on it.

People's scanpaths are shown by the centres, too, because generated ones have nothing else to predict durations from.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.scanpaths.durations import Timed
from gazekit.scene import TrialBatch

__all__ = ["CONTEXT", "generated", "observed"]

CONTEXT = ("on the target", "same object as before", "visited earlier")
"""What is known of the fixated object when the fixation starts, beside its place."""


def observed(batch: TrialBatch) -> Timed:
    """[B, T] people's scanpaths."""
    centres, context = _centres(batch, batch.objects[:, None]), _context(batch, batch.objects[:, None])
    return Timed.of(batch, centres[:, 0], context[:, 0])


def generated(batch: TrialBatch, objects: Tensor, mask: Tensor) -> Timed:
    """[B, n, T] scanpaths over the scenes of the trials, by the eyes of the trials' people, without durations."""
    b, n, _ = objects.shape
    size, start = (
        x[batch.scene_of_trial, None].expand(b, n, 2)
        for x in (batch.scenes.size_px, batch.scenes.start_xy_px)
    )
    return Timed(
        xy_px=_centres(batch, objects),
        duration_ms=torch.full_like(mask, torch.nan, dtype=torch.float32),
        mask=mask,
        size_px=size,
        start_xy_px=start,
        observer=None if batch.observer is None else batch.observer[:, None].expand(b, n),
        context=_context(batch, objects),
    )


def _centres(batch: TrialBatch, objects: Tensor) -> Tensor:
    """[B, n, T, 2] of objects [B, n, T]."""
    centres = batch.scenes.centres_px[batch.scene_of_trial]
    rows = torch.arange(len(objects), device=objects.device)[:, None, None]
    return centres[rows, objects]


def _context(batch: TrialBatch, objects: Tensor) -> Tensor:
    """[B, n, T, 3] of objects [B, n, T]: 0 or 1 each."""
    target = batch.scenes.target[batch.scene_of_trial][:, None, None]
    earlier = (objects[..., None] == objects[..., None, :]).tril(
        -1
    )  # [..., t, s]: fixation s < t was on the same
    stays = torch.diagonal(earlier, -1, -2, -1)
    stays = torch.cat([torch.zeros_like(objects[..., :1], dtype=torch.bool), stays], -1)[
        ..., : objects.shape[-1]
    ]
    return torch.stack([objects == target, stays, earlier.any(-1)], -1).float()
