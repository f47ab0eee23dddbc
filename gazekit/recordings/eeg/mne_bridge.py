"""Conversion of recordings to mne and back, with gaze times in seconds.

Data flow: `to_mne` puts samples on a regular grid and converts events and messages to annotations; `from_mne` does
the reverse (also for raw objects from `mne.io.read_raw_eyelink`). `alignment.align` uses this file's functions.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pandas as pd
from mne.io.constants import FIFF

from gazekit.errors import RecordingError
from gazekit.recordings.eeg.regular import interpolate, mean_step_ms, places
from gazekit.recordings.recording import (
    EVENT_COLUMNS,
    MESSAGE_COLUMNS,
    Recording,
    event_table,
)

__all__ = ["annotations_of", "channels_of", "from_mne", "raw_of", "to_mne"]

_SKIP = "BAD_ACQ_SKIP"
_TAKEN = (
    "onset",
    "duration",
    "description",
    "ch_names",
    "hed_string",
)  # names reserved in mne's extras
_SIDE = {-1.0: "left", 1.0: "right"}


def to_mne(recording: Recording, rate_hz: float | None = None) -> mne.io.RawArray:
    """A recording as `mne.io.RawArray` with channels of type eyegaze and pupil, named as in mne's EyeLink
    reader.

    mne supports only regular sampling. The grid begins at the first sample; its step is the mean step excluding gaps.
    Every stretch without a gap (`Gaze.pieces`) begins at the nearest grid point, at most half a sample off; within it
    no sample may be more than a quarter of a step from its grid point. Grid points without a sample are NaN and
    covered by a BAD_ACQ_SKIP annotation. Samples marked invalid by the tracker are NaN too. Second 0 is the first
    sample.

    Positions stay in pixels; pupils in mm are converted to m, mne's unit, others are "arbitrary". Events
    become annotations of their eye's channels (blinks "BAD_blink", as in mne's own reader) with their other
    values in `extras`; messages become annotations without channels. An event that outlasts the samples is
    cut at their end.

    Left out: sample columns other than positions and pupils; events and messages outside the samples, which mne
    cannot represent (a warning gives their number).

    Args:
        rate_hz: None: samples are kept. A number: linear interpolation to a grid at this rate; NaN where a
            neighbour is NaN or lies across a gap.
    Raises:
        RecordingError: fewer than two samples; irregular sampling with rate_hz=None; a grid of more than a
            million points and twenty times as many points as samples.
        ValueError: rate_hz that isn't positive.
    """
    gaze = recording.gaze()
    if len(gaze) < 2:
        raise RecordingError(f"{recording.path}: mne needs at least two samples, got {len(gaze)}")
    if rate_hz is not None and not 0 < rate_hz < np.inf:
        raise ValueError(f"rate_hz must be positive and finite, got {rate_hz!r}")
    t = gaze.t_ms
    step = 1000.0 / rate_hz if rate_hz else mean_step_ms(gaze)
    n = int(np.floor((t[-1] - t[0]) / step + 1e-6)) + 1
    if n > max(1e6, 20 * len(t) * max(1.0, gaze.interval_ms / step)):
        raise RecordingError(
            f"{recording.path}: {len(t)} samples are spread over {(t[-1] - t[0]) / 1000:.0f} s, a regular grid would "
            "be nearly empty; convert the parts to mne one by one"
        )
    names, values = channels_of(recording)
    if rate_hz:
        grid = t[0] + step * np.arange(n)
        data, missing = interpolate(gaze, values, grid)
    else:
        place = places(gaze, step, recording.path)
        data = np.full((len(values), int(place[-1]) + 1), np.nan)
        data[:, place] = values
        missing = np.ones(data.shape[1], bool)
        missing[place] = False
    raw = raw_of(names, data, 1000.0 / step, recording.pupil_unit)
    notes = annotations_of(recording, t[0], names)
    inside = (notes.onset >= 0) & (notes.onset <= raw.times[-1])
    if not inside.all():
        warnings.warn(
            f"{recording.path.name}: {(~inside).sum()} of {len(inside)} events and messages lie before the first or "
            "after the last sample and are left out of the mne object",
            stacklevel=2,
        )
    skips = _skips(missing, step / 1000)
    return raw.set_annotations(skips + notes[np.flatnonzero(inside)], verbose="error")


def from_mne(
    raw: mne.io.BaseRaw, size_px: tuple[int, int] | None = None, start_ms: float = 0.0, pupil_unit: str = ""
) -> Recording:
    """The gaze in a raw object as a recording; other channels are ignored.

    `from_mne(to_mne(r), r.size_px, r.samples.t_ms[0], r.pupil_unit)` has the gaze, events and messages of `r`, except
    that times of samples are those of the grid, invalid samples have no position, and every gap begins a new block.
    Fixations without a position, as mne's EyeLink reader makes them, get the mean of their samples.

    Args:
        raw: with eyegaze channels in pixels; combined gaze has no eye in its channels' `loc`.
        size_px: (width, height) of the screen, which mne doesn't store.
        start_ms: `t_ms` of the first sample of `raw`.
        pupil_unit: unit of pupils that mne calls arbitrary.
    Returns:
        A recording with the first file of `raw` as its path, "mne" without one. Annotations that name gaze or pupil
        channels are events, others messages; where BAD_ACQ_SKIP has no gaze there are no samples.
    Raises:
        RecordingError: no eyegaze channels, or units that aren't pixels.
    """
    path = Path(raw.filenames[0] or "mne")
    data, eyes, unit, side = _gaze_columns(raw, path)
    t = start_ms + 1000.0 * raw.times
    skipped = np.zeros(len(t), bool)
    onset, shift = raw.annotations.onset - raw.first_time, raw.info["sfreq"]
    for k in np.flatnonzero(raw.annotations.description == _SKIP):
        first, last = np.round(np.array([onset[k], onset[k] + raw.annotations.duration[k]]) * shift).astype(
            int
        )
        skipped[max(first, 0) : max(last, 0)] = True
    kept = ~(skipped & np.all([~np.isfinite(column) for column in data.values()], axis=0))
    samples = pd.DataFrame({"t_ms": t, **data})[kept].reset_index(drop=True)
    for eye in eyes:
        end = f"_{eye}" if eye else ""
        samples[f"valid{end}"] = np.isfinite(samples[[f"x_px{end}", f"y_px{end}"]]).all(axis=1)
    if not kept.all():
        samples["block"] = (np.cumsum(np.diff(kept, prepend=True) & kept))[kept]
    events, messages = _from_annotations(raw, start_ms, side)
    found = Recording(
        path=path, tracker="mne", samples=samples, events=events, messages=messages, eyes=eyes, size_px=size_px,
        pupil_unit=unit or pupil_unit,
    )  # fmt: skip
    return replace(found, events=_with_positions(found))


def channels_of(recording: Recording) -> tuple[list[str], np.ndarray]:
    """Names as mne's EyeLink reader gives them, and [C, T] values, NaN where the tracker calls a sample invalid."""
    names, rows = [], []
    for eye in recording.eyes:
        gaze, end = recording.gaze(eye), f"_{eye}" if eye else ""
        names += [f"xpos{end}", f"ypos{end}"]
        rows += [*gaze.xy_px.T]
        if gaze.pupil is not None:
            names.append(f"pupil{end or '_size'}")  # mne rejects a channel named like a type
            rows.append(gaze.pupil)
    return names, np.stack(rows)


