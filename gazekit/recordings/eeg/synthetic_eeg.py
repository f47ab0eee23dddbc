"""Synthetic EEG and gaze of one session with known responses, clocks and fixations, for checking results.

Free viewing of pictures with pauses in between: each fixation and each picture onset adds its response to the EEG, one
part of it in proportion to the saccade; the eye tracker's clock runs fast and has another origin. Does not import mne.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gazekit.geometry import Screen
from gazekit.recordings.recording import Recording, event_table
from gazekit.recordings.velocity import angle_dva, to_dva

__all__ = ["KERNELS", "Session", "fixation_kernel", "onset_kernel", "slope_kernel", "synthetic_session"]

SCREEN = Screen(1920, 1080, 53.0, 70.0)
_HALF_DVA = np.array([15.0, 9.0])  # fixations stay within
_VIEW_S, _PAUSE_S, _FIRST_S = 6.0, 1.5, 2.0
_BLINK_S, _BLINK_V = 0.15, 150e-6
_START_MS = 5_000_000.0  # an eye tracker's clock does not start with the recording


def _bumps(t_s: np.ndarray, *parts: tuple[float, float, float]) -> np.ndarray:
    """Sum of Gaussians (microvolts, centre ms, width ms), in V."""
    t_ms = 1000 * np.asarray(t_s, np.float64)
    return 1e-6 * sum(a * np.exp(-((t_ms - m) ** 2) / (2 * s**2)) for a, m, s in parts)


def fixation_kernel(t_s: np.ndarray) -> np.ndarray:
    """Response to a fixation at the mean saccade, V: a lambda wave and what follows."""
    return _bumps(t_s, (5, 95, 16), (-3, 165, 24), (3, 320, 70))


def slope_kernel(t_s: np.ndarray) -> np.ndarray:
    """Change of that response per degree of the saccade before, V/dva."""
    return _bumps(t_s, (0.5, 90, 18), (-0.2, 180, 35))


def onset_kernel(t_s: np.ndarray) -> np.ndarray:
    """Response to a picture's onset, V."""
    return _bumps(t_s, (6, 105, 20), (-8, 170, 28), (9, 380, 90))


KERNELS = {"fixation": fixation_kernel, "saccade_amplitude_dva": slope_kernel, "stimulus": onset_kernel}
_KERNEL_S = 0.75  # all are zero before the event and, but for nanovolts, after this


@dataclass(frozen=True, eq=False)
class Session:
    """The recorded data and the ground truth.

    Args:
        eeg_v: [C, N] float64 V.
        eeg_hz: EEG sampling rate.
        eeg_trigger_s: [K] seconds from the first EEG sample, rounded to samples.
        recording: the eye tracker's recording, on its clock, with messages "TRIGGER <trial>".
        fixations: the true fixations: `onset_ms`, `offset_ms` on the clock of the EEG, `x_px`, `y_px`, and
            `saccade_amplitude_dva`, which is 0 without a saccade.
        trials: `trial`, `onset_ms`, `offset_ms` on the clock of the EEG.
        weights: [C] weight of the kernels in each channel.
        mean_amplitude_dva: the saccade amplitude to which `fixation_kernel` applies.
        drift_ppm, offset_s: EEG time = offset_s + (tracker's seconds since its first sample) / (1 + drift_ppm / 1e6).
    """

    eeg_v: np.ndarray
    eeg_hz: float
    eeg_trigger_s: np.ndarray
    recording: Recording
    fixations: pd.DataFrame
    trials: pd.DataFrame
    weights: np.ndarray
    mean_amplitude_dva: float
    drift_ppm: float
    offset_s: float


