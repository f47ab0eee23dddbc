"""Blinks: the eye is lost for about the duration of a lid closure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.ndimage import convolve1d

from gazekit.recordings.detectors.track import Track, check_positive, check_times
from gazekit.recordings.recording import Gaze, event_table
from gazekit.recordings.runs import cuts, runs

__all__ = ["Blinks"]


@dataclass(frozen=True)
class Blinks:
    """Blinks from lost samples, extended by the pupil's occlusion by the lid before and after.

    A sample is lost if it has no valid position, or if its pupil is 0 or unknown in a stream with a pupil. A run of
    lost samples, with tracked ones in the same block on both sides, that lasts from `min_ms` to `max_ms` is a blink.
    If the pupil is known, the blink begins where the pupil, averaged over `smooth_ms`, begins its
    uninterrupted fall, and ends where it stops rising, at most `max_lid_ms` on each side. All other runs
    (shorter, longer, at the edge of a block) are of kind "lost".

    Source: edges by the pupil's monotonic fall and rise after Hershman, Henik and Cohen 2018 (Behavior Research
    Methods 50, 107), 10 ms there; the duration limits are our convention. Samples that a tracker omits from
    its file produce no event: `quality` reports them as missing time.

    Args:
        min_ms, max_ms: shortest and longest run of lost samples, from first to last.
        smooth_ms: smoothing window of the pupil.
        max_lid_ms: longest fall or rise.
    Raises:
        ValueError: negative times, min_ms above max_ms, smooth_ms that is not positive.
    """

    min_ms: float = 50.0
    max_ms: float = 500.0
    smooth_ms: float = 10.0
    max_lid_ms: float = 100.0

    def __post_init__(self) -> None:
        check_times(min_ms=self.min_ms, max_ms=self.max_ms, max_lid_ms=self.max_lid_ms)
        check_positive(smooth_ms=self.smooth_ms)
        if self.min_ms > self.max_ms:
            raise ValueError(f"min_ms must not exceed max_ms, got {self.min_ms} and {self.max_ms}")

    def detect(self, gaze: Gaze) -> pd.DataFrame:
        """Events of kind "blink" and "lost", in the format of `IVT.detect`; positions are NaN."""
        pupil = None if gaze.pupil is None else np.asarray(gaze.pupil, np.float64)
        if pupil is not None and not (np.isfinite(pupil) & (pupil > 0)).any():
            pupil = None  # an empty column carries no information
        lost = ~gaze.valid
        if pupil is not None:
            lost |= ~(np.isfinite(pupil) & (pupil > 0))
        cut = cuts(gaze)
        first, last = runs(lost, cut)
        track = Track(gaze, gaze.xy_px, gaze.xy_px, cut, 0.0, True)
        lasts = gaze.t_ms[last] - gaze.t_ms[first]
        between = ~cut[first] & ~np.append(cut, True)[last + 1]
        blink = between & (lasts >= self.min_ms - 1e-6) & (lasts <= self.max_ms + 1e-6)
        if pupil is not None and blink.any():
            wider = self._lids(gaze, pupil, lost, cut, np.stack([first, last], 1)[blink])
            first[blink], last[blink] = wider.T
        rows = track.stays("blink", first, last)
        rows.loc[~blink, "kind"] = "lost"
        rows[["x_px", "y_px"]] = np.nan
        return event_table(rows)

    def _lids(
        self, gaze: Gaze, pupil: np.ndarray, lost: np.ndarray, cut: np.ndarray, spans: np.ndarray
    ) -> np.ndarray:
        """[E, 2] first and last, extended by the samples of the pupil's fall before and its rise after."""
        smooth = _smooth(np.where(lost, 0.0, pupil), ~lost, self.smooth_ms, gaze.interval_ms)
        limit = int(self.max_lid_ms / gaze.interval_ms + 1e-9)
        known_first, known_last = runs(~lost, cut)
        wider = spans.copy()
        for k, (a, b) in enumerate(spans):
            start = max(known_first[np.searchsorted(known_last, a - 1)], a - 1 - limit)
            stop = min(known_last[np.searchsorted(known_first, b + 1)], b + 1 + limit)
            wider[k] = (
                a - _streak(np.diff(smooth[start:a])[::-1] < 0),
                b + _streak(np.diff(smooth[b + 1 : stop + 1]) > 0),
            )
        return wider


def _streak(falls: np.ndarray) -> int:
    """Number of leading True."""
    return len(falls) if falls.all() else int(np.argmin(falls))


def _smooth(pupil: np.ndarray, known: np.ndarray, smooth_ms: float, interval_ms: float) -> np.ndarray:
    """Moving mean over the known samples around each."""
    size = max(1, 2 * int(smooth_ms / 2 / interval_ms + 1e-9) + 1)
    total, count = (convolve1d(x, np.ones(size), mode="constant") for x in (pupil, known.astype(np.float64)))
    return np.divide(total, count, out=np.zeros_like(total), where=count > 0)
