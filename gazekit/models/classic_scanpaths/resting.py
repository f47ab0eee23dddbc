"""Fixations of many trajectories at once, by the dispersion rule."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.scanpath import Scanpaths

__all__ = ["resting"]


def resting(
    path: Tensor, interval_ms: float, reach_px: float, shortest_ms: float, fixations: int
) -> Scanpaths:
    """Where and how long gaze rests.

    A fixation is a run of samples that stay within `reach_px` of the run's first one, and which lasts `shortest_ms` or
    more; it is at their mean, and lasts as many intervals as it has samples. The sample that leaves begins the next
    run. (`gazekit.recordings.detectors.IDT` takes one recording in degrees; this takes trajectories of models, in px.)

    Args:
        path: [S, n, F, 2] px, without gaps.
        fixations: how many to return.
    Returns:
        [S, n, fixations], padded where a trajectory has fewer.
    """
    shape, frames = path.shape[:2], path.shape[2]
    flat = path.flatten(0, 1)
    rows = torch.arange(len(flat), device=path.device)
    anchor, total, length = flat[:, 0].clone(), torch.zeros_like(flat[:, 0]), torch.zeros_like(flat[:, 0, 0])
    count = torch.zeros_like(rows)
    xy, duration = flat.new_zeros(len(flat), fixations, 2), flat.new_zeros(len(flat), fixations)
    for frame in range(frames + 1):
        now = flat[:, min(frame, frames - 1)]
        leaves = (
            (now - anchor).norm(dim=-1) > reach_px
            if frame < frames
            else torch.ones_like(rows, dtype=torch.bool)
        )
        kept = leaves & (length * interval_ms >= shortest_ms) & (count < fixations)
        xy[rows[kept], count[kept]] = total[kept] / length[kept, None]
        duration[rows[kept], count[kept]] = length[kept] * interval_ms
        count = count + kept
        anchor = torch.where(leaves[:, None], now, anchor)
        total = torch.where(leaves[:, None], now, total + now)
        length = torch.where(leaves, 1.0, length + 1)
        if bool((count >= fixations).all()):
            break
    mask = torch.arange(fixations, device=path.device) < count[:, None]
    return Scanpaths(xy.unflatten(0, shape), mask.unflatten(0, shape), duration.unflatten(0, shape))
