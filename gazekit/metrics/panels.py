"""Trials that several people, or several runs of a model, looked at: [B, n, T], and who of the n there is."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gazekit.scanpath import Scanpath, Scanpaths, ScanpathsLike

__all__ = ["panel"]


def panel(name: str, paths: ScanpathsLike) -> tuple[Scanpaths, Tensor]:
    """Trials as padded scanpaths.

    In lists everybody is there, who did not fixate included. In a padded [B, n, T] a scanpath without fixations
    is padding, as trials may have different numbers of people.

    Args:
        name: of the argument, for errors.
        paths: B scanpaths, one per trial; or a panel [B, n, T]; or B trials of n_i scanpaths, a list or `Scanpaths`
            each. Lists that are all empty, [[], []], are B empty scanpaths.
    Returns:
        Scanpaths [B, n, T], n = 1 for one per trial, and bool [B, n], True for a scanpath that exists.
    Raises:
        ValueError: other shapes, lists of scanpaths beside scanpaths; and as `Scanpaths.of`.
    """
    if isinstance(paths, list | tuple) and any(_depth(trial) == 3 for trial in paths):
        return _padded(name, paths)
    found = Scanpaths.of(paths, name)
    if len(found.shape) == 1:
        return found[:, None], found.mask.new_ones(len(found), 1)
    if len(found.shape) != 2:
        raise ValueError(
            f"{name} must hold trials, [B, T] or [B, n, T], got leading shape {list(found.shape)}"
        )
    return found, found.mask.any(-1)


def _padded(name: str, trials: list | tuple) -> tuple[Scanpaths, Tensor]:
    people = [Scanpaths.of(trial, f"{name}[{i}]") for i, trial in enumerate(trials)]
    for i, paths in enumerate(people):
        if len(paths.shape) != 1:
            raise ValueError(f"{name}[{i}] must be a list of scanpaths, as those of other trials are")
    counts, steps = zip(*(paths.mask.shape for paths in people), strict=True)
    shape, like = (len(people), max(counts), max(steps)), people[0].xy_px
    xy, mask = like.new_zeros(*shape, 2), like.new_zeros(shape, dtype=torch.bool)
    timed = all(paths.duration_ms is not None for paths in people if paths.mask.any())
    duration = like.new_zeros(shape) if timed else None
    for i, (paths, n, t) in enumerate(zip(people, counts, steps, strict=True)):
        xy[i, :n, :t], mask[i, :n, :t] = paths.xy_px, paths.mask
        if duration is not None and paths.duration_ms is not None:
            duration[i, :n, :t] = paths.duration_ms
    there = torch.arange(shape[1], device=like.device) < torch.tensor(counts, device=like.device)[:, None]
    return Scanpaths(xy, mask, duration), there


def _depth(paths: ScanpathsLike) -> int:
    """Number of dimensions: 2 for a scanpath, 3 for a list of scanpaths."""
    if isinstance(paths, list | tuple):
        if paths and np.isscalar(paths[0]):
            return 1
        return 1 + max(map(_depth, paths), default=0)
    if isinstance(paths, Scanpaths):
        return paths.xy_px.dim()
    return 2 if isinstance(paths, Scanpath) else np.ndim(paths)
