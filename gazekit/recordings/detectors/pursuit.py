"""Smooth pursuit among events that look like fixations (Larsson et al. 2015)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gazekit.recordings.detectors.track import Track, check_positive
from gazekit.recordings.recording import Gaze
from gazekit.recordings.velocity import View

__all__ = ["Pursuit"]


@dataclass(frozen=True)
class Pursuit:
    """Flags fixations whose path is long, straight and directed.

    Positions are means over `bin_ms`, so that noise does not lengthen the path. d1, d2 are the extents along the
    first and second principal component, d the distance from the first to the last mean, L the length of the path
    and R the diagonal of the bounding box. Pursuit if d2 / d1 < `max_flatness`, d / d1 > `min_consistency`,
    d / L > `min_displacement` and R > `min_range_dva`.

    Source: the four measures and their limits 0.45, 0.5, 0.2 and 1.9 degrees are those of Larsson, Nyström,
    Andersson and Stridh 2015 (Biomedical Signal Processing and Control 18, 145). Deviations: they judge segments of
    constant direction within an interval between saccades and join them; here an event is judged as a whole,
    all four must hold, and positions are averaged. A fixation that turns into pursuit without a saccade is
    not split.

    Args:
        max_flatness, min_consistency, min_displacement: ratios.
        min_range_dva: degrees.
        bin_ms: bin over which positions are averaged.
    Raises:
        ValueError: a value that is not positive and finite.
    """

    max_flatness: float = 0.45
    min_consistency: float = 0.5
    min_displacement: float = 0.2
    min_range_dva: float = 1.9
    bin_ms: float = 20.0

    def __post_init__(self) -> None:
        check_positive(**{name: getattr(self, name) for name in self.__dataclass_fields__})

    def flag(self, events: pd.DataFrame, gaze: Gaze, view: View) -> pd.DataFrame:
        """The events, with kind "pursuit" in place of "fixation" where the criteria hold.

        Args:
            events: with `kind`, and `first` and `last` that index `gaze`, as detectors give them.
            view: the screen, the scene camera, or pixels per degree.
        Returns:
            A copy of the table. Fixations with fewer than three bins with a valid sample are unchanged.
        Raises:
            ValueError: no columns `first` and `last`, or indices outside the stream.
        """
        if not {"kind", "first", "last"} <= set(events.columns):
            raise ValueError(
                "events need the columns kind, first and last (sample indices); "
                f"these have {', '.join(map(str, events.columns))}"
            )
        events = events.copy()
        chosen = np.flatnonzero(events["kind"] == "fixation")
        first, last = (events[name].to_numpy(np.int64)[chosen] for name in ("first", "last"))
        if len(chosen) and (first.min() < 0 or last.max() >= len(gaze)):
            raise ValueError(f"events hold samples up to {last.max()}, the stream has {len(gaze)}")
        track = Track.of(gaze, view)
        spans = zip(chosen, first, last, strict=True)
        moving = [row for row, a, b in spans if self._moves(track, slice(a, b + 1))]
        events.loc[events.index[moving], "kind"] = "pursuit"
        return events

    def _moves(self, track: Track, span: slice) -> bool:
        known = track.known[span]
        xy, t = track.xy_dva[span][known], track.t_ms[span][known]
        if len(xy) < 3 or np.hypot(*np.ptp(xy, axis=0)) <= self.min_range_dva:  # means have a smaller range
            return False
        bins = ((t - t[0]) // self.bin_ms).astype(np.int64)
        starts = np.flatnonzero(np.diff(bins, prepend=-1))
        if len(starts) < 3:
            return False
        xy = np.add.reduceat(xy, starts) / np.diff(np.append(starts, len(xy)))[:, None]
        centred = xy - xy.mean(0)
        d1, d2 = np.ptp(centred @ np.linalg.svd(centred, full_matrices=False)[2].T, axis=0)
        distance = float(np.hypot(*(xy[-1] - xy[0])))
        path = float(np.hypot(*np.diff(xy, axis=0).T).sum())
        extent = float(np.hypot(*np.ptp(xy, axis=0)))
        return bool(
            d2 < self.max_flatness * d1
            and distance > self.min_consistency * d1
            and distance > self.min_displacement * path
            and extent > self.min_range_dva
        )