def raw_of(
    names: list[str], data: np.ndarray, rate_hz: float, pupil_unit: str, first_samp: int = 0
) -> mne.io.RawArray:
    info = mne.create_info(names, rate_hz, "misc", verbose="error")
    raw = mne.io.RawArray(data, info, first_samp=first_samp, verbose="error")
    kinds = {}
    combined = not names[0].endswith(("_left", "_right"))
    for name in names:
        eye = "left" if combined else name.rpartition("_")[2]  # mne requires an eye
        unit = "px" if name[0] in "xy" else "mm" if pupil_unit == "mm" else "au"
        kinds[name] = ("eyegaze", unit, eye, name[0]) if name[0] in "xy" else ("pupil", unit, eye)
    mne.preprocessing.eyetracking.set_channel_types_eyetrack(raw, kinds)
    for channel in raw.info["chs"] if combined else ():
        channel["loc"][3] = np.nan  # no eye: the tracker's combined gaze
    return raw


def _skips(missing: np.ndarray, step_s: float) -> mne.Annotations:
    edges = np.flatnonzero(np.diff(missing, prepend=False, append=False))
    first, stop = edges[::2], edges[1::2]
    return mne.Annotations(first * step_s, (stop - first) * step_s, _SKIP)


def annotations_of(recording: Recording, start_ms: float, names: list[str]) -> mne.Annotations:
    """Events with the channels of their eye and their values as extras, then messages; seconds from start_ms."""
    events, messages = recording.events, recording.messages
    span = events["offset_ms"] - events["onset_ms"]
    duration = events["duration_ms"].fillna(span).fillna(0.0)
    extras = events.drop(columns=["kind", "onset_ms", "offset_ms", "duration_ms"])
    extras = extras.assign(beyond_offset_ms=duration - span)  # trackers define the offset differently
    extras = extras.rename(columns={name: f"{name}_" for name in _TAKEN})
    rows = [{k: v for k, v in map(_plain, row.items()) if v is not None} for row in extras.to_dict("records")]
    ours = {
        eye: tuple(n for n in names if eye in ("", n.rpartition("_")[2])) for eye in ("", *recording.eyes)
    }
    notes = mne.Annotations(
        (events["onset_ms"].to_numpy() - start_ms) / 1000,
        np.maximum(duration.to_numpy(), 0.0) / 1000,
        [f"BAD_{kind}" if kind == "blink" else kind for kind in events["kind"]],
        ch_names=[ours.get(eye, ours[""]) for eye in events["eye"]],
        extras=rows,
    )
    onset = (messages["t_ms"].to_numpy(float) - start_ms) / 1000
    return notes + mne.Annotations(onset, np.zeros(len(onset)), [str(text) for text in messages["text"]])


