"""Pupil Cloud's "Timeseries Data" folder of Neon and Invisible, and Neon Player's export with the same names.

Only `gaze.csv` is required; `fixations.csv`, `saccades.csv`, `blinks.csv`, `events.csv`, `3d_eye_states.csv`,
`world_timestamps.csv` (row n is frame n of the video), `scene_camera.json`, `info.json` and the video are
used if present. Headers are compared ignoring case and with "_" as a space; unknown columns are kept under
their own header. Times are integer Unix nanoseconds and are converted to float only after subtracting the
origin (`t_ms` = 0), which is `start_time` of `info.json`, else the event `recording.begin`, else the first
sample.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gazekit.errors import RecordingError
from gazekit.recordings.camera import SceneCamera
from gazekit.recordings.clocks import Clock, in_order, since_ms
from gazekit.recordings.files import Truncated, has_file, read_csv, read_json
from gazekit.recordings.readers.pupil_labs import add_pupil, checked_events, header_has, only_video
from gazekit.recordings.recording import Recording
from gazekit.recordings.video import scene_size

__all__ = ["matches", "read"]

_IDS = {"section": "section id", "recording": "recording id"}
_GAZE = {"ns": "timestamp [ns]", "x_px": "gaze x [px]", "y_px": "gaze y [px]"}
_TIMES = {"onset_ns": "start timestamp [ns]", "offset_ns": "end timestamp [ns]"}
_EVENTS = {
    "fixation": {"x_px": "fixation x [px]", "y_px": "fixation y [px]"},
    "saccade": {
        "amplitude_px": "amplitude [px]",
        "amplitude_dva": "amplitude [deg]",
        "mean_velocity_px_s": "mean velocity [px/s]",
        "peak_velocity_px_s": "peak velocity [px/s]",
    },
    "blink": {},
}
_PUPILS = {"left": "pupil diameter left [mm]", "right": "pupil diameter right [mm]"}


def matches(path: Path) -> bool:
    """A folder whose `gaze.csv` has a column "timestamp [ns]" and one "gaze x [px]"."""
    return header_has(path / "gaze.csv", "timestamp [ns]", "gaze x [px]")


def read(
    path: Path, size_px: tuple[int, int] | None = None, truncated: Truncated = "error", clock: Clock = "error"
) -> Recording:
    """Read the folder.

    A sample is `valid` where `worn` is not 0 (or unknown) and both coordinates are present; `block` numbers
    the sections if there are several. `pupil` is the mean of both eyes in mm if an eye state has exactly the
    time of the gaze sample.

    Args:
        path: the folder.
        size_px: (width, height) of the scene; None: that of the video, or unknown without one (Neon's is 1600
            x 1200).
        truncated: "error", or "keep" to read the complete lines of truncated files.
        clock: "error", or "sort", see `clocks.in_order`.
    Raises:
        RecordingError: a broken file, or samples of more than one recording, as enrichments export them.
    """
    notes: list[str] = []
    info = _json(path, "info.json")
    samples, ids = _samples(path, truncated, clock, notes)
    marks = _table(
        path, "events.csv", {"ns": "timestamp [ns]", "text": "name"}, {"type": "type"}, truncated, notes
    )
    origin = _origin(path, info, marks, samples)
    samples.insert(0, "t_ms", since_ms(samples.pop("ns"), origin, str(path / "gaze.csv")))
    marks["t_ms"] = since_ms(marks.pop("ns"), origin, str(path / "events.csv"))
    marks = marks[["t_ms", *marks.columns.drop(["t_ms", "recording"], errors="ignore")]]
    video = only_video(path, notes)
    size = scene_size(video, size_px, notes)
    return Recording(
        path=path,
        tracker="Pupil Cloud",
        samples=samples,
        events=_events(path, origin, truncated, notes),
        messages=marks.sort_values("t_ms", kind="stable", ignore_index=True),
        size_px=size,
        camera=_camera(path, size),
        video=video,
        frame_t_ms=_frames(path, origin, truncated, notes),
        origin_ns=origin,
        pupil_unit="mm" if "pupil" in samples else "",
        info={**info, **ids},
        notes=tuple(notes),
    )


def _json(path: Path, name: str) -> dict[str, Any]:
    return read_json(path / name) if has_file(path, name) else {}


def _table(
    path: Path,
    name: str,
    columns: dict[str, str],
    optional: dict[str, str],
    truncated: Truncated,
    notes: list[str],
) -> pd.DataFrame:
    """An optional file; an empty table with our columns if it is absent."""
    if not has_file(path, name):
        return pd.DataFrame({c: np.empty(0, np.int64 if c.endswith("ns") else object) for c in columns})
    integers = [column for column in columns if column.endswith("ns")]
    table, more = read_csv(
        path / name, columns, {**optional, **_IDS}, text=("text", "type", *_IDS), integers=integers,
        truncated=truncated,
    )  # fmt: skip
    notes += more
    return table


def _samples(
    path: Path, truncated: Truncated, clock: Clock, notes: list[str]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """`ns`, position, validity and more; and the ids, which are the same in all or nearly all lines."""
    if not has_file(path, "gaze.csv"):
        raise FileNotFoundError(f"no file {path / 'gaze.csv'}")
    gaze = _table(path, "gaze.csv", _GAZE, {"worn": "worn"}, truncated, notes)
    if not len(gaze):
        raise RecordingError(f"{path / 'gaze.csv'}: no lines after the header, no gaze to read")
    ids = {}
    for name in [name for name in _IDS if name in gaze]:
        codes, names = pd.factorize(gaze.pop(name))
        ids[f"{name} id"] = names[0] if len(names) == 1 else list(names)
        if name == "recording" and len(names) > 1:
            raise RecordingError(
                f"{path / 'gaze.csv'}: samples of {len(names)} recordings; keep the rows of one 'recording id'"
            )
        if len(names) > 1:
            gaze["block"] = codes
    gaze, more = in_order(gaze, "ns", str(path / "gaze.csv"), clock)
    notes += more
    valid = np.isfinite(gaze[["x_px", "y_px"]]).all(axis=1)
    if "worn" in gaze:
        valid &= gaze["worn"] != 0
    gaze.insert(3, "valid", valid)
    gaze = gaze.astype({"x_px": np.float64, "y_px": np.float64})
    states = _table(path, "3d_eye_states.csv", {"ns": "timestamp [ns]"}, _PUPILS, truncated, notes)
    if len(states):
        states, more = in_order(states, "ns", str(path / "3d_eye_states.csv"), clock)
        notes += more
        states = states.drop(columns=list(_IDS), errors="ignore").rename(columns=_PUPILS)
        add_pupil(gaze, states, *_PUPILS.values(), notes)
    return gaze, ids


def _origin(path: Path, info: dict[str, Any], marks: pd.DataFrame, samples: pd.DataFrame) -> int:
    if "start_time" in info:
        if type(info["start_time"]) is not int:
            raise RecordingError(
                f"{path / 'info.json'}: start_time must be whole nanoseconds, got {info['start_time']!r}"
            )
        return info["start_time"]
    begin = marks.loc[marks["text"] == "recording.begin", "ns"]
    return int(begin.iloc[0] if len(begin) else samples["ns"].iloc[0])


def _events(path: Path, origin: int, truncated: Truncated, notes: list[str]) -> pd.DataFrame:
    tables = []
    for kind, places in _EVENTS.items():
        optional = {"id": f"{kind} id", "duration_ms": "duration [ms]", **places}
        name = f"{kind}s.csv"
        rows = _table(path, name, _TIMES, optional, truncated, notes)
        if not len(rows):
            continue
        onset = since_ms(rows.pop("onset_ns"), origin, str(path / name))
        offset = since_ms(rows.pop("offset_ns"), origin, str(path / name))
        rows = rows.drop(columns=list(_IDS), errors="ignore").assign(
            onset_ms=onset, offset_ms=offset, kind=kind, eye=""
        )
        if "duration_ms" not in rows:
            rows["duration_ms"] = offset - onset
        tables.append(rows)
    return checked_events(tables, path)


def _frames(path: Path, origin: int, truncated: Truncated, notes: list[str]) -> np.ndarray | None:
    if not has_file(path, "world_timestamps.csv"):
        return None
    rows = _table(path, "world_timestamps.csv", {"ns": "timestamp [ns]"}, {}, truncated, notes)
    in_order(rows, "ns", str(path / "world_timestamps.csv"), "error")
    return since_ms(rows["ns"], origin, str(path / "world_timestamps.csv"))


def _camera(path: Path, size: tuple[int, int] | None) -> SceneCamera | None:
    """`camera_matrix` and `dist_coefs`, which exporters call `distortion_coefficients`."""
    file = path / "scene_camera.json"
    content = _json(path, file.name)
    if not content:
        return None
    lens = [content[key] for key in ("dist_coefs", "distortion_coefficients") if key in content]
    if "camera_matrix" not in content or not lens:
        raise RecordingError(
            f"{file}: expected camera_matrix and dist_coefs (or distortion_coefficients), got {', '.join(content)}"
        )
    try:
        return SceneCamera(content["camera_matrix"], lens[0], size)
    except (TypeError, ValueError) as error:
        raise RecordingError(f"{file}: {error}") from error
