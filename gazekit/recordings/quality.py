"""Data quality of a recording: lost data, precision, sampling, accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from gazekit.recordings.recording import Eye, Gaze, Recording
from gazekit.recordings.runs import cuts, runs
from gazekit.recordings.velocity import View, angle_dva, is_flat, to_dva, velocity_dva_s

__all__ = ["gaze_quality", "quality"]

_BCEA_SHARE = 0.68
_STILL = 5.0  # medians of speed
_ROUNDING = 1e-6  # px/s: apparent speed of a still eye from rounding errors
_NO_SCREEN = "no screen and no scene camera: give screen=Screen(width_px, height_px, width_cm, distance_cm)"


def quality(
    recording: Recording, eye: Eye | None = None, window_ms: float = 200.0, view: View | None = None
) -> dict[str, Any]:
    """Quality of one stream of a recording, one number per key: `pd.DataFrame([quality(r) for r in ...])` is a table.

    Args:
        eye: as in `Recording.gaze`.
        window_ms: window of the precision measures.
        view: as in `gaze_quality`; None: the recording's screen, else its camera.
    Returns:
        recording, tracker, eye; what `gaze_quality` returns; accuracy from the file's validations:
        validations (their number for this eye), accuracy_mean_dva, accuracy_max_dva (the last one's mean and
        largest error); reasons: for each key whose value is NaN, why. Without a view, precision is given in
        pixels and is NaN in degrees.
    Raises:
        ValueError: an eye that was not recorded, a window that is not positive.
    """
    gaze = recording.gaze(eye)
    if view is None:
        view = recording.screen or recording.camera
    found = gaze_quality(gaze, view, window_ms)
    reasons = found.pop("reasons")
    accuracy, why = _accuracy(recording.validation, gaze.eye)
    about = {"recording": recording.path.name, "tracker": recording.tracker, "eye": gaze.eye}
    return about | found | accuracy | {"reasons": reasons | why}


def gaze_quality(gaze: Gaze, view: View | None = None, window_ms: float = 200.0) -> dict[str, Any]:
    """Lost data, sampling and precision of one stream.

    Precision is measured while the eye is still. A sample counts as still if its speed, by `velocity_dva_s`
    in pixels over 20 ms, is at most 5 times the median of the non-zero speeds (rounded positions often give
    zero): in pure noise 5.1 medians are 6 standard deviations of an axis, and no unit or detector is needed.
    Consecutive windows of `window_ms` cover each still stretch from its start (remainders and shorter
    stretches are left out); the median over windows is returned. In a window of n samples: RMS-S2S is the
    root of the mean square angle between successive samples; SD is sqrt(var x + var y), divisor n, of angles
    along two axes at right angles to the mean direction; BCEA, the area of the ellipse that holds 68 % of a
    normal distribution, is 2 pi k sd_x sd_y sqrt(1 - rho^2), k = -ln(1 - 0.68).

    Sources: RMS-S2S and SD as Holmqvist, Nyström and Mulvey 2012 (ETRA, 45); their use side by side as Niehorster,
    Zemblys, Beelders and Holmqvist 2020 (Behavior Research Methods 52, 2515); BCEA after Crossland and Rubin
    2002 (Optometry and Vision Science 79, 735). The rule for a still eye is ours. SD and BCEA include the
    eye's own movement within 200 ms, mainly drift.

    Args:
        view: the screen, the scene camera or pixels per degree; None: pixels only.
    Returns:
        samples; duration_ms (last time - first time); recorded_ms (summed length of the blocks, with one
        sample interval added per block); lost_share (invalid samples / samples); missing_share (time in steps
        of more than 1.5 intervals beyond one interval / recorded time); dropped_samples (how many would fit
        there); rate_hz, interval_ms (median step), interval_sd_ms, interval_max_ms (of steps within blocks);
        windows (their number); rms_s2s_px, sd_px, bcea_px2; rms_s2s_dva, sd_dva, bcea_dva2; reasons, as in
        `quality`.
    Raises:
        ValueError: a window that is not positive and finite.
    """
    if not 0 < window_ms < np.inf:
        raise ValueError(f"window_ms must be positive and finite, got {window_ms}")
    found = _sampling(gaze)
    reasons = {}
    if len(gaze) == 0:
        reasons |= dict.fromkeys(("lost_share", "duration_ms"), "no samples")
    for name in (
        "rate_hz",
        "interval_ms",
        "interval_sd_ms",
        "interval_max_ms",
        "recorded_ms",
        "missing_share",
    ):
        if np.isnan(found[name]):
            reasons[name] = "no two samples in one block"
    first, last = _windows(gaze, window_ms)
    found["windows"] = len(first)
    for unit, known in (("px", True), ("dva", view is not None)):
        names = [f"rms_s2s_{unit}", f"sd_{unit}", f"bcea_{unit}2"]
        values = [np.nan] * 3
        if known and len(first):
            xy = gaze.xy_px if unit == "px" else to_dva(gaze.xy_px, view)
            values = _precision(xy, first, last, unit == "px" or is_flat(view))
        elif not known:
            reasons |= dict.fromkeys(names, _NO_SCREEN)
        else:
            reasons |= dict.fromkeys(names, f"no {window_ms:g} ms window with a still eye and no lost sample")
        found |= dict(zip(names, values, strict=True))
    return found | {"reasons": reasons}


def _sampling(gaze: Gaze) -> dict[str, Any]:
    step = np.diff(gaze.t_ms)
    if gaze.block is not None:
        step = step[np.diff(gaze.block) == 0]
    count, interval = len(gaze), gaze.interval_ms
    late = step[step > 1.5 * interval] if len(step) else step
    pauses = max(count - len(step), 0)  # one interval for the last sample of each block
    recorded = float(step.sum() + pauses * interval) if len(step) else float("nan")
    return {
        "samples": count,
        "duration_ms": float(gaze.t_ms[-1] - gaze.t_ms[0]) if count else float("nan"),
        "recorded_ms": recorded,
        "lost_share": float(1 - gaze.valid.mean()) if count else float("nan"),
        "missing_share": float((late - interval).sum() / recorded) if len(step) else float("nan"),
        "dropped_samples": int((np.round(late / interval) - 1).sum()) if len(step) else 0,
        "rate_hz": gaze.rate_hz,
        "interval_ms": interval,
        "interval_sd_ms": float(step.std()) if len(step) else float("nan"),
        "interval_max_ms": float(step.max()) if len(step) else float("nan"),
    }


def _windows(gaze: Gaze, window_ms: float) -> tuple[np.ndarray, np.ndarray]:
    """First and last sample of windows of equal size, at least three samples, all valid and still."""
    if len(gaze) < 3 or not np.isfinite(gaze.interval_ms):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    size = max(3, round(window_ms / gaze.interval_ms))
    speed = velocity_dva_s(gaze.t_ms, gaze.xy_px, block=gaze.block, flat=True)
    moving = speed[speed > _ROUNDING]
    limit = _STILL * np.median(moving) if len(moving) else _ROUNDING
    first, last = runs(speed <= limit, cuts(gaze))
    count = (last - first + 1) // size
    number = np.arange(count.sum()) - np.repeat(count.cumsum() - count, count)
    start = np.repeat(first, count) + number * size
    return start, start + size - 1


def _precision(xy: np.ndarray, first: np.ndarray, last: np.ndarray, flat: bool) -> list[float]:
    """Medians over windows of RMS-S2S, SD, BCEA."""
    size = int(last[0] - first[0]) + 1
    step = np.zeros(len(xy))
    step[1:] = angle_dva(xy[:-1], xy[1:], flat) ** 2
    within = np.arange(size)
    parts = []
    for some in np.array_split(first, max(1, len(first) * size // 500_000)):
        samples = xy[some[:, None] + within]  # [windows, size, 2]
        samples = samples if flat else _around_mean(samples)
        x, y = np.moveaxis(samples - samples.mean(1, keepdims=True), -1, 0)
        xx, yy, xy_ = (x * x).mean(1), (y * y).mean(1), (x * y).mean(1)
        rms = np.sqrt(step[some[:, None] + within[1:]].mean(1))
        area = -2 * np.pi * np.log(1 - _BCEA_SHARE) * np.sqrt(np.maximum(xx * yy - xy_**2, 0))
        parts.append(np.stack([rms, np.sqrt(xx + yy), area]))
    return np.median(np.concatenate(parts, 1), axis=1).tolist()


def _around_mean(xy_dva: np.ndarray) -> np.ndarray:
    """[W, S, 2] azimuth and elevation to degrees around each window's mean direction, whose axes are true angles.

    Off the centre a degree of elevation is less than a degree between directions: 6 % less at 20 degrees azimuth.
    """
    ray = np.concatenate([np.tan(np.deg2rad(xy_dva)), np.ones((*xy_dva.shape[:2], 1))], 2)
    ray /= np.linalg.norm(ray, axis=2, keepdims=True)
    middle = ray.mean(1)
    across = np.cross([0.0, 1.0, 0.0], middle)
    axes = np.stack([across, np.cross(middle, across)], 2)  # [W, 3, 2]
    return np.rad2deg(ray @ (axes / np.linalg.norm(axes, axis=1, keepdims=True)))


def _accuracy(validation: pd.DataFrame, eye: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The last validation of this eye."""
    names = {"accuracy_mean_dva": "mean_error_dva", "accuracy_max_dva": "max_error_dva"}
    rows = validation
    if len(rows) and "eye" in rows and eye in ("left", "right"):
        rows = rows[rows["eye"] == eye]
    found: dict[str, Any] = {"validations": len(rows)}
    if len(rows) == 0 or eye == "mean":
        found |= dict.fromkeys(names, float("nan"))
        why = "validations are per eye" if len(rows) else "the file has no validation of this eye"
        return found, dict.fromkeys(names, why)
    row = rows.sort_values("t_ms", kind="stable").iloc[-1] if "t_ms" in rows else rows.iloc[-1]
    found |= {name: float(row[source]) if source in row else float("nan") for name, source in names.items()}
    return found, {
        name: f"the validation has no {source}" for name, source in names.items() if np.isnan(found[name])
    }
