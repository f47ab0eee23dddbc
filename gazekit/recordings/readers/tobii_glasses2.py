"""Tobii Pro Glasses 2: a recording's folder as on the memory card, `segments/<n>/livedata.json.gz`.

Each line of live data is a JSON object whose keys identify its kind: `gp` gaze as a fraction of the scene picture
from its top left, `gp3` gaze in mm, `pd` pupil in mm and `eye`, joined by `gidx`; `vts` the video's clock, `pts` that
of the live stream; `sig` and `dir` the sync port. `ts` is in microseconds, `s` = 0 means valid. Inertial data (`ac`,
`gy`), `pc`, `gd` and `evts` are not read; `info["rows"]` has the number of rows of each. An hour at 100 Hz, 3.6
million rows, takes 23 s and 1.3 GB.

`et.tslv.gz` in the same folder starts with the size and calibration of the scene camera. Its layout was
determined from a real recording: a record is u2 type, u2 status, u4 length and that many bytes, padded to a
multiple of four; type 4 holds u2 number, width, height, rate and a file name; type 300 holds float4 position
(3), rotation (9), focal length (2), skew, principal point (2), radial (3) and tangential distortion (3) and
u2 width and height, from byte 4 on. The test projects `gp3` through it onto `gp`, to within 0.2 px.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gazekit.errors import RecordingError
from gazekit.recordings.camera import SceneCamera
from gazekit.recordings.clocks import Clock, in_order, rows_at
from gazekit.recordings.files import Truncated, has_file, json_lines, read_bytes, read_json
from gazekit.recordings.readers.tobii_files import add_mean_pupil, numbers, scene_frames, tobii_camera
from gazekit.recordings.recording import Recording, event_table
from gazekit.recordings.video import scene_size

__all__ = ["matches", "read"]

_KEYS = ("gp", "gp3", "pd", "pc", "gd", "vts", "evts", "pts", "sig", "ac", "gy")
_UNREAD = frozenset(("pc", "gd", "evts", "ac", "gy"))


def matches(path: Path) -> bool:
    """A folder with `recording.json` and `segments/<n>/livedata.json.gz`."""
    return has_file(path, "recording.json") and bool(_segments(path))


def _segments(path: Path) -> dict[str, Path]:
    try:
        return {live.parent.name: live.parent for live in sorted(path.glob("segments/*/livedata.json.gz"))}
    except OSError:
        return {}


def read(
    path: Path,
    segment: int | None = None,
    size_px: tuple[int, int] | None = None,
    truncated: Truncated = "error",
    clock: Clock = "error",
) -> Recording:
    """Read one segment.

    `t_ms` = 0 is the start of the scene video (`vts` = 0), so `t_ms` is video time; `frame_t_ms` holds the
    video's presentation times. Without `vts` rows `t_ms` = 0 is the first gaze sample, and frames have no
    times. `pupil_left` and `pupil_right` are mm, NaN where invalid. Sync port changes are messages "in 1",
    "in 0", "out 1", "out 0"; rows of another kind are messages too, as JSON.

    Args:
        path: the recording's folder.
        segment: the segment; needed only if there are several, as each has its own clock and video.
        size_px: (width, height) of the scene; None: as in `et.tslv.gz`, else of `fullstream.mp4`.
        truncated: "error", or "keep" to read the intact part of truncated files.
        clock: "error", or "sort", see `clocks.in_order`.
    Raises:
        RecordingError: a broken file, several segments, no gaze, unknown scene size.
    """
    info = read_json(path / "recording.json")
    segments = _segments(path)
    name = next(iter(segments), "") if segment is None else str(segment)
    if name not in segments or (segment is None and len(segments) > 1):
        raise RecordingError(f"{path}: segments {', '.join(segments) or 'none'}; choose one with segment=...")
    folder = segments[name]
    notes: list[str] = []
    kinds, counts = _kinds(json_lines(folder / "livedata.json.gz", truncated, notes))
    where = str(folder / "livedata.json.gz")
    video = folder / "fullstream.mp4" if has_file(folder, "fullstream.mp4") else None
    size, camera = _scene(folder, video, size_px, truncated, notes)
    samples = _samples(kinds, size, where, clock, notes)
    zero = _video_zero(kinds["vts"], samples, where, notes)
    samples.insert(0, "t_ms", (samples.pop("ts") - zero) / 1e3)
    _check_counts(info, len(segments), samples, notes)
    return Recording(
        path=path,
        tracker="Tobii Glasses 2",
        samples=samples,
        events=event_table(),
        messages=_messages(kinds, zero, where),
        size_px=size,
        camera=camera,
        video=video,
        frame_t_ms=scene_frames(video, notes) if kinds["vts"] else None,
        origin_ns=zero * 1000,
        pupil_unit="mm",
        info={
            **info,
            "segment": folder.name,
            "rows": counts,
            "clocks": {key: _clock(kinds[key], key, zero, where) for key in ("vts", "pts")},
        },
        notes=tuple(notes),
    )


def _kinds(rows: Iterable[dict[str, Any]]) -> tuple[dict[str, list[dict[str, Any]]], dict[str, int]]:
    """Rows of each kind that is read, and row counts of all kinds."""
    kinds: dict[str, list[dict[str, Any]]] = {key: [] for key in (*_KEYS, "other") if key not in _UNREAD}
    counts = dict.fromkeys((*_KEYS, "other"), 0)
    for row in rows:
        kind = next((key for key in _KEYS if key in row), "other")
        counts[kind] += 1
        if kind not in _UNREAD:  # most rows, which need not stay in memory
            kinds[kind].append(row)
    return kinds, {kind: count for kind, count in counts.items() if count}


def _column(
    rows: list[dict[str, Any]], key: str, where: str, width: int = 1, whole: bool = False
) -> np.ndarray:
    missing = next((row for row in rows if key not in row), None)
    if missing is not None:
        raise RecordingError(f"{where}: a row without {key!r}: {json.dumps(missing)[:80]}")
    return numbers([row[key] for row in rows], width, f"{where}, {key!r}", whole)


def _samples(
    kinds: dict[str, list[dict[str, Any]]], size: tuple[int, int], where: str, clock: Clock, notes: list[str]
) -> pd.DataFrame:
    gaze = kinds["gp"]
    if not gaze:
        raise RecordingError(f"{where}: no row with 'gp', no gaze to read")
    share = _column(gaze, "gp", where, 2)
    samples = pd.DataFrame(
        {
            "ts": _column(gaze, "ts", where, whole=True),
            "x_px": share[:, 0] * size[0],
            "y_px": share[:, 1] * size[1],
            "valid": (_column(gaze, "s", where, whole=True) == 0) & np.isfinite(share).all(1),
            "gidx": _column(gaze, "gidx", where, whole=True),
        }
    )
    samples, more = in_order(samples, "ts", where, clock)
    notes += more
    gidx = samples["gidx"].to_numpy()
    order = np.argsort(gidx, kind="stable")
    if (np.diff(gidx[order]) == 0).any():
        raise RecordingError(f"{where}: two rows with 'gp' have the same gidx")

    def joined(rows: list[dict[str, Any]], key: str, width: int) -> np.ndarray:
        """[T, width] values of the rows with the same gidx, NaN without a valid one."""
        rows = [row for row in rows if row.get("s") == 0]
        values = _column(rows, key, where, width).reshape(-1, width)
        at = rows_at(gidx[order], _column(rows, "gidx", where, whole=True))
        out = np.full((len(gidx), width), np.nan)
        out[order[at[at >= 0]]] = values[at >= 0]
        return out

    for eye in ("left", "right"):
        samples[f"pupil_{eye}"] = joined([row for row in kinds["pd"] if row.get("eye") == eye], "pd", 1)[:, 0]
    samples[["gp3_x_mm", "gp3_y_mm", "gp3_z_mm"]] = joined(kinds["gp3"], "gp3", 3)
    add_mean_pupil(samples)
    return samples


def _video_zero(rows: list[dict[str, Any]], samples: pd.DataFrame, where: str, notes: list[str]) -> int:
    """`ts` at which the video starts: the median of ts - vts, microseconds."""
    rows = [row for row in rows if row.get("s") == 0]
    if not rows:
        notes.append("no row with 'vts' gives the video's clock: t_ms = 0 is the first gaze sample")
        return int(samples["ts"].iloc[0])
    starts = _column(rows, "ts", where, whole=True) - _column(rows, "vts", where, whole=True)
    if (spread := int(starts.max() - starts.min())) > 20_000:
        notes.append(f"gaze and video clock drift by {spread / 1e3:.1f} ms over the recording")
    return int(np.median(starts))


def _clock(rows: list[dict[str, Any]], key: str, zero: int, where: str) -> pd.DataFrame:
    """Readings of another clock over time: `vts` in microseconds, `pts` in its own ticks."""
    t = (_column(rows, "ts", where, whole=True) - zero) / 1e3
    return pd.DataFrame({"t_ms": t, key: _column(rows, key, where, whole=True)})


def _messages(kinds: dict[str, list[dict[str, Any]]], zero: int, where: str) -> pd.DataFrame:
    rows = [*kinds["sig"], *kinds["other"]]
    text = [f"{row.get('dir', '')} {row['sig']}".strip() for row in kinds["sig"]]
    text += [json.dumps({k: v for k, v in row.items() if k not in ("ts", "s")}) for row in kinds["other"]]
    table = pd.DataFrame({"t_ms": (_column(rows, "ts", where, whole=True) - zero) / 1e3})
    table["text"] = pd.Series(text, dtype=str)
    table["type"] = pd.Series(["sync port"] * len(kinds["sig"]) + ["other"] * len(kinds["other"]), dtype=str)
    return table.sort_values("t_ms", kind="stable", ignore_index=True)


def _check_counts(info: dict[str, Any], segments: int, samples: pd.DataFrame, notes: list[str]) -> None:
    said = (info.get("rec_et_samples"), info.get("rec_et_valid_samples"))
    found = (len(samples), int(samples["valid"].sum()))
    if segments == 1 and None not in said and said != found:
        notes.append(
            f"recording.json states {said[0]} gaze samples, {said[1]} valid; found {found[0]}, {found[1]} valid"
        )


def _scene(
    folder: Path, video: Path | None, size_px: tuple[int, int] | None, truncated: Truncated, notes: list[str]
) -> tuple[tuple[int, int], SceneCamera | None]:
    size, camera = None, None
    if has_file(folder, "et.tslv.gz"):
        content, more = read_bytes(folder / "et.tslv.gz", truncated)
        notes += more
        size, camera = _tslv(content, str(folder / "et.tslv.gz"))
        if camera is None:
            notes.append("et.tslv.gz starts without the calibration of the scene camera")
    size = scene_size(None, size_px, notes) or size or scene_size(video, None, notes)
    if size is None:
        raise RecordingError(
            f"{folder}: gaze is a fraction of the scene picture, whose size is unknown without et.tslv.gz or"
            " fullstream.mp4; give size_px=(width, height)"
        )
    return size, camera


def _tslv(content: bytes, where: str) -> tuple[tuple[int, int] | None, SceneCamera | None]:
    """Size and camera from the first hundred records.

    Raises:
        RecordingError: another file type, a picture without a size, no usable camera.
    """
    size, camera, at = None, None, 0
    if content[8:13] != b"TSLV1":
        raise RecordingError(f"{where}: expected a file that starts with 'TSLV1', got {content[8:13]!r}")
    for _ in range(100):
        if len(content) < at + 8:
            break
        kind, _, length = struct.unpack_from("<HHI", content, at)
        body = content[at + 8 : at + 8 + length]
        at += 8 + -(-length // 4) * 4
        if kind == 4 and len(body) >= 8 and body[:2] == b"\0\0":
            size = struct.unpack_from("<HH", body, 2)
        if kind == 300 and len(body) == 100:
            values = np.frombuffer(body, "<f4", 23, 4)
            shape = struct.unpack_from("<HH", body, 96)
            camera = tobii_camera(
                values[12:14], values[15:17], values[14], values[17:20], values[20:22], shape, where
            )
    if size is not None and 0 in size:
        raise RecordingError(f"{where}: invalid scene picture size {size[0]} x {size[1]} px")
    return size, camera
