"""Tobii Pro Glasses 3: a recording's folder with `recording.g3`.

Written from descriptions of the layout and tested only on a synthetic folder, as no real recording was
available. If yours is read incorrectly, the assumed layout is: `recording.g3` is JSON with
`scenecamera.camera-calibration` (`focal-length`, `principal-point`, `skew`, three `radial-distortion`, two or
three `tangential-distortion`, `resolution`) and `created`; `gazedata.gz` holds one JSON object per line,
`{"type": "gaze", "timestamp": s, "data": {"gaze2d": [u, v], "gaze3d": mm, "eyeleft": {"pupildiameter": mm,
...}, "eyeright": ...}}`, `data` is `{}` where gaze is invalid; gaze2d are shares of the picture from its top
left; seconds count from the start of `scenevideo.mp4`; `eventdata.gz` holds `{"type": ..., "timestamp": s,
"data": {...}}`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gazekit.errors import RecordingError
from gazekit.recordings.camera import SceneCamera
from gazekit.recordings.clocks import Clock, in_order
from gazekit.recordings.files import Truncated, has_file, json_lines, read_json
from gazekit.recordings.readers.tobii_files import add_mean_pupil, numbers, scene_frames, tobii_camera
from gazekit.recordings.recording import Recording, event_table
from gazekit.recordings.video import scene_size

__all__ = ["matches", "read"]


def matches(path: Path) -> bool:
    """A folder with `recording.g3` and `gazedata.gz`."""
    return has_file(path, "recording.g3") and has_file(path, "gazedata.gz")


def read(
    path: Path, size_px: tuple[int, int] | None = None, truncated: Truncated = "error", clock: Clock = "error"
) -> Recording:
    """Read the folder.

    `t_ms` = 0 is the start of the scene video; `origin_ns` is `created`, to its precision. There are no
    vendor events. Gaze lines with an empty `data` are invalid samples without a position. Lines of
    `eventdata.gz` are messages, with their `data` as JSON and their `type`.

    Args:
        path: the recording's folder.
        size_px: (width, height) of the scene; None: the camera's `resolution`, else of `scenevideo.mp4`.
        truncated: "error", or "keep" to read the intact part of truncated files.
        clock: "error", or "sort", see `clocks.in_order`.
    Raises:
        RecordingError: a broken file, no gaze, unknown scene size.
    """
    info = read_json(path / "recording.g3")
    video = path / "scenevideo.mp4" if has_file(path, "scenevideo.mp4") else None
    notes: list[str] = []
    size, camera = _scene(info, path / "recording.g3")
    size = scene_size(None, size_px, notes) or size or scene_size(video, None, notes)
    if size is None:
        raise RecordingError(
            f"{path}: the size of the scene picture is unknown; give size_px=(width, height)"
        )
    return Recording(
        path=path,
        tracker="Tobii Glasses 3",
        samples=_samples(path / "gazedata.gz", size, truncated, clock, notes),
        events=event_table(),
        messages=_messages(path / "eventdata.gz", truncated, notes),
        size_px=size,
        camera=camera,
        video=video,
        frame_t_ms=scene_frames(video, notes),
        origin_ns=_created_ns(info, path / "recording.g3"),
        pupil_unit="mm",
        info=info,
        notes=tuple(notes),
    )


def _scene(info: dict[str, Any], file: Path) -> tuple[tuple[int, int] | None, SceneCamera | None]:
    scene = info.get("scenecamera")
    given = scene.get("camera-calibration") if isinstance(scene, dict) else None
    if given is None:
        return None, None
    names = (
        "focal-length",
        "principal-point",
        "skew",
        "radial-distortion",
        "tangential-distortion",
        "resolution",
    )
    if not isinstance(given, dict) or (missing := [name for name in names if name not in given]):
        raise RecordingError(
            f"{file}: camera-calibration without {', '.join(missing) if isinstance(given, dict) else 'content'}"
        )
    focal, centre, skew, radial, tangential, size = (given[name] for name in names)
    width, height = numbers([size], 2, f"{file}, 'resolution'", whole=True)[0].tolist()
    if width <= 0 or height <= 0:
        raise RecordingError(f"{file}: invalid scene picture size {width} x {height} px")
    return (width, height), tobii_camera(focal, centre, skew, radial, tangential, (width, height), str(file))


def _lines(file: Path, truncated: Truncated, notes: list[str]) -> list[dict[str, Any]]:
    rows = list(json_lines(file, truncated, notes))
    for number, row in enumerate(rows, start=1):
        time = row.get("timestamp")
        if not isinstance(row.get("data"), dict) or type(time) not in (int, float) or not abs(time) < 1e11:
            raise RecordingError(
                f"{file}, row {number}: expected timestamp and data, got {json.dumps(row)[:80]}"
            )
    return rows


def _samples(
    file: Path, size: tuple[int, int], truncated: Truncated, clock: Clock, notes: list[str]
) -> pd.DataFrame:
    rows = [row for row in _lines(file, truncated, notes) if row.get("type", "gaze") == "gaze"]
    if not rows:
        raise RecordingError(f"{file}: no row of type gaze, no gaze to read")
    data = [row["data"] for row in rows]
    share = numbers([d.get("gaze2d", [None, None]) for d in data], 2, f"{file}, 'gaze2d'")
    samples = pd.DataFrame(
        {"t_ms": numbers([row["timestamp"] for row in rows], 1, f"{file}, 'timestamp'") * 1000}
    )
    samples["x_px"], samples["y_px"] = share[:, 0] * size[0], share[:, 1] * size[1]
    samples["valid"] = np.isfinite(share).all(1)
    for eye in ("left", "right"):
        eyes = [d.get(f"eye{eye}", {}) for d in data]
        if not all(isinstance(e, dict) for e in eyes):
            raise RecordingError(f"{file}: 'eye{eye}' is not an object in all rows")
        samples[f"pupil_{eye}"] = numbers(
            [e.get("pupildiameter") for e in eyes], 1, f"{file}, 'pupildiameter'"
        )
    target = numbers([d.get("gaze3d", [None] * 3) for d in data], 3, f"{file}, 'gaze3d'")
    samples[["gaze3d_x_mm", "gaze3d_y_mm", "gaze3d_z_mm"]] = target
    samples, more = in_order(samples, "t_ms", str(file), clock)
    notes += more
    add_mean_pupil(samples)
    return samples


def _messages(file: Path, truncated: Truncated, notes: list[str]) -> pd.DataFrame:
    rows = _lines(file, truncated, notes) if has_file(file.parent, file.name) else []
    table = pd.DataFrame(
        {"t_ms": numbers([row["timestamp"] for row in rows], 1, f"{file}, 'timestamp'") * 1000}
    )
    table["text"] = pd.Series([json.dumps(row["data"]) for row in rows], dtype=str)
    table["type"] = pd.Series([str(row.get("type", "")) for row in rows], dtype=str)
    return table.sort_values("t_ms", kind="stable", ignore_index=True)


def _created_ns(info: dict[str, Any], file: Path) -> int:
    created = info.get("created")
    if created is None:
        return 0
    try:
        time = datetime.fromisoformat(created)
    except (TypeError, ValueError) as error:
        raise RecordingError(f"{file}: created must be an ISO time, got {created!r}") from error
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    since = time - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000
