"""Gaze and EEG that were recorded side by side, on one clock, by the triggers both of them saw.

Data flow: `trigger_times` reads times out of messages or annotations, `align` matches them (`trigger_clock`),
converts the recording's times and puts gaze on the samples of the EEG (`regular`, `mne_bridge`).
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
    """[N] seconds from the first sample at which a message or annotation matches a regular expression from its start.

    Stimulus channels: `mne.find_events(raw)`, then `(events[:, 0] - raw.first_samp) / raw.info["sfreq"]`.

    Raises:
        ValueError: nothing matches; a recording without samples.
    """
    if isinstance(source, Recording) and source.samples.empty:
        raise ValueError(f"{source.path}: no samples, so no first one to count from")
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
        raw: the EEG with the gaze's channels on its samples (NaN before and after the gaze) and the gaze's annotations.
        recording: all samples and events of the gaze, unresampled; t_ms = 0 at the first sample of the EEG.
        clock: the line from seconds of gaze to seconds of EEG; `rms_ms`, `max_ms`, `drift_ppm`, `offset_s`, `pairs`.
        unmatched: triggers of (EEG, gaze) that the other doesn't have.
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

    Pairs of triggers are found by `match_triggers`, so that either device may have missed or invented some; the line
    t_eeg = offset + rate * t_gaze goes through them by least squares. Gaze is then read, by linear interpolation, at
    the samples of the EEG; a copy of the EEG gets it, its own channels and annotations are untouched.

    `mne.preprocessing.realign_raw` fits the same line (`clock.pairs` is what it needs), but it crops the EEG by whole
    samples, so that up to half a sample of offset stays, rounds once more for annotations, and makes a channel NaN
    altogether if one sample is, as in every recording with a blink. The tests compare the two on gaze without NaN.

    Args:
        raw_eeg: left as it is.
        gaze: a recording, or a raw object for `from_mne`.
        t_eeg_s, t_gaze_s: [N], [M] seconds from the first sample of either, as `trigger_times` gives them.
        codes: [N], [M] codes; only equal ones can be the same trigger.
        paired: the lists are pairs already, in order.
        max_rms_ms: refused above.
    Raises:
        ValueError: under two samples of gaze; triggers that cannot be matched (see `match_triggers`), or a line they
            don't lie on.
    """
    recording = gaze if isinstance(gaze, Recording) else from_mne(gaze)
    if len(recording.samples) < 2:
        raise ValueError(
            f"{recording.path}: {len(recording.samples)} samples of gaze, two or more are needed"
        )
    t_eeg, t_gaze = np.asarray(t_eeg_s, float), np.asarray(t_gaze_s, float)
    if paired:
        if t_eeg.shape != t_gaze.shape or t_eeg.ndim != 1 or len(t_eeg) < 3:
            raise ValueError(
                f"pairs need two lists of equal length >= 3, got {t_eeg.shape} and {t_gaze.shape}"
            )
        pairs = np.column_stack([np.arange(len(t_eeg))] * 2)
    else:
        pairs = match_triggers(t_eeg, t_gaze, codes)
    clock = fit_clock(t_eeg, t_gaze, pairs)
    if not clock.rms_ms <= max_rms_ms:
        worst = pairs[np.abs(clock.residuals_ms).argmax()]
        raise ValueError(
            f"the clocks do not fit: {len(pairs)} triggers lie {clock.rms_ms:.2f} ms rms off the line (allowed: "
            f"{max_rms_ms:g}), {clock.max_ms:.2f} ms at most, at EEG trigger {worst[0]} and gaze trigger {worst[1]}. "
            "A clock that was set or paused during the recording does this, and so do triggers that jitter; align the "
            "parts before and after one by one"
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
    if own.orig_time is None:  # then mne counts what it is given from the first sample
        own.onset -= raw.first_time
    raw.set_annotations(own, verbose="error")
    return Alignment(raw, moved, clock, (len(t_eeg) - len(pairs), len(t_gaze) - len(pairs)))
