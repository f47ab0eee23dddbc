"""I-DT: fixations are where gaze stays within a small window (Salvucci and Goldberg 2000), in O(n log n)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from gazekit.recordings.detectors.track import Track, check_positive, check_times
from gazekit.recordings.recording import Gaze, event_table
from gazekit.recordings.runs import runs
from gazekit.recordings.velocity import View

__all__ = ["IDT"]


@dataclass(frozen=True)
class IDT:
    """Dispersion-threshold identification of fixations.

    Dispersion is (max x - min x) + (max y - min y) in degrees. The first window of `min_duration_ms` with dispersion
    <= the threshold grows sample by sample while its dispersion stays strictly below; that is a fixation. The
    search for the next one starts at the following sample. An invalid sample ends a window.

    Source: Salvucci and Goldberg 2000 (ETRA, 71); the defaults, 1 degree and 100 ms, are those of pymovements.
    Deviation of `compat="pymovements"`: the sample that exceeds the threshold is the fixation's last, the
    next fixation starts after it, and the shortest window has min_duration / interval samples, so that it is
    one interval shorter from first to last. Only for streams without invalid samples.

    Args:
        dispersion_dva: threshold.
        min_duration_ms: from the first to the last sample.
        max_gap_ms: gaps up to this long are interpolated linearly; 0 = none.
        compat: None, or "pymovements" for the offsets of that package.
    Raises:
        ValueError: a threshold or duration that is not positive, a negative gap, an unknown compat.
    """

    dispersion_dva: float = 1.0
    min_duration_ms: float = 100.0
    max_gap_ms: float = 0.0
    compat: Literal["pymovements"] | None = None

    def __post_init__(self) -> None:
        check_positive(dispersion_dva=self.dispersion_dva, min_duration_ms=self.min_duration_ms)
        check_times(max_gap_ms=self.max_gap_ms)
        if self.compat not in (None, "pymovements"):
            raise ValueError(f"compat must be None or 'pymovements', got {self.compat!r}")

    def detect(self, gaze: Gaze, view: View) -> pd.DataFrame:
        """Fixations of one stream, in the format of `IVT.detect`."""
        track = Track.of(gaze, view, self.max_gap_ms)
        shortest = self.min_duration_ms - (gaze.interval_ms if self.compat else 0.0)
        found: list[tuple[int, int]] = []
        for first, last in zip(*track.long(*runs(track.known, track.cut), shortest), strict=True):
            piece = track.t_ms[first : last + 1], track.xy_dva[first : last + 1]
            found += [(first + a, first + b) for a, b in self._piece(*piece, shortest)]
        spans = np.array(found, np.int64).reshape(-1, 2)
        return event_table(track.stays("fixation", spans[:, 0], spans[:, 1]))

    def _piece(self, t: np.ndarray, xy: np.ndarray, shortest: float) -> list[tuple[int, int]]:
        """First and last index of the fixations of a stretch without gaps."""
        end = np.searchsorted(t, t + (shortest - 1e-6))  # last sample of the shortest window from each
        end = end[end < len(t)]
        still = np.flatnonzero(window_dispersion(xy, end) <= self.dispersion_dva)
        found, start = [], 0
        while (k := np.searchsorted(still, start)) < len(still):
            start = still[k]
            last = _grow(xy, start, end[start], self.dispersion_dva)
            if self.compat and last + 1 < len(t) and _spread(xy[start : last + 1]) < self.dispersion_dva:
                last += 1
            found.append((int(start), int(last)))
            start = last + 1
        return found


def window_dispersion(xy: np.ndarray, end: np.ndarray) -> np.ndarray:
    """[W] dispersion of the windows i..end[i], by maxima and minima over powers of two."""
    start = np.arange(len(end))
    level = np.frexp(end - start + 1)[1] - 1  # the largest power of two within each window
    total = np.zeros(len(end))
    for column in xy.T:
        low, high, extent = column, column, np.zeros(len(end))
        for power in range(int(level.max(initial=-1)) + 1):
            here = start[level == power]
            there = end[here] + 1 - 2**power
            extent[here] = np.maximum(high[here], high[there]) - np.minimum(low[here], low[there])
            low = np.minimum(low[: -(2**power)], low[2**power :])
            high = np.maximum(high[: -(2**power)], high[2**power :])
        total += extent
    return total


def _spread(xy: np.ndarray) -> float:
    return float(np.ptp(xy, axis=0).sum())


def _grow(xy: np.ndarray, start: int, last: int, limit: float) -> int:
    """Last sample of the window from `start`, grown from `last` while its dispersion is below the limit."""
    low, high = xy[start : last + 1].min(0), xy[start : last + 1].max(0)
    step = 64
    while last + 1 < len(xy):
        ahead = xy[last + 1 : last + 1 + step]
        highs = np.maximum(np.maximum.accumulate(ahead), high)
        lows = np.minimum(np.minimum.accumulate(ahead), low)
        broken = np.flatnonzero((highs - lows).sum(1) >= limit)
        if len(broken):
            return last + int(broken[0])
        last, high, low, step = last + len(ahead), highs[-1], lows[-1], 2 * step
    return last
