"""Pupil Player's export folder (Pupil Core and Invisible), `exports/000`.

Only `gaze_positions.csv` is required; `fixations.csv`, `annotations.csv`, `world_timestamps.csv` and
`world.mp4` are used if present; pupil positions, blinks and surfaces are not read. Times in the files are
seconds on Pupil's own clock, durations milliseconds; positions are fractions of the picture from the *bottom*
left. Exported videos are trimmed, while `world_index` and `start_frame_index` count from the start of the
whole recording: `frame`, `first_frame` and `last_frame` count within the exported video. `t_ms` = 0 is its
first frame.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gazekit.errors import RecordingError
from gazekit.recordings.clocks import Clock, in_order, timed
from gazekit.recordings.files import Truncated, has_file, read_csv
from gazekit.recordings.readers.pupil_labs import checked_events, header_has
from gazekit.recordings.recording import Recording
from gazekit.recordings.video import frame_at, scene_size

__all__ = ["matches", "read"]

_GAZE = {"t_ms": "gaze_timestamp", "confidence": "confidence", "u": "norm_pos_x", "v": "norm_pos_y"}
_FIXATION = {"onset_ms": "start_timestamp", "duration_ms": "duration", "u": "norm_pos_x", "v": "norm_pos_y"}
_FIXATION_MORE = {"id": "id", "start_frame_index": "start_frame_index", "end_frame_index": "end_frame_index"}


def matches(path: Path) -> bool:
    """A folder whose `gaze_positions.csv` has columns "gaze_timestamp" and "norm_pos_x"."""
    return header_has(path / "gaze_positions.csv", "gaze_timestamp", "norm_pos_x")


def read(
    path: Path,
    size_px: tuple[int, int] | None = None,
    min_confidence: float = 0.6,
    truncated: Truncated = "error",
    clock: Clock = "error",
) -> Recording:
    """Read the folder.

    x_px = norm_pos_x * width and y_px = (1 - norm_pos_y) * height. `valid` is confidence >= `min_confidence`;
    positions of samples with less confidence are kept unchanged. `offset_ms` of a fixation is its onset plus
    its duration.

    Args:
        path: the folder.
        size_px: (width, height) of the scene; None: that of `world.mp4`.
        min_confidence: Pupil Player itself drops gaze below 0.6.
        truncated: "error", or "keep" to read the complete lines of truncated files.
        clock: "error", or "sort", see `clocks.in_order`.
    Raises:
        FileNotFoundError: no `gaze_positions.csv`.
        RecordingError: a broken file; unknown scene size.
    """
    if not 0 <= min_confidence <= 1:
        raise ValueError(f"min_confidence must be between 0 and 1, got {min_confidence!r}")
    notes: list[str] = []
    video = path / "world.mp4" if has_file(path, "world.mp4") else None
    size = scene_size(video, size_px, notes)
    if size is None:
        raise RecordingError(
            f"{path}: positions are fractions of the scene picture, whose size is unknown without world.mp4;"
            f" give size_px=(width, height){'; ' + notes[0] if notes else ''}"
        )
    samples = _samples(path, truncated, clock, notes)
    frames = _frames(path, truncated, notes)
    origin_s = float(frames[0] if frames is not None else samples["t_ms"].iloc[0])
    if not abs(origin_s) < 1e11:  # 3,000 years
        raise RecordingError(f"{path}: implausible start of the recording at {origin_s:g} s")
    frames = None if frames is None else (frames - origin_s) * 1000
    samples["t_ms"] = (samples["t_ms"] - origin_s) * 1000
    samples = _place(samples, size, 1)
    valid = np.isfinite(samples[["x_px", "y_px"]]).all(axis=1) & (samples["confidence"] >= min_confidence)
    samples.insert(3, "valid", valid)
    trim = _trim(samples, frames, notes)
    if trim is not None:
        samples["frame"] = samples["world_index"] - trim
    return Recording(
        path=path,
        tracker="Pupil Player",
        samples=samples,
        events=_fixations(path, origin_s, size, frames, trim, truncated, notes),
        messages=_annotations(path, origin_s, truncated, notes),
        size_px=size,
        video=video,
        frame_t_ms=frames,
        origin_ns=round(origin_s * 1e9),
        info={"min_confidence": min_confidence, "first_world_index": trim},
        notes=tuple(notes),
    )


def _samples(path: Path, truncated: Truncated, clock: Clock, notes: list[str]) -> pd.DataFrame:
    file, index = path / "gaze_positions.csv", "world_index"
    samples, more = read_csv(file, _GAZE, {index: index}, integers=(index,), truncated=truncated)
    if not len(samples):
        raise RecordingError(f"{file}: no lines after the header, no gaze to read")
    odd = ~samples["confidence"].between(0, 1) & samples["confidence"].notna()
    if odd.any():
        raise RecordingError(
            f"{file}, row {int(odd.argmax()) + 1}: confidence {samples['confidence'][odd.argmax()]}, expected 0 to 1;"
            " are columns swapped?"
        )
    samples, late = in_order(samples, "t_ms", str(file), clock)
    notes += [*more, *late]
    return samples


def _place(table: pd.DataFrame, size: tuple[int, int], column: int) -> pd.DataFrame:
    """`u`, `v` from the bottom left become `x_px`, `y_px` from the top left."""
    table.insert(column, "x_px", table.pop("u").astype(float) * size[0])
    table.insert(column + 1, "y_px", (1 - table.pop("v").astype(float)) * size[1])
    return table


def _frames(path: Path, truncated: Truncated, notes: list[str]) -> np.ndarray | None:
    """[F] seconds."""
    if not has_file(path, "world_timestamps.csv"):
        return None
    file = path / "world_timestamps.csv"
    rows, more = read_csv(
        file, {"t": ("timestamps [seconds]", "timestamps")}, {"pts": "pts"}, truncated=truncated
    )
    notes += more
    if not len(rows):
        raise RecordingError(f"{file}: no lines after the header")
    in_order(rows, "t", str(file), "error")
    return rows["t"].to_numpy(np.float64)


def _trim(samples: pd.DataFrame, frames: np.ndarray | None, notes: list[str]) -> int | None:
    """`world_index` of the exported video's first frame: most samples belong to the frame nearest in time."""
    if frames is None or "world_index" not in samples:
        return None
    middles = (frames[1:] + frames[:-1]) / 2
    nearest = frame_at(middles, samples["t_ms"].to_numpy()) + 1
    offsets, counts = np.unique(samples["world_index"].to_numpy() - nearest, return_counts=True)
    trim = int(offsets[counts.argmax()])
    if trim:
        notes.append(f"the video was trimmed: its first frame is number {trim} of the recording")
    outside = (samples["world_index"] < trim) | (samples["world_index"] >= trim + len(frames))
    if outside.any():
        notes.append(f"{int(outside.sum())} of {len(samples)} gaze samples lie outside the trimmed video")
    return trim


