"""Alignment of simultaneous gaze and EEG to one clock, by shared triggers.

Data flow: `trigger_times` reads times from messages or annotations; `align` matches them (`trigger_clock`),
converts the recording's times and resamples gaze at the EEG's samples (`regular`, `mne_bridge`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gazekit.recordings.eeg.mne_bridge import annotations_of, channels_of, from_mne, raw_of
from gazekit.recordings.eeg.regular import interpolate
from gazekit.recordings.eeg.trigger_clock import ClockFit, fit_clock, match_triggers, on_clock
from gazekit.recordings.recording import Recording

if TYPE_CHECKING:
    import mne

__all__ = ["Alignment", "align", "trigger_times"]


def trigger_times(source: mne.io.BaseRaw | Recording, pattern: str) -> np.ndarray:
    """[N] times, in seconds from the first sample, of messages or annotations that match a regular
    expression.

    The match is anchored at the start of the text.

    Stimulus channels: `mne.find_events(raw)`, then `(events[:, 0] - raw.first_samp) / raw.info["sfreq"]`.

    Raises:
        ValueError: nothing matches; a recording without samples.
    """
    if isinstance(source, Recording) and source.samples.empty:
        raise ValueError(f"{source.path}: no samples, so there is no first sample to count from")
    if isinstance(source, Recording):
        t_s = (source.messages["t_ms"].to_numpy(float) - source.samples["t_ms"].iloc[0]) / 1000
        texts = source.messages["text"].tolist()
    else:
        t_s, texts = source.annotations.onset - source.first_time, source.annotations.description.tolist()
    found = t_s[[re.match(pattern, text) is not None for text in texts]] if texts else t_s[:0]
    if len(found) == 0:
        raise ValueError(f"none of {len(texts)} messages or annotations matches {pattern!r}")
    return np.sort(found)


@dataclass(frozen=True, eq=False)
class Alignment:
    """Gaze on the clock of the EEG.

    Args:
        raw: the EEG with added gaze channels at its samples (NaN before and after the gaze) and gaze
            annotations.
        recording: all gaze samples and events, not resampled; t_ms = 0 at the first sample of the EEG.
        clock: the line from seconds of gaze to seconds of EEG; `rms_ms`, `max_ms`, `drift_ppm`, `offset_s`,
            `pairs`.
        unmatched: numbers of triggers in (EEG, gaze) without a counterpart.
    """

    raw: mne.io.BaseRaw
    recording: Recording
    clock: ClockFit
    unmatched: tuple[int, int]


def align(
    raw_eeg: mne.io.BaseRaw,
    gaze: Recording | mne.io.BaseRaw,
    t_eeg_s: np.ndarray,
    t_gaze_s: np.ndarray,
    codes: tuple[np.ndarray, np.ndarray] | None = None,
    paired: bool = False,
    max_rms_ms: float = 2.0,
) -> Alignment:
    """Put gaze on the clock of simultaneous EEG by triggers that both recorded.

    `match_triggers` pairs the triggers and tolerates missing or spurious ones on either device; the line
    t_eeg = offset + rate * t_gaze is fitted to the pairs by least squares. Gaze is then interpolated linearly
    at the samples of the EEG and added to a copy of it, whose own channels and annotations are unchanged.

    `mne.preprocessing.realign_raw` fits the same line (`clock.pairs` is its input), but it crops the EEG by
    whole samples, which leaves an offset of up to half a sample, rounds annotations again, and turns a whole
    channel into NaN if one sample is NaN, as in every recording with a blink. The tests compare the two on
    gaze without NaN.

    Args:
        raw_eeg: left as it is.
        gaze: a recording, or a raw object for `from_mne`.
        t_eeg_s, t_gaze_s: [N], [M] seconds from the first sample of either, as `trigger_times` gives them.
        codes: [N], [M] trigger codes; only equal codes are matched.
        paired: the lists are already paired, in order.
        max_rms_ms: largest accepted residual.
    Raises:
        ValueError: fewer than two samples of gaze; triggers that cannot be matched (see `match_triggers`) or
            do not lie on a line.
    """
    recording = gaze if isinstance(gaze, Recording) else from_mne(gaze)
    if len(recording.samples) < 2:
        raise ValueError(f"{recording.path}: {len(recording.samples)} samples of gaze, expected at least two")
    t_eeg, t_gaze = np.asarray(t_eeg_s, float), np.asarray(t_gaze_s, float)
    if paired:
        if t_eeg.shape != t_gaze.shape or t_eeg.ndim != 1 or len(t_eeg) < 3:
            raise ValueError(
                f"paired=True needs two lists of equal length >= 3, got {t_eeg.shape} and {t_gaze.shape}"
            )
        pairs = np.column_stack([np.arange(len(t_eeg))] * 2)
    else:
        pairs = match_triggers(t_eeg, t_gaze, codes)
    clock = fit_clock(t_eeg, t_gaze, pairs)
    if not clock.rms_ms <= max_rms_ms:
        worst = pairs[np.abs(clock.residuals_ms).argmax()]
        raise ValueError(
            f"the clocks do not match: {len(pairs)} triggers lie {clock.rms_ms:.2f} ms rms off the line (allowed: "
            f"{max_rms_ms:g}), {clock.max_ms:.2f} ms at most, at EEG trigger {worst[0]} and gaze trigger {worst[1]}. "
            "Possible causes are a clock that was set or paused during the recording, and trigger jitter; align the "
            "parts before and after separately"
        )
    moved = on_clock(recording, clock)
    names, values = channels_of(moved)
    data, _ = interpolate(moved.gaze(), values, 1000.0 * raw_eeg.times)
    raw = raw_eeg.copy().load_data(verbose="error")
    added = raw_of(names, data, raw.info["sfreq"], moved.pupil_unit, raw.first_samp)
    raw.add_channels([added], force_update_info=True)
    notes = annotations_of(moved, 0.0, names)
    notes = notes[np.flatnonzero((notes.onset >= 0) & (notes.onset <= raw.times[-1]))]
    own = raw.annotations.copy()
    own.append(
        notes.onset + raw.first_time,
        notes.duration,
        notes.description,
        notes.ch_names,
        extras=list(notes.extras),
    )
    if own.orig_time is None:  # then mne counts onsets from the first sample
        own.onset -= raw.first_time
    raw.set_annotations(own, verbose="error")
    return Alignment(raw, moved, clock, (len(t_eeg) - len(pairs), len(t_gaze) - len(pairs)))
