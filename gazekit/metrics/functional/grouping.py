"""Simplification of scanpaths before MultiMatch: short and nearly collinear saccades are merged."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from gazekit.scanpath import Scanpaths, ScanpathsLike

__all__ = ["Grouping", "simplify_scanpaths"]


class Grouping(NamedTuple):
    """Thresholds below which saccades are merged; see `simplify_scanpaths`.

    `direction_deg` between two saccades, `duration_ms` of a fixation, `amplitude_px` of a saccade.
    """

    direction_deg: float
    duration_ms: float
    amplitude_px: float


def simplify_scanpaths(scanpaths: ScanpathsLike, grouping: Grouping) -> Scanpaths:
    """Scanpaths with the fixations left out that MultiMatch's grouping takes for parts of larger movements.

    Two passes take turns. The direction pass leaves out the fixation between two saccades whose directions
    differ by less than `direction_deg` and that itself is shorter than `duration_ms`. The amplitude pass leaves
    out the fixation behind a saccade shorter than `amplitude_px` that begins or ends at a fixation shorter
    than `duration_ms`; if that is the last saccade, the fixation before it. Each pass goes from first to last,
    and a saccade that has been merged with the one before is not merged again in that pass. What a fixation left
    out lasted is lost.

    Source: Jarodzka et al. 2010 (ETRA, 211); Dewhurst et al. 2012 (Behavior Research Methods 44, 1079). Order and
    end of the passes are those of multimatch_gaze 0.1.3, two peculiarities included: (1) where the last
    saccade is merged with one that was merged in the same pass, the result is the sum of the last two of the three
    saccades, so that the scanpath ends elsewhere; (2) the passes end when the number of fixations is that of the
    round before, counted with one more in a round that merged the last saccade: mergers that were still possible
    may be left. Deviations: a single saccade left is kept, and exactly parallel saccades differ by 0
    degrees, where multimatch_gaze raises errors. A saccade of length 0 has no direction to merge by.

    Args:
        scanpaths: [..., T] in any form that `Scanpaths.of` takes, with durations.
        grouping: all three thresholds; what equals one is not merged. There is no standard: to our
            recollection 45 degrees, 300 ms and a tenth of the screen's diagonal are common.
    Returns:
        [..., T'] scanpaths; those with fewer than 3 fixations as they came.
    Raises:
        TypeError, ValueError: as `Scanpaths.of`; fixations without durations; a threshold that is negative or
            not a number.

    Example:
        >>> path = [[0, 0, 200], [100, 5, 90], [200, 0, 200], [200, 300, 200]]
        >>> simplify_scanpaths(path, Grouping(45, 150, 50)).xy_px.tolist()
        [[0.0, 0.0], [200.0, 0.0], [200.0, 300.0]]
    """
    if not isinstance(grouping, Grouping):
        raise TypeError(f"grouping must be a Grouping, got {type(grouping).__name__}")
    for name, threshold in grouping._asdict().items():
        if not threshold >= 0:
            raise ValueError(f"{name} of grouping must be at least 0, got {threshold}")
    paths = Scanpaths.of(scanpaths)
    if paths.duration_ms is None and not paths.mask.any():
        return paths
    if paths.duration_ms is None:
        raise ValueError("grouping needs the durations of the fixations, which these scanpaths lack")
    shape, paths = paths.shape, paths.flatten()
    xy, duration, count = paths.xy_px.clone(), paths.duration_ms.clone(), paths.lengths
    going = (count >= 3).nonzero()[:, 0]
    counted = count[going]  # as multimatch_gaze counts fixations: one more where the end was merged
    while len(going):
        state = _direction_pass(xy[going], duration[going], count[going], grouping)
        *state, end_merged = _amplitude_pass(*state, grouping)
        xy[going], duration[going], count[going] = state
        before, counted = counted, state[2] + end_merged
        fell = counted != before
        going, counted = going[fell], counted[fell]
    longest = int(count.max()) if len(count) else 0
    mask = torch.arange(longest, device=count.device) < count[:, None]
    xy = torch.where(mask[..., None], xy[:, :longest], 0.0)
    duration = torch.where(mask, duration[:, :longest], 0.0)
    return Scanpaths(xy.view(*shape, longest, 2), mask.view(*shape, longest), duration.view(*shape, longest))


def _direction_pass(
    xy: Tensor, duration: Tensor, count: Tensor, grouping: Grouping
) -> tuple[Tensor, Tensor, Tensor]:
    saccade = xy.diff(dim=1)
    first, second = saccade[:, :-1], saccade[:, 1:]
    length = torch.linalg.vector_norm(saccade, dim=-1)
    cosine = (first * second).sum(-1) / (length[:, :-1] * length[:, 1:])  # NaN: no direction, no merger
    turn_deg = cosine.clamp(-1, 1).acos() * (180 / math.pi)
    mergeable = (turn_deg < grouping.direction_deg) & (duration[:, 1:-1] < grouping.duration_ms)
    inside = torch.arange(1, xy.shape[1] - 1, device=xy.device) < count[:, None] - 1
    merged = _alternate(mergeable & inside)
    dropped = torch.nn.functional.pad(merged, (1, 1))
    return _without(dropped, xy, duration, count)


def _amplitude_pass(
    xy: Tensor, duration: Tensor, count: Tensor, grouping: Grouping
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The simplified scanpaths, and whether the last saccade was merged with the one before."""
    saccade = xy.diff(dim=1)
    index = torch.arange(saccade.shape[1], device=xy.device)
    last = (count - 2)[:, None]
    brief = duration < grouping.duration_ms
    short = torch.linalg.vector_norm(saccade, dim=-1) < grouping.amplitude_px
    mergeable = short & (brief[:, :-1] | brief[:, 1:]) & (index <= last)
    merged = _alternate(mergeable)  # with the next saccade; the last one with the one before
    end_merged = merged.gather(1, last)[:, 0] & (count > 2)
    dropped = torch.nn.functional.pad(merged & (index < last), (1, 0))
    row = end_merged.nonzero()[:, 0]
    before_last = count[row] - 2  # the fixation that a merged last saccade leaves out
    twice = dropped[row, before_last - 1]
    lost = torch.where(twice[:, None], saccade[row, (before_last - 2).clamp(0)], 0.0)
    xy = xy.clone()
    xy[row, before_last + 1] -= lost
    dropped[row, before_last] = True
    return *_without(dropped, xy, duration, count), end_merged


def _alternate(mergeable: Tensor) -> Tensor:
    """[S, N] Which saccades a pass from first to last merges: every other of those in a row."""
    index = torch.arange(mergeable.shape[1], device=mergeable.device).expand_as(mergeable)
    if not mergeable.shape[1]:
        return mergeable
    obstacle = torch.where(mergeable, -1, index).cummax(1).values
    return mergeable & ((index - obstacle) % 2 == 1)


def _without(dropped: Tensor, xy: Tensor, duration: Tensor, count: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    order = dropped.byte().argsort(dim=1, stable=True)
    xy = xy.gather(1, order[..., None].expand_as(xy))
    return xy, duration.gather(1, order), count - dropped.sum(1)