def synthetic_session(
    seed: int,
    minutes: float = 10.0,
    n_channels: int = 32,
    eeg_hz: float = 500.0,
    gaze_hz: float = 1000.0,
    drift_ppm: float = 500.0,
    offset_s: float = -1.2345,
    noise_v: float = 10e-6,
    mean_amplitude_dva: float = 5.0,
) -> Session:
    """Simulate a session.

    Fixations last gamma(6) * 40 ms (240 ms on average, at least 80 ms), saccade amplitudes are gamma(2)
    distributed and saccades last 21 ms + 2.2 ms/dva; in every pause the observer looks at the centre, and
    blinks in every second one. Noise is pink, 1/f in power above 0.1 Hz, independent for each channel.

    Args:
        minutes: at least 0.5.
        noise_v: standard deviation of the noise.
        drift_ppm, offset_s: see `Session`.
        mean_amplitude_dva: mean of the gamma that saccades are drawn from (the screen's edge makes them smaller),
            and the one at which the response is `fixation_kernel`.
    Raises:
        ValueError: less than half a minute.
    """
    if not minutes >= 0.5:
        raise ValueError(f"a session must last at least half a minute, got {minutes} min")
    rng = np.random.default_rng(seed)
    trials = _trials(rng, 60 * minutes)
    fixations, blinks = _fixations(rng, trials, mean_amplitude_dva)
    weights = np.linspace(1.0, 0.2, n_channels)
    n = round(60 * minutes * eeg_hz)
    source = np.zeros(n)
    slope = fixations["saccade_amplitude_dva"].to_numpy() - mean_amplitude_dva
    _add(source, eeg_hz, fixations["onset_ms"].to_numpy() / 1000, fixation_kernel)
    _add(source, eeg_hz, fixations["onset_ms"].to_numpy() / 1000, slope_kernel, slope)
    _add(source, eeg_hz, trials["onset_ms"].to_numpy() / 1000, onset_kernel)
    eeg = weights[:, None] * source + noise_v * _pink(rng, n_channels, n, eeg_hz)
    for onset in blinks:
        first, last = int(onset * eeg_hz), min(int((onset + _BLINK_S) * eeg_hz), n)
        eeg[:, first:last] += _BLINK_V * np.sin(np.pi * np.arange(last - first) / (_BLINK_S * eeg_hz))
    recording = _recording(rng, fixations, blinks, trials, gaze_hz, 60 * minutes, drift_ppm, offset_s)
    triggers = np.round(trials["onset_ms"].to_numpy() / 1000 * eeg_hz) / eeg_hz
    return Session(
        eeg, eeg_hz, triggers, recording, fixations, trials, weights, mean_amplitude_dva, drift_ppm, offset_s
    )


def _trials(rng: np.random.Generator, end_s: float) -> pd.DataFrame:
    onset = _FIRST_S + np.cumsum(_VIEW_S + _PAUSE_S + rng.uniform(0, 1, int(end_s / 7.5) + 1))
    onset = np.append(_FIRST_S, onset)
    onset = onset[onset + _VIEW_S + _PAUSE_S < end_s - 1]
    return pd.DataFrame(
        {"trial": np.arange(len(onset)), "onset_ms": 1000 * onset, "offset_ms": 1000 * (onset + _VIEW_S)}
    )


def _fixations(
    rng: np.random.Generator, trials: pd.DataFrame, mean_dva: float
) -> tuple[pd.DataFrame, list[float]]:
    """Fixations in seconds of the EEG, and onsets of blinks; a blink splits the fixation in a pause in two."""
    rows: list[tuple[float, float, float, float]] = []  # onset, offset, x, y in s and dva
    blinks: list[float] = []
    t, here = 0.3, np.zeros(2)

    def look(at: np.ndarray, until_s: float) -> None:
        nonlocal t, here
        t += (0.021 + 0.0022 * np.hypot(*(at - here))) if rows else 0.0
        rows.append((t, until_s, *at))
        t, here = until_s, at

    for trial, (start, end) in enumerate(trials[["onset_ms", "offset_ms"]].to_numpy() / 1000):
        pause = max(t + 0.4, start - 0.4 - rng.uniform(0, 0.3))
        look(np.zeros(2), pause if trial % 2 else start + rng.uniform(0.15, 0.3))
        if trial % 2:
            blinks.append(t)
            rows.append((t + _BLINK_S, max(t + _BLINK_S, start) + rng.uniform(0.15, 0.3), 0.0, 0.0))
            t = rows[-1][1]
        while t < end - 0.1:
            angle, size = rng.uniform(0, 2 * np.pi), rng.gamma(2.0, mean_dva / 2)
            at = here + size * np.array([np.cos(angle), np.sin(angle)])
            if (np.abs(at) < _HALF_DVA).all() and size > 0.5:
                look(at, t + 0.021 + 0.0022 * size + max(0.08, rng.gamma(6.0, 0.04)))
    onset, offset, x, y = np.array(rows).T
    xy = SCREEN.dva_to_px(np.column_stack([x, y]))
    amplitude = np.append(0.0, angle_dva(to_dva(xy[:-1], SCREEN), to_dva(xy[1:], SCREEN)))
    table = pd.DataFrame(
        {"onset_ms": 1000 * onset, "offset_ms": 1000 * offset, "x_px": xy[:, 0], "y_px": xy[:, 1]}
    )
    return table.assign(saccade_amplitude_dva=amplitude), blinks


