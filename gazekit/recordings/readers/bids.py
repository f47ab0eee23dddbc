"""Eye tracking in BIDS: `*_physio.tsv.gz` of PhysioType "eyetrack", one file per eye, with its JSON.

The Brain Imaging Data Structure 1.11 (bids-specification.readthedocs.io, "Physiological recordings") has columns
`timestamp`, `x_coordinate`, `y_coordinate`, `pupil_size`, named in the JSON, as the file has no header line; events of
the device in `*_physioevents.tsv.gz`; the screen in the JSON of `*_events.tsv`.
"""

from __future__ import annotations

import re
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from gazekit.errors import RecordingError
from gazekit.recordings.clocks import Clock, in_order, timed
from gazekit.recordings.files import Truncated, read_csv
from gazekit.recordings.origin import Origin
from gazekit.recordings.readers.bids_json import metadata, pupil_unit, screen, time_scale, unit
from gazekit.recordings.readers.table import to_top_left
from gazekit.recordings.recording import Recording, event_table

__all__ = ["matches", "read"]

_SUFFIX = re.compile(r"_physio\.tsv(\.gz)?$")
_MISSING = ("", "n/a", ".")  # "." where samples were copied from EyeLink text


def matches(path: Path) -> bool:
    """Whether a file is `*_physio.tsv.gz` and its JSON declares eye tracking."""
    try:
        if not _SUFFIX.search(path.name) or not path.is_file():
            return False
        about = metadata(path)
    except (OSError, ValueError):
        return False
    columns = about.get("Columns")
    named = isinstance(columns, list) and "x_coordinate" in columns and "y_coordinate" in columns
    return about.get("PhysioType") == "eyetrack" or named


def read(
    path: Path,
    eyes: Literal["both", "this"] = "both",
    origin: Origin | None = None,
    clock: Clock = "error",
    truncated: Truncated = "error",
) -> Recording:
    """Read the samples of one or both eyes, with the device's events and the screen.

    Times are the tracker's timestamps in ms; if the JSON states no unit for them, the unit that matches the
    sampling frequency is assumed. Positions must be in pixels. A pupil size of 0 means that no pupil was
    found; it becomes NaN.

    Args:
        eyes: "both": with `_recording-eye1_` the file of eye2 is also read if present, and vice versa.
        origin: origin of the positions; None: `ScreenOrigin` of the JSON, else the top-left corner.
        clock: "sort" sorts samples by time and keeps the first of equal times.
        truncated: "keep" reads a truncated file as far as it goes.
    Raises:
        FileNotFoundError: no such file.
        RecordingError: a broken file or JSON, no JSON, positions that are not pixels, times of both eyes that differ.
    """
    notes: list[str] = []
    about = {path: _about(path)}
    if eyes == "both":
        about |= {file: _about(file) for file in _siblings(path)}
    sides = {file: _side(file, info, notes) for file, info in about.items()}
    if len(sides) > 1 and sorted(sides.values()) != ["left", "right"]:
        notes.append("eye1 and eye2 are not the left and right eye, only the requested file was read")
        sides = {path: sides[path]}
    size, display, stated = screen(path, about[path], notes)
    origin = _checked_origin(path, origin, stated, size)
    tables, events, messages = [], [], []
    for file, side in sides.items():
        table, scale = _samples(file, about[file], side, clock, truncated, notes)
        x, y = f"x_px_{side}".strip("_"), f"y_px_{side}".strip("_")
        table[x], table[y] = to_top_left(table[x], table[y], size, origin)
        tables.append(table)
        found, said = _device_events(file, side, scale, truncated, notes)
        events.append(found)
        messages.append(said)
    said = pd.concat(
        messages, ignore_index=True
    ).drop_duplicates()  # both files have the experiment's messages
    return Recording(
        path, str(about[path].get("Manufacturer") or "BIDS"), _join(list(sides), tables),
        event_table(pd.concat(events, ignore_index=True)), said.sort_values("t_ms", kind="stable", ignore_index=True),
        tuple(sorted(sides.values())), size_px=size, screen=display, pupil_unit=pupil_unit(about[path]),
        validation=_validation(about, sides), info={file.name: about[file] for file in sides}, notes=tuple(notes),
    )  # fmt: skip


