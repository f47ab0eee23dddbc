"""Microsaccades: velocity outliers in both axes, against a median-based spread (Engbert and Kliegl 2003)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gazekit.recordings.detectors.track import Track, check_positive, check_times
from gazekit.recordings.recording import Gaze, event_table
from gazekit.recordings.runs import runs
from gazekit.recordings.velocity import View

__all__ = ["Microsaccades"]


@dataclass(frozen=True)
class Microsaccades:
    """Saccades and microsaccades by relative velocity thresholds.

    Velocity over five samples, v_n = (x_{n+2} + x_{n+1} - x_{n-1} - x_{n-2}) / (the same sum of times), which is
    6 x interval for even steps; spread sigma^2 = median(v^2) - median(v)^2 of each axis over the whole stream; samples
    with (v_x / (factor sigma_x))^2 + (v_y / (factor sigma_y))^2 > 1; runs of at least `min_duration_ms`. With the
    other eye's stream, only those that share a sample's time with an event of that eye.

    Source: Engbert and Kliegl 2003 (Vision Research 43, 1035) for velocity, spread, factor 6 and overlap of both
    eyes; Engbert and Mergenthaler 2006 (PNAS 103, 7192). Three samples at 500 Hz are the 6 ms here. Deviations:
    `amplitude_dva` is the angle between first and last sample, not the range of positions; for a binocular
    pair, this eye's event is returned, not the union of both. Speeds are sqrt(v_x^2 + v_y^2) of azimuth and
    elevation, up to 6 % above the angle per second at 20 degrees. The spread is computed over the whole
    input: pass one fixation trial at a time (`Gaze.between`). Speeds at rates above 500 Hz are noisier, as
    the window is shorter.

    Args:
        threshold_factor: multiple of the spread.
        min_duration_ms: number of samples times their interval.
        max_amplitude_dva: events up to this amplitude are of kind "microsaccade", larger ones "saccade"; 1
            degree is the common convention.
    Raises:
        ValueError: a factor or amplitude that is not positive, a negative duration.
    """

    threshold_factor: float = 6.0
    min_duration_ms: float = 6.0
    max_amplitude_dva: float = 1.0

    def __post_init__(self) -> None:
        check_positive(threshold_factor=self.threshold_factor, max_amplitude_dva=self.max_amplitude_dva)
        check_times(min_duration_ms=self.min_duration_ms)

    def detect(self, gaze: Gaze, view: View, other: Gaze | None = None) -> pd.DataFrame:
        """Microsaccades and saccades of one eye.

        Args:
            view: the screen, the scene camera, or pixels per degree.
            other: the other eye on the same clock, for the binocular criterion.
        Returns:
            Events in the format of `IVT.detect` with `amplitude_dva` and `peak_velocity_dva_s`; empty without
            five consecutive samples.
        Raises:
            ValueError: a spread of 0: at least half of the velocities are equal, for instance because
                positions are coarsely rounded or samples repeated, so that movement cannot be distinguished
                from noise.
        """
        found = self._monocular(gaze, view)
        if other is not None:
            found = found[_overlap(found, self._monocular(other, view))]
        return event_table(found.reset_index(drop=True))

    def _monocular(self, gaze: Gaze, view: View) -> pd.DataFrame:
        track = Track.of(gaze, view)
        velocity = _five_sample_velocity(track)
        known = np.isfinite(velocity).all(1)
        outlying = np.zeros(len(gaze), bool)
        if known.any():
            v = velocity[known]
            sigma = np.sqrt(np.maximum(np.median(v**2, 0) - np.median(v, 0) ** 2, 0))
            if not (sigma > 0).all():
                axis = "xy"[int(np.argmin(sigma))]
                raise ValueError(
                    f"the spread of velocity along {axis} is 0: at least half of the {len(v)} velocities are equal, "
                    "so movement cannot be distinguished from noise. Are positions rounded or samples repeated?"
                )
            outlying[known] = ((v / (self.threshold_factor * sigma)) ** 2).sum(1) > 1
        first, last = runs(outlying, track.cut)
        if len(first):
            first, last = track.long(first, last, self.min_duration_ms - gaze.interval_ms)
        rows = track.moves("microsaccade", first, last, np.hypot(*velocity.T))
        rows.loc[rows["amplitude_dva"] > self.max_amplitude_dva, "kind"] = "saccade"
        return rows


def _five_sample_velocity(track: Track) -> np.ndarray:
    """[T, 2] degrees per second, NaN unless all five samples are valid and in one stretch."""
    out = np.full((len(track.gaze), 2), np.nan)
    if len(out) < 5:
        return out
    x, t = track.xy_dva, track.t_ms[:, None] / 1000
    rise, time = (a[4:] + a[3:-1] - a[1:-3] - a[:-4] for a in (x, t))
    out[2:-2] = rise / time
    first, last = runs(track.known, track.cut)
    full = np.zeros(len(out) + 1, np.int64)
    long = last - first >= 4
    full[first[long] + 2] += 1
    full[last[long] - 1] -= 1
    out[full.cumsum()[:-1] == 0] = np.nan
    return out


def _overlap(a: pd.DataFrame, b: pd.DataFrame) -> np.ndarray:
    """[A] bool, events of `a` that overlap one of `b`; both are sorted and do not overlap themselves."""
    if len(b) == 0:
        return np.zeros(len(a), bool)
    onset, offset = b["onset_ms"].to_numpy(), b["offset_ms"].to_numpy()
    following = np.searchsorted(offset, a["onset_ms"].to_numpy())
    return (following < len(b)) & (onset[np.minimum(following, len(b) - 1)] <= a["offset_ms"].to_numpy())
