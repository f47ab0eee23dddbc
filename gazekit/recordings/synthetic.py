"""Synthetic gaze with known events: fixations, saccades on the main sequence, glissades, pursuit, blinks, noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.signal import lfilter
from scipy.special import betainc

from gazekit.geometry import Screen
from gazekit.recordings.detectors.track import Track, check_positive, check_times, join
from gazekit.recordings.recording import Gaze

__all__ = ["Synthetic", "SyntheticGaze"]

_SHAPE = 2.5, 3.0  # of a saccade's velocity profile: a beta density, steeper at the start
_TREMOR_HZ, _TREMOR_DVA = 90.0, 0.002
_DRIFT_DVA, _DRIFT_S = 0.05, 0.3
_PURSUIT_MS, _PURSUIT_DVA_S = (300.0, 800.0), (8.0, 20.0)
_GLISSADE_MS, _PUPIL, _LID_MS = 24.0, 1000.0, 30.0


class Synthetic(NamedTuple):
    """The gaze, its true events (columns as from `IVT.detect`) and its screen."""

    gaze: Gaze
    events: pd.DataFrame
    screen: Screen


@dataclass(frozen=True)
class SyntheticGaze:
    """A gaze generator: gaze targets are drawn at random, and the tracker adds white noise.

    Fixations last 150 ms plus an exponential time (mean 150 ms); during them the eye drifts
    (Ornstein-Uhlenbeck, SD 0.05 deg, 300 ms) with tremor (90 Hz, 0.002 deg). Saccades go anywhere on the
    inner screen in a straight line; they last 2.2 ms/deg x amplitude + 21 ms, with the velocity profile of a
    beta(2.5, 3) density: its peak is 1.8 times the mean, 420 deg/s for 10 deg. Glissades are a damped
    oscillation of 8 % of the saccade over 24 ms. Pursuit is straight, at a constant 8 to 20 deg/s for 300 to
    800 ms. A blink in the middle of a longer fixation loses 100 to 250 ms; the pupil (1000, SD 1) shrinks by
    half in the 30 ms before it and recovers after.

    Sources: main sequence of duration from Carpenter 1988 (Movements of the Eyes); the other numbers are of a
    magnitude typical of people, not a model of an individual.

    Args:
        rate_hz: samples per second.
        duration_s: length of the stream; the last event is truncated there.
        noise_dva: SD of white noise on each axis.
        blink_share, pursuit_share: share of fixations that contain a blink, and that are pursuit.
        glissade_share: share of saccades with a glissade.
        min_saccade_dva: smallest saccade.
        screen: 1920 x 1080 px, 53 cm wide, at 65 cm.
    Raises:
        ValueError: rates or durations that are not positive, shares outside 0 to 1, a screen that is too small for the
            smallest saccade or for pursuit.
    """

    rate_hz: float = 1000.0
    duration_s: float = 60.0
    noise_dva: float = 0.01
    blink_share: float = 0.05
    pursuit_share: float = 0.0
    glissade_share: float = 0.0
    min_saccade_dva: float = 1.5
    screen: Screen = Screen(1920, 1080, 53.0, 65.0)  # noqa: RUF009 (frozen)

    def __post_init__(self) -> None:
        check_positive(rate_hz=self.rate_hz, duration_s=self.duration_s)
        check_times(noise_dva=self.noise_dva, min_saccade_dva=self.min_saccade_dva)
        for name in ("blink_share", "pursuit_share", "glissade_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie between 0 and 1, got {getattr(self, name)}")
        path = _PURSUIT_MS[1] * _PURSUIT_DVA_S[1] / 1000 if self.pursuit_share else 0.0
        needed, there = max(self.min_saccade_dva, path), 0.9 * float(np.linalg.norm(self._reach))
        if needed > there:  # from the centre no target would be far enough
            raise ValueError(
                f"movements of {needed:g} degrees need a larger screen: this one allows at most {there:.1f}"
            )

    @property
    def _reach(self) -> np.ndarray:
        """[2] degrees from the centre within which gaze stays."""
        return np.abs(self.screen.px_to_dva(np.zeros(2))) * 0.9

    def make(self, seed: int = 0) -> Synthetic:
        """A stream and its events; the same seed gives the same.

        Returns:
            Every sample belongs to exactly one event; a blink splits its fixation in two. Onset and offset
            are the times of the first and last sample, as detectors give them; an event without samples is
            left out.
        """
        draw = np.random.default_rng(seed)
        t = np.arange(round(self.duration_s * self.rate_hz)) * (1000.0 / self.rate_hz)
        plan = self._plan(draw)
        event = np.searchsorted(plan["onset_ms"].to_numpy(), t, "right") - 1
        xy_dva = self._positions(plan, event, t) + self._drift(draw, len(t))
        clean = xy_dva.copy()
        xy_dva += draw.normal(0, self.noise_dva, xy_dva.shape) if self.noise_dva else 0.0
        blink = plan["kind"].to_numpy()[event] == "blink"
        xy_dva[blink] = np.nan
        pupil = np.where(blink, np.nan, self._pupil(plan, t) + draw.normal(0, 1, len(t)))
        gaze = Gaze(t, self.screen.dva_to_px(xy_dva), pupil)
        return Synthetic(gaze, self._truth(plan, event, Gaze(t, self.screen.dva_to_px(clean))), self.screen)

    def _plan(self, draw: np.random.Generator) -> pd.DataFrame:
        """Events in order: kind, onset_ms, duration_ms, and where each begins and ends in degrees."""
        rows, here, now = [], np.zeros(2), 0.0

        def add(kind: str, lasts: float, there: np.ndarray) -> None:
            nonlocal here, now
            rows.append((kind, now, lasts, *here, *there))
            here, now = there, now + lasts

        while now < self.duration_s * 1000:
            if draw.random() < self.pursuit_share:
                lasts = draw.uniform(*_PURSUIT_MS)
                path = draw.uniform(*_PURSUIT_DVA_S) * lasts / 1000
                away = self._target(draw, here, path) - here
                add("pursuit", lasts, here + away / np.linalg.norm(away) * path)
            elif draw.random() < self.blink_share:
                for kind, lasts in (("fixation", 200), ("blink", draw.uniform(100, 250)), ("fixation", 200)):
                    add(kind, lasts, here)
            else:
                add("fixation", 150 + draw.exponential(150), here)
            target = self._target(draw, here, self.min_saccade_dva)
            add("saccade", 2.2 * float(np.linalg.norm(target - here)) + 21, target)
            if draw.random() < self.glissade_share:
                add("glissade", _GLISSADE_MS, here)
                rows[-1] = (*rows[-1][:3], *rows[-2][3:5], *here)  # the oscillation is along the saccade
        names = ["kind", "onset_ms", "duration_ms", "x0", "y0", "x1", "y1"]
        return pd.DataFrame(rows, columns=names)

    def _target(self, draw: np.random.Generator, here: np.ndarray, least_dva: float) -> np.ndarray:
        """A position on the inner screen at least `least_dva` away."""
        while True:
            there = draw.uniform(-self._reach, self._reach)
            if np.linalg.norm(there - here) >= least_dva:
                return there

    def _positions(self, plan: pd.DataFrame, event: np.ndarray, t: np.ndarray) -> np.ndarray:
        """[T, 2] degrees without drift and noise."""
        onset, lasts = plan[["onset_ms", "duration_ms"]].to_numpy()[event].T
        start, end = plan[["x0", "y0"]].to_numpy()[event], plan[["x1", "y1"]].to_numpy()[event]
        share = np.clip((t - onset) / lasts, 0, 1)
        kind = plan["kind"].to_numpy()[event]
        done = np.select(
            [kind == "saccade", kind == "glissade"],
            [betainc(*_SHAPE, share), 1 + 0.08 * np.sin(2 * np.pi * share) * np.sin(np.pi * share)],
            share,
        )
        return start + (end - start) * done[:, None]

    def _drift(self, draw: np.random.Generator, count: int) -> np.ndarray:
        """[T, 2] a slow bounded walk and a tremor, not interrupted by events."""
        stay = np.exp(-1 / (self.rate_hz * _DRIFT_S))
        steps = draw.normal(0, _DRIFT_DVA * np.sqrt(1 - stay**2), (count, 2))
        phase = 2 * np.pi * (_TREMOR_HZ * np.arange(count)[:, None] / self.rate_hz + draw.random(2))
        return lfilter([1.0], [1.0, -stay], steps, axis=0) + _TREMOR_DVA * np.sin(phase)

    def _pupil(self, plan: pd.DataFrame, t: np.ndarray) -> np.ndarray:
        size = np.full(len(t), _PUPIL)
        blinks = plan[plan["kind"] == "blink"]
        for onset, lasts in zip(blinks["onset_ms"], blinks["duration_ms"], strict=True):
            a, b = np.searchsorted(t, [onset - _LID_MS, onset + lasts + _LID_MS])
            away = np.maximum(onset - t[a:b], t[a:b] - onset - lasts) / _LID_MS
            size[a:b] *= 0.5 + 0.5 * away.clip(0, 1)
        return size

    def _truth(self, plan: pd.DataFrame, event: np.ndarray, gaze: Gaze) -> pd.DataFrame:
        """The plan as a table of events, by the samples that fall into each."""
        track = Track.of(gaze, self.screen)
        speed = track.speed_dva_s(1e-9)  # over three samples
        first = np.flatnonzero(np.diff(event, prepend=-1))
        last = np.append(first[1:], len(event)) - 1
        kind = plan["kind"].to_numpy()[event[first]]
        moves = np.isin(kind, ["saccade", "glissade"])
        tables = [
            make(name, first[kind == name], last[kind == name], *more)
            for make, names, more in (
                (track.stays, np.unique(kind[~moves]), ()),
                (track.moves, np.unique(kind[moves]), (speed,)),
            )
            for name in names
        ]
        return join(*tables)
