"""Eye velocity: degrees from pixels, angles between directions, noise-robust angular speed.

Degrees are azimuth and elevation, arctan(offset / distance) on each axis, as `Screen.px_to_dva` and
`SceneCamera.px_to_dva` return them. Off the centre, sqrt(dx^2 + dy^2) on these axes is not an angle; the
direction of gaze (tan azimuth, tan elevation, 1) gives the exact one.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import savgol_filter

from gazekit.geometry import Screen
from gazekit.recordings.camera import SceneCamera
from gazekit.recordings.recording import Gaze
from gazekit.recordings.runs import cuts, runs

__all__ = ["View", "angle_dva", "is_flat", "to_dva", "velocity_dva_s"]

View = Screen | SceneCamera | float
"""What converts pixels to degrees; a number is a constant in pixels per degree."""

_REGULAR = 0.01  # share of a sample interval by which steps may differ and still count as equal
_CHUNK = 1 << 16


def is_flat(view: View) -> bool:
    """Whether degrees of this view are pixels divided by a constant, with no known centre.

    Raises:
        TypeError: neither a screen, a camera nor a number.
        ValueError: a number that is not positive and finite.
    """
    if isinstance(view, Screen | SceneCamera):
        return False
    if isinstance(view, bool) or not isinstance(view, int | float | np.number):
        raise TypeError(
            "degrees need a Screen, a SceneCamera or a number (pixels per degree), "
            f"got {type(view).__name__}; give screen=Screen(width_px, height_px, width_cm, distance_cm)"
        )
    if not 0 < view < np.inf:
        raise ValueError(f"pixels per degree must be positive and finite, got {view}")
    return True


def to_dva(xy_px: np.ndarray, view: View) -> np.ndarray:
    """[..., 2] pixels to degrees by a screen, a camera or a constant; errors as in `is_flat`."""
    xy = np.asarray(xy_px, np.float64)
    if is_flat(view):
        return xy / view
    out = np.empty(xy.shape)
    rows, done = xy.reshape(-1, 2), out.reshape(-1, 2)
    for start in range(0, len(rows), _CHUNK):  # avoids copies of a whole long recording
        done[start : start + _CHUNK] = view.px_to_dva(rows[start : start + _CHUNK])
    return out


def angle_dva(a_dva: np.ndarray, b_dva: np.ndarray, flat: bool = False) -> np.ndarray:
    """Angle between two directions of gaze.

    Args:
        a_dva, b_dva: [..., 2] azimuth and elevation in degrees, as `to_dva` returns them.
        flat: the degrees are pixels divided by a constant: the angle is their Euclidean distance.
    Returns:
        [...] degrees, NaN where either is.
    """
    a, b = np.asarray(a_dva, np.float64), np.asarray(b_dva, np.float64)
    if flat:
        return np.hypot(*np.moveaxis(a - b, -1, 0))
    (ax, ay), (bx, by) = (np.moveaxis(np.tan(np.deg2rad(x)), -1, 0) for x in (a, b))
    across = np.sqrt((ax - bx) ** 2 + (ay - by) ** 2 + (ax * by - ay * bx) ** 2)
    return np.rad2deg(np.arctan2(across, 1 + ax * bx + ay * by))


def velocity_dva_s(
    t_ms: np.ndarray,
    xy_dva: np.ndarray,
    window_ms: float = 20.0,
    *,
    block: np.ndarray | None = None,
    max_gap_ms: float = 0.0,
    flat: bool = False,
) -> np.ndarray:
    """Angular speed of gaze by a Savitzky-Golay filter of order 2.

    A parabola is fitted to the direction of gaze around each sample; its slope gives the angular speed
    |r x r'| / |r|^2 with r = (tan azimuth, tan elevation, 1). No window holds an invalid sample or spans a change of
    block or a missing sample (a step of more than 1.5 medians, as `Gaze.pieces`). In the first and last half window
    of each uninterrupted stretch the slope is that of the nearest full window: one-sided fits are several
    times noisier. Steps that are equal within 1 % use scipy's filter; for unequal steps the same parabola is
    fitted to the actual times.

    Source: Savitzky and Golay 1964 (Analytical Chemistry 36, 1627); order 2 over 20 ms, twice the shortest saccade,
    by Nyström and Holmqvist 2010 (Behavior Research Methods 42, 188).

    Args:
        t_ms: [T] increasing times.
        xy_dva: [T, 2] azimuth and elevation, NaN where unknown.
        window_ms: longest time from the first to the last sample of a window at the median step; at least 3
            samples at any rate (33 ms at 60 Hz).
        block: [T] integers, as in `Gaze`.
        max_gap_ms: steps up to this long are not breaks.
        flat: degrees are pixels divided by a constant: speed is then sqrt(x'^2 + y'^2).
    Returns:
        [T] degrees per second; NaN at invalid samples and in stretches with fewer samples than a window.
    Raises:
        ValueError: shapes or times as in `Gaze`; a window that is not positive and finite.
    """
    if not 0 < window_ms < np.inf:
        raise ValueError(f"window_ms must be positive and finite, got {window_ms}")
    gaze = Gaze(t_ms, xy_dva, block=block)
    speed = np.full(len(gaze), np.nan)
    cut = cuts(gaze, max_gap_ms)
    first, last = runs(gaze.valid, cut)
    if not np.isfinite(gaze.interval_ms):  # no two samples in one block
        return speed
    half = max(1, int(window_ms / 2 / gaze.interval_ms + 1e-9))
    long = last - first >= 2 * half
    first, last = first[long], last[long]
    if len(first) == 0:
        return speed
    plane = gaze.xy_px
    if not flat:
        plane = np.deg2rad(plane)
        np.tan(plane, out=plane)
    slope = _slopes(gaze, plane, half, cut)
    for a, b in zip(first, last + 1, strict=True):
        slope[a : a + half], slope[b - half : b] = slope[a + half], slope[b - half - 1]
    for start in range(0, len(gaze), _CHUNK):
        part = slice(start, start + _CHUNK)
        speed[part] = _turn(plane[part], slope[part], flat)
    for a, b in zip(np.append(0, last + 1), np.append(first, len(gaze)), strict=True):
        speed[a:b] = np.nan
    return speed


def _turn(plane: np.ndarray, slope: np.ndarray, flat: bool) -> np.ndarray:
    """[T] speed in degrees per second from positions on a plane and their slopes per second."""
    (u, v), (du, dv) = plane.T, slope.T
    if flat:
        return np.hypot(du, dv)
    return np.rad2deg(np.sqrt(du**2 + dv**2 + (u * dv - v * du) ** 2) / (1 + u**2 + v**2))


def _slopes(gaze: Gaze, plane: np.ndarray, half: int, cut: np.ndarray) -> np.ndarray:
    """[T, 2] slope per second where a full window fits into a stretch; arbitrary elsewhere."""
    size, interval = 2 * half + 1, gaze.interval_ms
    step = np.diff(gaze.t_ms)[gaze.valid[1:] & gaze.valid[:-1] & ~cut[1:]]
    if np.abs(step - interval).max() <= _REGULAR * interval:
        return savgol_filter(plane, size, 2, deriv=1, delta=interval / 1000, axis=0, mode="constant")
    out = np.full_like(plane, np.nan)
    for start in range(half, len(gaze) - half, _CHUNK):
        stop = min(start + _CHUNK, len(gaze) - half)
        reach = slice(start - half, stop + half)
        out[start:stop] = _parabola_slope(gaze.t_ms[reach] / 1000, plane[reach], size)
    return out


def _parabola_slope(t: np.ndarray, xy: np.ndarray, size: int) -> np.ndarray:
    """Slope at the middle time of the parabola fitted to each window, by polynomials orthogonal on its times."""
    t = np.lib.stride_tricks.sliding_window_view(t, size)
    xy = np.lib.stride_tricks.sliding_window_view(xy, size, axis=0)  # [windows, 2, size]
    s = t - t.mean(1, keepdims=True)
    square = s * s
    var = square.mean(1, keepdims=True)
    skew = (square * s).mean(1, keepdims=True) / var
    bent = square - var - skew * s
    b = np.einsum("wk,wck->wc", s, xy) / square.sum(1)[:, None]
    c = np.einsum("wk,wck->wc", bent, xy) / np.square(bent).sum(1)[:, None]
    return b + c * (2 * s[:, size // 2, None] - skew)