def _about(path: Path) -> dict[str, Any]:
    if not _SUFFIX.search(path.name):
        raise RecordingError(f"{path}: expected a file ..._physio.tsv.gz")
    about = metadata(path)
    columns = about.get("Columns")
    if not isinstance(columns, list) or not all(isinstance(name, str) and name for name in columns):
        raise RecordingError(
            f'{path}: no list "Columns" in its JSON ({_SUFFIX.sub("_physio.json", path.name)})'
        )
    for name in ("x_coordinate", "y_coordinate"):
        stated = unit(about, name)
        if stated.lower() not in ("", "pixel", "pixels", "px"):
            raise RecordingError(f"{path}: {name} is in {stated!r} according to its JSON, expected pixels")
    system = about.get("SampleCoordinateSystem")
    if system == "eye-in-head":
        raise RecordingError(
            f"{path}: positions are {system!r} according to its JSON, expected gaze on a screen or in the world"
        )
    return about


def _siblings(path: Path) -> list[Path]:
    other = {"eye1": "eye2", "eye2": "eye1"}
    name = re.sub(r"_recording-(eye[12])_", lambda m: f"_recording-{other[m[1]]}_", path.name)
    return [path.with_name(name)] if name != path.name and path.with_name(name).is_file() else []


def _side(path: Path, about: dict[str, Any], notes: list[str]) -> str:
    stated = str(about.get("RecordedEye", "")).strip().lower()
    if stated in ("left", "right"):
        return stated
    if stated != "cyclopean":
        notes.append(f"{path.name}: RecordedEye is {stated or 'absent'!r}, expected left, right or cyclopean")
    return ""


def _checked_origin(
    path: Path, origin: Origin | None, stated: str | None, size: tuple[int, int] | None
) -> Origin:
    origin = origin or stated or "top-left"
    if origin not in ("top-left", "bottom-left", "centre"):
        raise RecordingError(f"{path}: ScreenOrigin is {origin!r}; state the origin of gaze with origin=...")
    if origin != "top-left" and size is None:
        raise RecordingError(
            f"{path}: positions count from {origin}, but no events.json has ScreenResolution"
        )
    return origin


def _samples(
    path: Path, about: dict[str, Any], side: str, clock: Clock, truncated: Truncated, notes: list[str]
) -> tuple[pd.DataFrame, float]:
    """Samples with `t_ms`, and the milliseconds per timestamp unit."""
    suffix = f"_{side}" if side else ""
    columns = {f"x_px{suffix}": "x_coordinate", f"y_px{suffix}": "y_coordinate"}
    table, more = read_csv(
        path, columns, {"t_ms": "timestamp", f"pupil{suffix}": "pupil_size"}, header=about["Columns"],
        separator="\t", missing=_MISSING, truncated=truncated,
    )  # fmt: skip
    notes += more
    if not len(table):
        raise RecordingError(f"{path}: no samples")
    if "t_ms" in table:
        table, late = in_order(table, "t_ms", str(path), clock)
        notes += late
        steps = np.diff(table["t_ms"].to_numpy(np.float64))
        scale = time_scale(path, about, float(np.median(steps)) if len(steps) else np.nan, notes)
        table["t_ms"] = table["t_ms"] * scale
    else:
        table["t_ms"], scale = _regular_times(path, about, len(table), notes), 1e3
    names = [*columns, *([f"pupil{suffix}"] if f"pupil{suffix}" in table else [])]
    table[names] = table[names].astype(np.float64)
    if len(names) == 3:
        table[names[2]] = table[names[2]].mask(table[names[2]] == 0)
    table[f"valid{suffix}"] = np.isfinite(table[names[:2]]).all(axis=1)
    rest = [name for name in table if name not in ("t_ms", *names, f"valid{suffix}")]
    table = table.rename(columns={name: f"{name}{suffix}" for name in rest})
    return table[["t_ms", *(name for name in table if name != "t_ms")]], scale


