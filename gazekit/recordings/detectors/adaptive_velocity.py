"""Saccades, glissades and fixations by velocity thresholds that adapt to noise (Nyström and Holmqvist 2010)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gazekit.recordings.detectors.track import Track, check_positive, check_times, join
from gazekit.recordings.recording import Gaze
from gazekit.recordings.runs import runs
from gazekit.recordings.velocity import View

__all__ = ["AdaptiveVelocity", "Thresholds"]

_MAX_ROUNDS = 200
_MIN_SD = 1 / 6  # deg/s: the peak threshold, 6 SD above the mean, is only accurate to 1 deg/s


@dataclass(frozen=True)
class Thresholds:
    """Speeds in degrees per second: the threshold for a saccade's peak, and for its onset."""

    peak_dva_s: float
    onset_dva_s: float


@dataclass(frozen=True)
class AdaptiveVelocity:
    """Adaptive velocity thresholds.

    1. Speed by `velocity_dva_s`. Stretches faster than any eye movement (speed or acceleration above the
        limits), extended to where speed falls to its median, are noise.
    2. Peak threshold: from `start_dva_s`, mean + 6 SD of all speeds below it, until it changes by less than 1 deg/s.
       Onset threshold: mean + 3 SD of the same.
    3. Saccade: around each run above the peak threshold, back to the first local minimum of speed below the
        onset threshold and forward to the first below the offset threshold, 0.7 x onset threshold + 0.3 x
        (mean + 3 SD of the `min_fixation_ms` before the onset); only the onset threshold if that period has a
        gap or its own noise exceeds the peak threshold.
    4. Glissade (post-saccadic oscillation): if the offset threshold is exceeded again within `min_fixation_ms` after
       a saccade, up to the next local minimum below it; not if it is faster than the saccade or lasts longer
       than twice `min_fixation_ms`.
    5. Fixation: what remains, if it lasts long enough.

    Source: Nyström and Holmqvist 2010 (Behavior Research Methods 42, 188), whose values are the defaults.
    Deviations: one kind of glissade (theirs are split by the peak threshold); a saccade interrupted by a gap
    or noise before its onset or offset is known is not an event, and its samples belong to no fixation; an SD
    below 1/6 deg/s is raised to that, so that rounding errors of a still eye are not saccades. Local minima
    and 40 ms of noise need enough samples: intended for 500 Hz and above (theirs: 1250 Hz).

    Args:
        start_dva_s: first peak threshold; theirs is 100 to 300.
        min_saccade_ms, min_fixation_ms: shortest events, from first to last sample.
        max_velocity_dva_s, max_acceleration_dva_s2: limits above which samples are noise.
        window_ms: window of `velocity_dva_s`.
        max_gap_ms: gaps up to this long are interpolated linearly; 0 = none.
    Raises:
        ValueError: a limit or window that is not positive, a negative time.
    """

    start_dva_s: float = 100.0
    min_saccade_ms: float = 10.0
    min_fixation_ms: float = 40.0
    max_velocity_dva_s: float = 1000.0
    max_acceleration_dva_s2: float = 100_000.0
    window_ms: float = 20.0
    max_gap_ms: float = 0.0

    def __post_init__(self) -> None:
        check_positive(
            start_dva_s=self.start_dva_s,
            min_fixation_ms=self.min_fixation_ms,
            max_velocity_dva_s=self.max_velocity_dva_s,
            max_acceleration_dva_s2=self.max_acceleration_dva_s2,
            window_ms=self.window_ms,
        )
        check_times(min_saccade_ms=self.min_saccade_ms, max_gap_ms=self.max_gap_ms)

    def detect(self, gaze: Gaze, view: View) -> pd.DataFrame:
        """Fixations, saccades and glissades, in the format of `IVT.detect`; empty if no sample has a speed."""
        track = Track.of(gaze, view, self.max_gap_ms)
        speed = self._plausible(track)
        saccades, glissades, taken = [], [], np.zeros(len(gaze), bool)
        if np.isfinite(speed).any():
            saccades, glissades, taken = self._fast(track, speed, self.thresholds(speed))
        still = track.long(*runs(np.isfinite(speed) & ~taken, track.cut), self.min_fixation_ms)
        return join(
            track.stays("fixation", *still),
            track.moves("saccade", *_columns(saccades), speed),
            track.moves("glissade", *_columns(glissades), speed),
        )

    def thresholds(self, velocity_dva_s: np.ndarray) -> Thresholds:
        """Step 2, from the finite values of [T] speeds.

        Raises:
            ValueError: no speed is below `start_dva_s`, or the threshold does not converge.
        """
        speed = velocity_dva_s[np.isfinite(velocity_dva_s)]
        peak = self.start_dva_s
        for _ in range(_MAX_ROUNDS):
            below = speed[speed < peak]
            if len(below) == 0:
                raise ValueError(f"no speed below {peak:g} deg/s to estimate noise from: raise start_dva_s")
            mean, sd = float(below.mean()), max(float(below.std()), _MIN_SD)
            before, peak = peak, mean + 6 * sd
            if abs(before - peak) < 1.0:
                return Thresholds(peak, mean + 3 * sd)
        raise ValueError(f"the peak threshold does not converge from start_dva_s={self.start_dva_s:g} deg/s")

    def _plausible(self, track: Track) -> np.ndarray:
        """Speed with NaN in noise."""
        speed = track.speed_dva_s(self.window_ms)
        if len(speed) < 2:
            return speed
        acceleration = np.abs(np.gradient(speed, track.t_ms / 1000))
        wild = (speed > self.max_velocity_dva_s) | (acceleration > self.max_acceleration_dva_s2)
        if wild.any():
            first, last = runs(speed > np.nanmedian(speed), track.cut)
            count = np.append(0, np.cumsum(wild))
            noisy = count[last + 1] > count[first]
            speed = speed.copy()
            speed[wild] = np.nan
            for a, b in zip(first[noisy], last[noisy], strict=True):
                speed[a : b + 1] = np.nan
        return speed

    def _fast(
        self, track: Track, speed: np.ndarray, limits: Thresholds
    ) -> tuple[list[tuple[int, int]], list[tuple[int, int]], np.ndarray]:
        """Steps 3 and 4: saccades, glissades, and [T] bool, samples excluded from fixations."""
        low = _Lows(speed, track.cut)
        near = max(1, round(self.min_fixation_ms / track.gaze.interval_ms))
        taken = np.zeros(len(speed), bool)
        saccades, glissades, free = [], [], 0
        for a, b in zip(*runs(speed > limits.peak_dva_s, track.cut), strict=True):
            if a < free:  # part of the previous event
                continue
            onset = low.before(a, limits.onset_dva_s, free)
            off = limits.onset_dva_s if onset is None else low.offset_threshold(onset, near, limits)
            offset = low.after(b, off)
            start, stop = (a if onset is None else onset), (b if offset is None else offset)
            taken[start : stop + 1] = True
            free = stop + 1
            if (
                onset is None
                or offset is None
                or track.t_ms[stop] - track.t_ms[start] < self.min_saccade_ms - 1e-6
            ):
                continue
            saccades.append((start, stop))
            end = self._glissade(track, speed, low, (start, stop), off, near)
            if end is not None:
                glissades.append((stop + 1, end))
                taken[stop + 1 : end + 1] = True
                free = end + 1
        return saccades, glissades, taken

    def _glissade(
        self, track: Track, speed: np.ndarray, low: _Lows, saccade: tuple[int, int], off: float, near: int
    ) -> int | None:
        """Last sample of the glissade after a saccade, if there is one."""
        start, stop = saccade
        above = np.flatnonzero(speed[stop + 1 : stop + 1 + near] > off)
        end = low.after(stop + 1 + int(above[-1]), off) if len(above) else None
        if end is None or track.cut[stop + 1 : end + 1].any():
            return None
        slower = speed[stop + 1 : end + 1].max() < speed[start : stop + 1].max()
        short = track.t_ms[end] - track.t_ms[stop + 1] <= 2 * self.min_fixation_ms
        return end if slower and short else None


