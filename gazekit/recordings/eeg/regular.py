"""Samples on a regular time grid, for tools that require one (mne, spectra, video at a fixed rate)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gazekit.errors import RecordingError
from gazekit.recordings.recording import Gaze

__all__ = ["interpolate", "mean_step_ms", "places"]


def mean_step_ms(gaze: Gaze) -> float:
    """Mean step between samples without a gap in between, NaN if there are none.

    The median is returned if the two differ by less than a millionth, so that 1 ms stays 1 ms.
    """
    steps = np.concatenate([np.diff(gaze.t_ms[piece]) for piece in gaze.pieces()] or [np.empty(0)])
    if len(steps) == 0:
        return float("nan")
    mean, median = float(steps.mean()), gaze.interval_ms
    return median if abs(mean - median) < 1e-6 * median else mean


def places(gaze: Gaze, step_ms: float, path: Path) -> np.ndarray:
    """[T] int64, the index of each sample on a grid that starts at the first sample.

    Every stretch without a gap begins at the nearest point; within it samples may be up to a quarter of a step off.

    Raises:
        RecordingError: a sample that is further off, or two samples at one point.
    """
    place = np.empty(len(gaze), np.int64)
    for piece in gaze.pieces():
        t = gaze.t_ms[piece]
        steps = (t - t[0]) / step_ms
        inside = np.round(steps)
        off = np.abs(steps - inside)
        if off.max() > 0.25:
            worst = int(off.argmax())
            raise RecordingError(
                f"{path}: sampling is irregular: the sample at {t[worst]:.3f} ms is {off[worst]:.2f} steps of "
                f"{step_ms:.4f} ms off a regular grid (at most 0.25); give rate_hz= to interpolate"
            )
        place[piece] = np.round((t[0] - gaze.t_ms[0]) / step_ms) + inside
    if (np.diff(place) <= 0).any():
        first = int(np.flatnonzero(np.diff(place) <= 0)[0])
        raise RecordingError(
            f"{path}: sampling is irregular: the samples at {gaze.t_ms[first]:.3f} and {gaze.t_ms[first + 1]:.3f} ms "
            f"fall on one point of a grid with steps of {step_ms:.4f} ms; give rate_hz= to interpolate"
        )
    return place


def interpolate(gaze: Gaze, values: np.ndarray, at_ms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sample values at other times, by linear interpolation between neighbours.

    Args:
        values: [C, T] at the samples of `gaze`.
        at_ms: [N] increasing.
    Returns:
        [C, N], NaN where a neighbour is NaN, across gaps, and outside the samples; and [N] bool, True across gaps
        and outside.
    """
    t = gaze.t_ms
    piece = np.zeros(len(t), np.int64)
    for k, part in enumerate(gaze.pieces()):
        piece[part] = k
    after = np.searchsorted(t, at_ms)  # the first sample at or after
    right, left = np.minimum(after, len(t) - 1), np.maximum(after - 1, 0)
    missing = (piece[left] != piece[right]) & (t[right] != at_ms)
    missing |= (at_ms < t[0]) | (at_ms > t[-1])
    out = np.stack([np.interp(at_ms, t, row) for row in values])
    out[:, missing] = np.nan
    return out, missing