def _regular_times(path: Path, about: dict[str, Any], count: int, notes: list[str]) -> np.ndarray:
    rate, start = about.get("SamplingFrequency"), about.get("StartTime", 0)
    if not isinstance(rate, int | float) or not 0 < rate < 1e6 or not _is_time(start):
        raise RecordingError(
            f"{path}: no column timestamp, and no SamplingFrequency and StartTime in its JSON"
        )
    notes.append(
        f"{path.name} has no timestamps: times are computed from StartTime and {rate:g} Hz in its JSON"
    )
    return start * 1e3 + np.arange(count) * (1e3 / rate)


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) < 1e11  # excludes NaN


def _join(paths: list[Path], tables: list[pd.DataFrame]) -> pd.DataFrame:
    first, *others = tables
    for path, table in zip(paths[1:], others, strict=True):
        if not np.array_equal(first["t_ms"], table["t_ms"]):
            raise RecordingError(
                f"{path}: times of its {len(table)} samples differ from the {len(first)} of {paths[0].name}; "
                'eyes="this" reads only this eye'
            )
    return pd.concat([first, *(table.drop(columns="t_ms") for table in others)], axis=1)


def _device_events(
    path: Path, side: str, scale: float, truncated: Truncated, notes: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Events and messages of `*_physioevents.tsv.gz`, both empty without that file."""
    file = path.with_name(_SUFFIX.sub(r"_physioevents.tsv\1", path.name))
    messages = pd.DataFrame({"t_ms": np.empty(0), "text": pd.Series(dtype=str)})
    if not file.is_file():
        return event_table(), messages
    about = metadata(file, "physioevents")
    if not isinstance(about.get("Columns"), list) or not all(
        isinstance(n, str) and n for n in about["Columns"]
    ):
        raise RecordingError(f'{file}: no list "Columns" in its JSON')
    table, more = read_csv(
        file, {"onset_ms": "onset"}, {"duration_ms": "duration", "kind": "trial_type", "text": "message"},
        text=("kind", "text"), header=about["Columns"], separator="\t", missing=_MISSING, truncated=truncated,
    )  # fmt: skip
    notes += more
    table["onset_ms"] = timed(table, "onset_ms", str(file)) * scale
    for name in {"kind", "text"} & set(table):
        table[name] = table[name].where(table[name].str.lower() != "n/a", "")
    if "text" in table:
        said = table["text"] != ""
        messages = table.loc[said, ["onset_ms", "text"]].set_axis(["t_ms", "text"], axis=1)
    if "kind" not in table:
        return event_table(), messages
    events = table[table["kind"] != ""].copy()
    if "duration_ms" in events:
        events["duration_ms"] *= _duration_scale(file, events, scale, notes)
        events["offset_ms"] = events["onset_ms"] + events["duration_ms"]
    return event_table(events.drop(columns="text", errors="ignore").assign(eye=side)), messages


def _duration_scale(path: Path, events: pd.DataFrame, scale: float, notes: list[str]) -> float:
    """Durations are in seconds by the standard, but some converters write them in the unit of the timestamps.

    The sum tells the two apart: read as seconds, the latter would exceed the time span of all events.
    """
    span = float(events["onset_ms"].max() - events["onset_ms"].min()) if len(events) else 0.0
    in_seconds = float(events.loc[events["kind"] == "fixation", "duration_ms"].sum()) * 1e3
    if scale == 1e3 or in_seconds <= 2 * span or len(events) < 2:
        return 1e3
    notes.append(f"{path.name}: durations are not in seconds as required; read in the unit of the timestamps")
    return scale


def _validation(about: dict[Path, dict[str, Any]], sides: dict[Path, str]) -> pd.DataFrame:
    rows = []
    for path, side in sides.items():
        errors = [about[path].get(f"{word}CalibrationError") for word in ("Average", "Maximal")]
        if all(error is None for error in errors):
            continue
        means, peaks = (error if isinstance(error, list) else [error] for error in errors)
        rows += [(np.nan, side, mean, peak) for mean, peak in zip_longest(means, peaks)]
    table = pd.DataFrame(rows, columns=["t_ms", "eye", "mean_error_dva", "max_error_dva"])
    numbers = ["t_ms", "mean_error_dva", "max_error_dva"]
    return table.assign(
        **{name: pd.to_numeric(table[name], errors="coerce").astype(float) for name in numbers}
    )