class _Lows:
    """Local minima of speed before and after a sample within its stretch."""

    def __init__(self, speed: np.ndarray, cut: np.ndarray) -> None:
        self.speed = speed
        known = np.isfinite(speed)
        self.first, self.last = runs(known, cut)
        padded = np.concatenate([[np.inf], np.where(known, speed, np.inf), [np.inf]])
        self.falls = np.flatnonzero(known & (padded[:-2] >= speed))  # no faster than the sample before
        self.rises = np.flatnonzero(known & (padded[2:] >= speed))  # no faster than the sample after

    def before(self, at: int, limit: float, free: int) -> int | None:
        """Last sample before `at`, not before `free`, slower than the limit and no faster than the one before it."""
        edge = max(free, self._start(at))
        found = self.falls[np.searchsorted(self.falls, edge) : np.searchsorted(self.falls, at)]
        found = found[self.speed[found] < limit]
        return int(found[-1]) if len(found) else None

    def after(self, at: int, limit: float) -> int | None:
        """First sample after `at` slower than the limit and no faster than the one after it."""
        edge = self.last[np.searchsorted(self.last, at)]
        start, stop = np.searchsorted(self.rises, [at + 1, edge + 1])
        while start < stop:
            part = self.rises[start : min(start + 64, stop)]
            slow = np.flatnonzero(self.speed[part] < limit)
            if len(slow):
                return int(part[slow[0]])
            start += 64
        return None

    def offset_threshold(self, onset: int, near: int, limits: Thresholds) -> float:
        """0.7 of the onset threshold + 0.3 of the noise of the `near` samples before the onset."""
        if onset - near < self._start(onset):
            return limits.onset_dva_s
        calm = self.speed[onset - near : onset]
        noise = float(calm.mean() + 3 * calm.std())
        return 0.7 * limits.onset_dva_s + 0.3 * noise if noise < limits.peak_dva_s else limits.onset_dva_s

    def _start(self, at: int) -> int:
        """First sample of the stretch that holds this one."""
        return int(self.first[np.searchsorted(self.first, at, "right") - 1])


def _columns(spans: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    first, last = np.array(spans, np.int64).reshape(-1, 2).T
    return first, last
