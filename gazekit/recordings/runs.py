"""Runs of samples for which a condition holds without a break, and bridging of short gaps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gazekit.recordings.recording import Gaze

__all__ = ["bridge_gaps", "cuts", "runs"]


def runs(mask: np.ndarray, cut: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maximal runs of samples in which `mask` holds, split at cuts.

    Args:
        mask: [T] bool.
        cut: [T] bool, True where a sample does not directly follow the previous one.
    Returns:
        [R] first and [R] last index (inclusive) of each run, in order.
    """
    mask = np.asarray(mask, bool)
    before = np.empty_like(mask)
    before[:1] = False
    before[1:] = mask[:-1] & ~cut[1:]
    after = np.empty_like(mask)
    after[-1:] = False
    after[:-1] = mask[1:] & ~cut[1:]
    return np.flatnonzero(mask & ~before), np.flatnonzero(mask & ~after)


def cuts(gaze: Gaze, max_gap_ms: float = 0.0) -> np.ndarray:
    """[T] bool: the first sample of each of `Gaze.pieces`; within a block, steps up to `max_gap_ms` are not cuts."""
    found = np.zeros(len(gaze), bool)
    if len(gaze) > 1:
        limit = max(1.5 * gaze.interval_ms, max_gap_ms) if np.isfinite(gaze.interval_ms) else 0.0
        found[[piece.start for piece in gaze.pieces(limit)]] = True
    found[:1] = True
    return found


def bridge_gaps(gaze: Gaze, max_gap_ms: float) -> Gaze:
    """Interpolate short runs of invalid positions linearly, as Olsen 2012 ("gap fill-in") does.

    A gap is filled if the valid samples on both sides are in one block and at most `max_gap_ms` apart. The
    pupil is not changed. A jump across a gap thus becomes a fast movement that no fixation spans.

    Raises:
        ValueError: max_gap_ms is negative or not finite.
    """
    if not 0 <= max_gap_ms < np.inf:
        raise ValueError(f"max_gap_ms must be 0 or more and finite, got {max_gap_ms}")
    known = np.flatnonzero(gaze.valid)
    if max_gap_ms == 0 or len(known) < 2:
        return gaze
    t, left, right = gaze.t_ms, known[:-1], known[1:]
    short = (right - left > 1) & (t[right] - t[left] <= max_gap_ms)
    if gaze.block is not None:
        short &= np.asarray(gaze.block)[left] == np.asarray(gaze.block)[right]
    left, count = left[short], (right - left - 1)[short]
    inside = np.arange(count.sum()) - np.repeat(count.cumsum() - count, count) + np.repeat(left + 1, count)
    xy = gaze.xy_px.copy()
    for axis in range(2):
        xy[inside, axis] = np.interp(t[inside], t[known], gaze.xy_px[known, axis])
    return replace(gaze, xy_px=xy)
