"""Pupil Labs Neon, native folder: written by the Companion phone (also "Native Recording Data" of Pupil
Cloud).

It reads gaze, worn, eye states (pupil in mm), fixations and saccades, blinks, events, scene frame times,
`info.json` and `calibration.bin`. Single-eye streams, inertial data and the eye videos are listed in
`info["streams"]` but not read. Times are Unix nanoseconds; `t_ms` = 0 is `start_time` of `info.json`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from gazekit.errors import RecordingError
from gazekit.recordings.clocks import Clock, in_order, since_ms
from gazekit.recordings.files import Truncated, has_file, read_json, read_text
from gazekit.recordings.readers.neon_streams import (
    parts,
    read_calibration,
    read_stream,
    read_times,
    stream_names,
)
from gazekit.recordings.readers.pupil_labs import add_pupil, checked_events
from gazekit.recordings.recording import Recording
from gazekit.recordings.video import scene_size

__all__ = ["matches", "read"]

_SCENE = "Neon Scene Camera v1"
_SIZE = (1600, 1200)  # of Neon's scene camera; the video's own size where there is one
_KINDS = {0: "saccade", 1: "fixation", 4: "blink"}
_EVENT = ("event_type", "start_timestamp_ns", "end_timestamp_ns")
_PLACES = tuple(f"{what}_gaze_{axis}" for what in ("start", "end", "mean") for axis in "xy")
_SIZES = {
    "amplitude_pixels": "amplitude_px",
    "amplitude_angle_deg": "amplitude_dva",
    "mean_velocity": "mean_velocity_px_s",
    "max_velocity": "peak_velocity_px_s",
}
_FIXATION = (*_EVENT, *_PLACES, *_SIZES)


def matches(path: Path) -> bool:
    """A folder with `gaze ps1.raw` or `gaze_200hz.raw`."""
    return any(has_file(path, name) for name in ("gaze ps1.raw", "gaze_200hz.raw"))


def read(
    path: Path,
    stream: Literal["gaze", "gaze_200hz"] | None = None,
    truncated: Truncated = "error",
    clock: Clock = "error",
) -> Recording:
    """Read the folder.

    A folder may hold gaze twice: as estimated while recording (`gaze`, possibly at a lower rate) and for all
    eye images (`gaze_200hz`). As in Pupil Labs' own library, the latter is read if present, unless `stream`
    says otherwise; fixations and blinks are stored once. A sample is `valid` where `worn` is not 0 (or
    unknown). `pupil` is the mean of both eyes in mm if an eye state has exactly the time of the gaze sample,
    else NaN.

    Args:
        path: the folder.
        stream: the gaze stream; None: `gaze_200hz` if present.
        truncated: "error", or "keep" to read the complete records of truncated files.
        clock: "error", or "sort", see `clocks.in_order`.
    Raises:
        FileNotFoundError: `info.json` or a time file is missing.
        RecordingError: a broken file; no gaze.
    """
    info = read_json(path / "info.json")
    streams = stream_names(path)
    gazes = [name for name in ("gaze_200hz", "gaze") if name in streams]
    if not gazes or (stream is not None and stream not in gazes):
        raise RecordingError(f"{path}: no stream {stream or 'gaze'!r}, found: {', '.join(streams) or 'none'}")
    stream = stream or gazes[0]
    notes: list[str] = []
    if len(gazes) > 1:
        notes.append(
            f"gaze is present as {' and '.join(gazes)}: {stream} was read, stream=... chooses the other"
        )
    samples = _samples(path, stream, truncated, clock, notes)
    origin = info.get("start_time", int(samples["ns"].iloc[0]))
    if type(origin) is not int:
        raise RecordingError(f"{path / 'info.json'}: start_time must be whole nanoseconds, got {origin!r}")
    samples.insert(0, "t_ms", since_ms(samples.pop("ns"), origin, str(path / f"{stream}.time")))
    videos = parts(path, _SCENE, ".mp4")
    if len(videos) > 1:
        notes.append(f"the scene video has {len(videos)} parts: video is not set, see info['videos']")
    video = videos[0] if len(videos) == 1 else None
    size = scene_size(video, None, notes) or _SIZE
    camera, calibration = _camera(path, size, truncated, notes)
    return Recording(
        path=path,
        tracker="Neon",
        samples=samples,
        events=_events(path, origin, truncated, notes),
        messages=_messages(path, origin, truncated, notes),
        size_px=size,
        camera=camera,
        video=video,
        frame_t_ms=_frames(path, origin, truncated, notes),
        origin_ns=origin,
        pupil_unit="mm" if "pupil" in samples else "",
        info={**info, "stream": stream, "streams": streams, "videos": videos, "calibration": calibration},
        notes=tuple(notes),
    )


def _read(
    folder: Path, stream: str, layout: str, fields: tuple[str, ...], truncated: Truncated, notes: list[str]
) -> pd.DataFrame:
    table, more = read_stream(folder, stream, layout, fields, truncated)
    notes += more
    return table


def _samples(path: Path, stream: str, truncated: Truncated, clock: Clock, notes: list[str]) -> pd.DataFrame:
    """`ns`, position, pupil, validity, and the other columns of eye states and `worn`."""
    gaze = _read(path, stream, "gaze", ("x", "y"), truncated, notes)
    if not len(gaze):
        raise RecordingError(f"{path}: the stream {stream!r} is empty, no gaze to read")
    samples = gaze.rename(columns={"x": "x_px", "y": "y_px"})
    samples["valid"] = np.isfinite(samples[["x_px", "y_px"]]).all(axis=1)
    name = stream.replace("gaze", "worn")
    worn = _read(path, name, "worn", ("worn",), truncated, notes)
    if not len(worn):
        notes.append(f"no records of {name}: it is unknown whether the tracker was worn")
    else:
        if len(worn) != len(samples) and truncated != "keep":
            raise RecordingError(
                f"{path}: {len(samples)} records of {stream} but {len(worn)} of {name}, one of them was cut off;"
                ' truncated="keep" reads the records present in both'
            )
        if len(worn) != len(samples):
            notes.append(
                f"{len(samples)} records of {stream} but {len(worn)} of {name}; the rest was left out"
            )
        samples = samples[: len(worn)].assign(worn=worn["worn"][: len(samples)])
        samples["valid"] &= samples["worn"] != 0
    samples, more = in_order(samples, "ns", str(path / stream), clock)
    notes += more
    states = _read(path, "eye_state", "eye_state", (), truncated, notes)
    if len(states):
        states, more = in_order(states, "ns", str(path / "eye_state"), clock)
        notes += more
        add_pupil(samples, states, "pupil_diameter_left_mm", "pupil_diameter_right_mm", notes)
    return samples


def _events(path: Path, origin: int, truncated: Truncated, notes: list[str]) -> pd.DataFrame:
    """Fixations (with mean position) and saccades (with start and end), which share a stream, and blinks."""
    tables = []
    for stream, fields in (("fixations", _FIXATION), ("blinks", _EVENT)):
        rows = _read(path, stream, stream, fields, truncated, notes)
        if not len(rows):
            continue
        where = f"{path / stream}.raw"
        table = _event_rows(rows, origin, where)
        if unknown := sorted(set(table["kind"]) - set(_KINDS.values())):
            notes.append(f"{where} has events of unknown {', '.join(unknown)}; they are kept under this name")
        tables.append(table)
    events = checked_events(tables, path)
    events["id"] = events.groupby("kind").cumcount() + 1
    return events


def _event_rows(rows: pd.DataFrame, origin: int, where: str) -> pd.DataFrame:
    table = pd.DataFrame(
        {"kind": [_KINDS.get(code, f"type {code}") for code in rows["event_type"]], "eye": ""}
    )
    table["onset_ms"] = since_ms(rows["start_timestamp_ns"], origin, where)
    table["offset_ms"] = since_ms(rows["end_timestamp_ns"], origin, where)
    table["duration_ms"] = (rows["end_timestamp_ns"] - rows["start_timestamp_ns"]) / 1e6
    if "mean_gaze_x" not in rows:
        return table
    fixation = table["kind"] == "fixation"
    for axis in "xy":
        table[f"{axis}_px"] = rows[f"mean_gaze_{axis}"].where(fixation, rows[f"start_gaze_{axis}"])
        table[f"{axis}_end_px"] = rows[f"end_gaze_{axis}"].where(~fixation)
    return table.assign(**{ours: rows[theirs] for theirs, ours in _SIZES.items()})


def _messages(path: Path, origin: int, truncated: Truncated, notes: list[str]) -> pd.DataFrame:
    if not has_file(path, "event.txt"):
        return pd.DataFrame({"t_ms": np.empty(0), "text": pd.Series(dtype=str)})
    text, more = read_text(path / "event.txt")
    times, also = read_times(path / "event.time", truncated)
    notes += [*more, *also]
    names = text.removesuffix("\n").split("\n") if text else []
    if text and not text.endswith("\n"):
        notes.append(
            "event.txt has no newline after its last name; if it was cut off, that name may be incomplete"
        )
    if len(names) != len(times):
        message = f"{len(names)} names but {len(times)} times in event.time"
        if truncated != "keep":
            raise RecordingError(
                f'{path / "event.txt"}: {message}, one was cut off; truncated="keep" reads the events in both'
            )
        notes.append(f"event.txt: {message}; the rest was left out")
    count = min(len(names), len(times))
    t = since_ms(times[:count], origin, str(path / "event.time"))
    table = pd.DataFrame({"t_ms": t, "text": [name.strip() for name in names[:count]]})
    return table.sort_values("t_ms", kind="stable", ignore_index=True)


def _frames(path: Path, origin: int, truncated: Truncated, notes: list[str]) -> np.ndarray | None:
    pieces = []
    for part in parts(path, _SCENE, ".time"):
        times, more = read_times(part, truncated)
        notes += more
        pieces.append(times)
    if not pieces:
        return None
    ns = np.concatenate(pieces)
    in_order(pd.DataFrame({"ns": ns}), "ns", str(path / f"{_SCENE}.time"), "error")
    return since_ms(ns, origin, str(path / f"{_SCENE}.time"))


def _camera(path: Path, size: tuple[int, int], truncated: Truncated, notes: list[str]) -> tuple[Any, Any]:
    if not has_file(path, "calibration.bin"):
        return None, None
    try:
        return read_calibration(path / "calibration.bin", size)
    except RecordingError as error:
        if truncated != "keep":
            raise RecordingError(f'{error}; truncated="keep" reads the rest without a camera') from error
        notes.append(f"no scene camera: {error}")
        return None, None