def _plain(item: tuple[str, Any]) -> tuple[str, str | int | float | None]:
    """A value that mne's extras can hold: None for a missing one, text for anything but text and numbers."""
    name, value = item
    if isinstance(value, str | int | float | np.number):
        return name, None if value != value else value
    return name, None if value is None or value is pd.NA or value is pd.NaT else str(value)


def _gaze_columns(
    raw: mne.io.BaseRaw, path: Path
) -> tuple[dict[str, np.ndarray], tuple[str, ...], str, dict[str, str]]:
    """Sample columns by name, the eyes, the pupil's unit and the eye of each channel."""
    columns, side, unit = {}, {}, ""
    kinds = raw.get_channel_types()
    for channel, kind in zip(raw.info["chs"], kinds, strict=True):
        if kind not in ("eyegaze", "pupil"):
            continue
        name, eye = channel["ch_name"], _SIDE.get(float(channel["loc"][3]), "")
        end, values = f"_{eye}" if eye else "", raw.get_data(picks=[name])[0]
        side[name] = eye
        if kind == "pupil":
            if channel["unit"] == FIFF.FIFF_UNIT_M:
                values, unit = values * 1000, "mm"
            columns[f"pupil{end}"] = values
        elif channel["unit"] != FIFF.FIFF_UNIT_PX:
            raise RecordingError(
                f"{path}: channel {name} is not in pixels; see mne's convert_units(to='pixels')"
            )
        else:
            columns[f"{'x' if channel['loc'][4] < 0 else 'y'}_px{end}"] = values
    eyes = tuple(eye for eye in ("left", "right", "") if f"x_px{'_' + eye if eye else ''}" in columns)
    if not eyes:
        raise RecordingError(f"{path}: no eyegaze channels among {', '.join(raw.ch_names[:8])}")
    return columns, eyes, unit, side


def _from_annotations(
    raw: mne.io.BaseRaw, start_ms: float, side: dict[str, str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    events: list[dict[str, Any]] = []
    messages = []
    notes = raw.annotations
    onsets_ms = start_ms + 1000 * (notes.onset - raw.first_time)
    for onset_ms, duration_s, text, channels, values in zip(
        onsets_ms, notes.duration, notes.description, notes.ch_names, notes.extras, strict=True
    ):
        of = {side[name] for name in channels if name in side}
        if not of and (text != _SKIP or duration_s == 0):
            messages.append((onset_ms, str(text)))
        elif of:
            extras = {k[:-1] if k[:-1] in _TAKEN else k: v for k, v in values.items()}
            duration_ms = 1000 * duration_s
            offset_ms = onset_ms + duration_ms - extras.pop("beyond_offset_ms", 0.0)
            kind = "blink" if text == "BAD_blink" else str(text)
            eye = extras.pop("eye", of.pop() if len(of) == 1 else "")
            times = dict(zip(EVENT_COLUMNS, (kind, eye, onset_ms, offset_ms, duration_ms), strict=False))
            events.append({**times, **extras})
    return event_table(events), pd.DataFrame(messages, columns=list(MESSAGE_COLUMNS))


def _with_positions(recording: Recording) -> pd.DataFrame:
    """Events in which fixations without a position get the mean of their samples; NaN without valid ones."""
    events = recording.events.copy()
    lacking = (events["kind"] == "fixation") & events["x_px"].isna()
    for eye, rows in events[lacking].groupby("eye"):
        gaze = recording.gaze(eye if eye in recording.eyes else "mean")
        for k, row in rows.iterrows():
            xy = gaze.between(row["onset_ms"], row["offset_ms"]).xy_px
            xy = xy[np.isfinite(xy).all(1)]
            if len(xy):
                events.loc[k, ["x_px", "y_px"]] = xy.mean(0)
    return events
