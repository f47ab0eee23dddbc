"""I-VT: fixations are where the eye is slower than a threshold (Salvucci and Goldberg 2000)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gazekit.recordings.detectors.track import Track, check_positive, check_times, join
from gazekit.recordings.recording import Gaze
from gazekit.recordings.runs import runs
from gazekit.recordings.velocity import View

__all__ = ["IVT"]


@dataclass(frozen=True)
class IVT:
    """Velocity-threshold identification of fixations, and of the saccades between them.

    A sample whose speed is strictly below the threshold is part of a fixation, one at or above it part of a
    saccade; runs of such samples are events if they last long enough from first to last sample. A sample
    without a speed belongs to neither and ends both. Pursuit below the threshold is classified as fixation:
    see `Pursuit`.

    Source: Salvucci and Goldberg 2000 (ETRA, 71). Defaults: 30 deg/s over 20 ms and fixations of 60 ms, the settings of
    Tobii's filter (Olsen 2012, The Tobii I-VT Fixation Filter). Deviations from that filter: its speed is the angle
    between the first and last sample of a window divided by their time; it can bridge gaps of up to 75 ms
    (`max_gap_ms`), and it merges fixations less than 75 ms and 0.5 degrees apart, which is not done here.
    pymovements uses 20 deg/s and 100 ms.

    Smoothed over 20 ms, saccades below about 0.5 degrees stay under 30 deg/s and are not detected. A shorter
    window detects smaller ones but is noisier: `IVT(window_ms=16, min_duration_ms=40)` is closer to EyeLink's
    own events.

    Args:
        threshold_dva_s: speed of the slowest saccade sample.
        min_duration_ms: shortest fixation.
        min_saccade_ms: shortest saccade; shorter runs are not events but still separate two fixations.
        window_ms: window of `velocity_dva_s`.
        max_gap_ms: gaps up to this long are interpolated linearly; 0 = none.
    Raises:
        ValueError: a threshold or window that is not positive, a negative time.
    """

    threshold_dva_s: float = 30.0
    min_duration_ms: float = 60.0
    min_saccade_ms: float = 10.0
    window_ms: float = 20.0
    max_gap_ms: float = 0.0

    def __post_init__(self) -> None:
        check_positive(threshold_dva_s=self.threshold_dva_s, window_ms=self.window_ms)
        check_times(
            min_duration_ms=self.min_duration_ms,
            min_saccade_ms=self.min_saccade_ms,
            max_gap_ms=self.max_gap_ms,
        )

    def detect(self, gaze: Gaze, view: View, velocity_dva_s: np.ndarray | None = None) -> pd.DataFrame:
        """Fixations and saccades of one stream.

        Args:
            view: the screen, the scene camera, or pixels per degree.
            velocity_dva_s: [T] precomputed speed of each sample; `window_ms` then has no effect.
        Returns:
            Events with `first`, `last` (inclusive sample indices; onset and offset are their times). `x_px, y_px`
            are the mean of a fixation and the start of a saccade. Empty if no sample has a speed.
        Raises:
            ValueError: velocities that are not [T].
        """
        track = Track.of(gaze, view, self.max_gap_ms)
        speed = (
            track.speed_dva_s(self.window_ms) if velocity_dva_s is None else np.asarray(velocity_dva_s, float)
        )
        if speed.shape != (len(gaze),):
            raise ValueError(f"velocity_dva_s must be [{len(gaze)}], got {list(speed.shape)}")
        slow = track.long(*runs(speed < self.threshold_dva_s, track.cut), self.min_duration_ms)
        fast = track.long(*runs(speed >= self.threshold_dva_s, track.cut), self.min_saccade_ms)
        return join(track.stays("fixation", *slow), track.moves("saccade", *fast, speed))