def _fixations(
    path: Path,
    origin_s: float,
    size: tuple[int, int],
    frames: np.ndarray | None,
    trim: int | None,
    truncated: Truncated,
    notes: list[str],
) -> pd.DataFrame:
    if not has_file(path, "fixations.csv"):
        return checked_events([], path)
    rows, more = read_csv(path / "fixations.csv", _FIXATION, _FIXATION_MORE, truncated=truncated)
    notes += more
    rows["onset_ms"] = (rows["onset_ms"] - origin_s) * 1000
    rows["offset_ms"] = rows["onset_ms"] + rows["duration_ms"]
    rows = _place(rows.assign(kind="fixation", eye=""), size, 2)
    if trim is not None and {"start_frame_index", "end_frame_index"} <= set(rows):
        rows["first_frame"] = rows["start_frame_index"] - trim
        rows["last_frame"] = rows["end_frame_index"] - trim
    if frames is not None and len(rows):
        late, early = rows["offset_ms"] > frames[-1], rows["onset_ms"] < frames[0]
        for count, where in (
            (int(late.sum()), "end after the last"),
            (int(early.sum()), "start before the first"),
        ):
            if count:
                notes.append(f"{count} of {len(rows)} fixations {where} frame of the trimmed video")
    return checked_events([rows], path / "fixations.csv")


def _annotations(path: Path, origin_s: float, truncated: Truncated, notes: list[str]) -> pd.DataFrame:
    if not has_file(path, "annotations.csv"):
        return pd.DataFrame({"t_ms": np.empty(0), "text": pd.Series(dtype=str)})
    columns = {"t_ms": "timestamp", "text": "label"}
    rows, more = read_csv(path / "annotations.csv", columns, text=("text",), truncated=truncated)
    notes += more
    rows["t_ms"] = (timed(rows, "t_ms", str(path / "annotations.csv")) - origin_s) * 1000
    return rows.sort_values("t_ms", kind="stable", ignore_index=True)