def _add(signal: np.ndarray, rate_hz: float, onset_s: np.ndarray, kernel, scale=None) -> None:
    """Add the kernel at exact onsets, without rounding to samples."""
    length = int(_KERNEL_S * rate_hz) + 1
    first = np.ceil(onset_s * rate_hz).astype(int)
    at = first[:, None] + np.arange(length)
    value = kernel(at / rate_hz - onset_s[:, None]) * (1.0 if scale is None else np.asarray(scale)[:, None])
    inside = at < len(signal)
    np.add.at(signal, at[inside], value[inside])


def _pink(rng: np.random.Generator, n_channels: int, n: int, rate_hz: float) -> np.ndarray:
    """[C, N] noise with power 1/f, flat below 0.1 Hz, standard deviation 1."""
    scale = 1 / np.sqrt(np.maximum(np.fft.rfftfreq(n, 1 / rate_hz), 0.1))
    scale[0] = 0.0
    out = np.empty((n_channels, n))
    for row in out:
        row[:] = np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) * scale, n)
        row /= row.std()
    return out


def _recording(
    rng: np.random.Generator, fixations: pd.DataFrame, blinks: list[float], trials: pd.DataFrame,
    rate_hz: float, end_s: float, drift_ppm: float, offset_s: float,
) -> Recording:  # fmt: skip
    """The tracker's output: times to the ms of its own clock, smooth saccade profiles, NaN in blinks."""
    rate = 1 + drift_ppm / 1e6
    step = 1000.0 / rate_hz
    own = step * np.arange(int((end_s - offset_s) * rate * rate_hz))  # ms since its first sample
    truth = 1000 * offset_s + own / rate  # EEG's ms

    def stamp(eeg_ms: np.ndarray) -> np.ndarray:
        return _START_MS + np.round((np.asarray(eeg_ms) - 1000 * offset_s) * rate / step) * step

    onset, offset = fixations["onset_ms"].to_numpy(), fixations["offset_ms"].to_numpy()
    xy = fixations[["x_px", "y_px"]].to_numpy()
    of = np.clip(np.searchsorted(onset, truth, side="right") - 1, 0, len(onset) - 1)
    nxt = np.minimum(of + 1, len(onset) - 1)
    u = np.clip((truth - offset[of]) / np.maximum(onset[nxt] - offset[of], 1.0), 0, 1)
    moved = (u**3 * (10 - 15 * u + 6 * u**2))[:, None]  # a minimum-jerk path between positions
    gaze = xy[of] + moved * (xy[nxt] - xy[of]) + rng.normal(0, 0.02 * SCREEN.px_per_dva, (len(own), 2))
    pupil = 1000 + 50 * np.sin(2 * np.pi * truth / 8000)
    closed = np.zeros(len(own), bool)
    for start in blinks:
        closed |= (truth >= 1000 * start) & (truth < 1000 * (start + _BLINK_S))
    gaze[closed] = pupil[closed] = np.nan
    samples = {"t_ms": _START_MS + own, "x_px_left": gaze[:, 0], "y_px_left": gaze[:, 1]}
    samples |= {"pupil_left": pupil, "valid_left": ~closed}
    blink_ms = 1000 * np.array(blinks)
    seen = [
        pd.DataFrame({"kind": "fixation", "onset_ms": stamp(onset), "offset_ms": stamp(offset)})
        .assign(x_px=xy[:, 0], y_px=xy[:, 1]),
        pd.DataFrame({"kind": "blink", "onset_ms": stamp(blink_ms), "offset_ms": stamp(blink_ms + 1000 * _BLINK_S)}),
    ]  # fmt: skip
    events = pd.concat([part for part in seen if len(part)]).assign(eye="left")
    events["duration_ms"] = events["offset_ms"] - events["onset_ms"]
    texts = [f"TRIGGER {k}" for k in trials["trial"]]
    return Recording(
        path=Path("synthetic"), tracker="synthetic", samples=pd.DataFrame(samples), events=event_table(events),
        messages=pd.DataFrame({"t_ms": stamp(trials["onset_ms"]), "text": texts}), eyes=("left",),
        size_px=(SCREEN.width_px, SCREEN.height_px), screen=SCREEN, pupil_unit="diameter",
    )  # fmt: skip
