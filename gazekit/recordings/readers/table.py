"""Tables of gaze samples (CSV, TSV) with columns named by the caller or with known names."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gazekit.errors import RecordingError
from gazekit.recordings.clocks import Clock, in_order
from gazekit.recordings.csv_lines import plain, split_header
from gazekit.recordings.files import Truncated, read_csv, read_text
from gazekit.recordings.origin import Origin
from gazekit.recordings.recording import Recording, event_table
from gazekit.recordings.video import scene_size

__all__ = ["matches", "read", "to_top_left"]

_TIMES = {"t_s": 1e3, "t_ms": 1.0, "t_us": 1e-3, "t_ns": 1e-6}
_EYES = ("", "_left", "_right")
_PARTS = ("x_px", "y_px", "x_norm", "y_norm", "pupil", "valid")
_OWN = (*(f"{part}{eye}" for eye in _EYES for part in _PARTS), "block")
# The common format of glassesTools (github.com/dcnieho/glassesTools), which supports more head-mounted trackers.
_GLASSES = {"t_ms": "timestamp", "x_px": "gaze_pos_vid_x", "y_px": "gaze_pos_vid_y"}
_VALID = dict.fromkeys(["1", "1.0", "true", "valid", "yes"], True)
_INVALID = dict.fromkeys(["0", "0.0", "false", "invalid", "no", "nan", ""], False)


def matches(path: Path) -> bool:
    """Whether the header has gazekit's own names (`t_ms`, `x_px`, `y_px`, ...) or those of glassesTools."""
    path = path / "gazeData.tsv" if path.is_dir() else path
    try:
        with path.open("rb") as file:
            head = file.readline(10_000).decode("utf-8-sig", "replace")
    except (OSError, ValueError):
        return False
    return _known_columns(_split(head)) is not None


def read(
    path: Path,
    columns: Mapping[str, str] | None = None,
    size_px: tuple[int, int] | None = None,
    origin: Origin = "top-left",
    missing: Collection[str] = ("", "NA", "n/a", "N/A", "."),
    clock: Clock = "error",
    truncated: Truncated = "error",
) -> Recording:
    """Read a table with a header line and one row per sample.

    Columns are separated by tab, semicolon or comma; the decimal mark is a point, or a comma if that is not
    the separator.

    Args:
        path: the table, or a folder of glassesTools (`gazeData.tsv`, and beside it `frameTimestamps.tsv` and a video).
        columns: our name -> header. One of `t_s`, `t_ms`, `t_us`, `t_ns`; `x_px`, `y_px`, or `x_norm`, `y_norm`
            as a fraction (0 to 1) of `size_px`; and optionally `pupil`, `valid`, `block`. Two eyes:
            `x_px_left`, ..., `valid_right`. Other columns are kept under their header. None: the header
            already has these names. Example: {"t_ms": "Recording timestamp [ms]", "x_px": "Gaze point X",
            "y_px": "Gaze point Y"}.
        size_px: (width, height) of screen or video.
        origin: origin of x and y. With "bottom-left" and "centre", y points up; pixels are counted from 0, so
            that the last row is height - 1 and the centre (size - 1) / 2, while fractions refer to the full
            size.
        missing: strings that mark a missing number, besides "nan".
        clock: "sort" sorts rows by time and keeps the first of equal times.
        truncated: "keep" leaves out a last line without a newline.
    Returns:
        Times in ms as in the file; with `t_ns`, since the first sample, whose time is `origin_ns`.
    Raises:
        FileNotFoundError: no such file.
        RecordingError: a broken file, an absent column, text where a number should be, times that do not increase.
        ValueError: `columns` that lack time or position, or have an unknown name; `size_px` absent where needed.
    """
    path = path / "gazeData.tsv" if path.is_dir() else path
    if isinstance(missing, str):
        raise ValueError(
            f"missing must be a list of strings such as ['', {missing!r}], got the string {missing!r}"
        )
    size_px = scene_size(None, size_px, [])
    head, *rows = read_text(path, truncated)[0][:300_000].splitlines() or [""]
    header, separator = _split(head), _separator(head)
    if columns is None:
        columns = _known_columns(header)
    elif not isinstance(columns, Mapping) or not all(isinstance(name, str) for name in columns.values()):
        raise ValueError(f"columns must be a mapping of our names to headers of the file, got {columns!r}")
    if columns is None:
        names = ", ".join(header)
        raise RecordingError(f"{path}: name the columns with columns={{...}}; the file has {names[:500]}")
    eyes, time = _check_columns(columns)
    samples, notes = read_csv(
        path, columns, text=[name for name in columns if name.startswith("valid")], missing=missing,
        integers=[name for name in columns if name in ("t_ns", "block")], separator=separator, truncated=truncated,
        decimal=_decimal(path, header, separator, rows, columns),
    )  # fmt: skip
    if not len(samples):
        raise RecordingError(f"{path}: no rows after the header")
    reserved = [name for name in samples if name not in columns and name in (*_OWN, *_TIMES)]
    samples = samples.rename(columns={name: f"{name} (file)" for name in reserved})
    samples, origin_ns = _add_time(path, samples, time)
    samples, late = in_order(samples, "t_ms", str(path), clock)
    for eye in eyes:
        _add_eye(path, samples, eye, size_px, origin)
    glasses = columns == _GLASSES
    frames, video = _frames(path, truncated, notes) if glasses else (None, None)
    messages = pd.DataFrame({"t_ms": np.empty(0), "text": pd.Series(dtype=str)})
    return Recording(
        path, "glassesTools" if glasses else "table", samples, event_table(), messages,
        tuple(eye.removeprefix("_") for eye in eyes), size_px=scene_size(video, size_px, notes), video=video,
        frame_t_ms=frames, origin_ns=origin_ns, notes=(*notes, *late),
    )  # fmt: skip


def to_top_left(
    x: pd.Series, y: pd.Series, size_px: tuple[int, int] | None, origin: Origin, share: bool = False
) -> tuple[pd.Series, pd.Series]:
    """x and y as pixels from the top-left corner, y down; see `read`.

    Raises:
        ValueError: an unknown origin, fractions from the centre, or no `size_px` where it is needed.
    """
    if origin not in ("top-left", "bottom-left", "centre"):
        raise ValueError(f"origin must be 'top-left', 'bottom-left' or 'centre', got {origin!r}")
    if share and origin == "centre":
        raise ValueError("x_norm and y_norm count from a corner, not from the centre")
    if origin == "top-left" and not share:
        return x, y
    if size_px is None:
        raise ValueError(
            "size_px=(width, height) is needed for x_norm, y_norm and for an origin other than top-left"
        )
    width, height = size_px
    if share:
        return x * width, (y if origin == "top-left" else 1 - y) * height
    if origin == "bottom-left":
        return x, height - 1 - y
    return x + (width - 1) / 2, (height - 1) / 2 - y


def _separator(head: str) -> str:
    return max("\t;,", key=head.count)


def _split(head: str) -> list[str]:
    return split_header(head.strip("\r\n"), _separator(head))


def _known_columns(header: list[str]) -> dict[str, str] | None:
    """The columns of a header with our own names or those of glassesTools, None for any other header."""
    if set(_GLASSES.values()) <= set(header):
        return dict(_GLASSES)
    own = {name: name for name in header if name in (*_OWN, *_TIMES)}
    try:
        _check_columns(own)
    except ValueError:
        return None
    return own


def _check_columns(columns: Mapping[str, str]) -> tuple[list[str], str]:
    """The suffixes of the eyes, and the name of the time column."""
    if unknown := sorted(set(columns) - {*_OWN, *_TIMES}):
        raise ValueError(f"unknown column {unknown[0]!r}, expected one of {', '.join((*_TIMES, *_OWN))}")
    times = [name for name in _TIMES if name in columns]
    if len(times) != 1:
        raise ValueError(f"columns must name one of {', '.join(_TIMES)}, got {', '.join(times) or 'none'}")
    eyes = [
        eye
        for eye in _EYES
        if any(f"{axis}{eye}" in columns for axis in ("x_px", "y_px", "x_norm", "y_norm"))
    ]
    for eye in eyes:
        given = {
            unit for unit in ("px", "norm") if f"x_{unit}{eye}" in columns and f"y_{unit}{eye}" in columns
        }
        named = sum(f"{axis}_{unit}{eye}" in columns for axis in "xy" for unit in ("px", "norm"))
        if len(given) != 1 or named != 2:
            raise ValueError(f"columns must name x_px{eye} and y_px{eye}, or x_norm{eye} and y_norm{eye}")
    if not eyes or ("" in eyes and len(eyes) > 1):
        raise ValueError("columns must name x_px and y_px, or x_px_left, y_px_left, x_px_right, y_px_right")
    if stray := [
        n for n in columns if n.startswith(("pupil", "valid")) and re.sub("^(pupil|valid)", "", n) not in eyes
    ]:
        raise ValueError(f"{stray[0]} belongs to an eye without position columns")
    return eyes, times[0]


def _decimal(
    path: Path, header: list[str], separator: str, rows: list[str], columns: Mapping[str, str]
) -> str:
    """Decimal comma or point, from the first rows of the requested columns."""
    if separator == ",":
        return "."
    wanted = {plain(name) for name in columns.values()}
    places = [i for i, name in enumerate(header) if plain(name) in wanted]
    try:
        words = [
            row[i].strip() for row in csv.reader(rows, delimiter=separator) for i in places if i < len(row)
        ]
    except csv.Error as error:
        raise RecordingError(f"{path}: not a readable table ({error})") from error
    comma = next((word for word in words if re.fullmatch(r"-?\d+,\d+", word)), None)
    point = next((word for word in words if re.fullmatch(r"-?\d+\.\d+", word)), None)
    if comma and point:
        raise RecordingError(f"{path}: numbers with a decimal comma ({comma}) and with a point ({point})")
    return "," if comma else "."


def _add_time(path: Path, samples: pd.DataFrame, time: str) -> tuple[pd.DataFrame, int]:
    t = samples.pop(time)
    if time == "t_ns" and int(t.max()) - int(t.min()) >= 2**53:  # what float64 holds: 104 days
        raise RecordingError(f"{path}: times from {t.min()} to {t.max()} ns cannot belong to one recording")
    origin = int(t.iloc[0]) if time == "t_ns" else 0
    samples.insert(0, "t_ms", (t - origin).astype(np.float64) * _TIMES[time])
    return samples, origin


def _add_eye(path: Path, samples: pd.DataFrame, eye: str, size_px: Any, origin: Origin) -> None:
    share = f"x_norm{eye}" in samples
    unit = "norm" if share else "px"
    x, y = samples[f"x_{unit}{eye}"].astype(np.float64), samples[f"y_{unit}{eye}"].astype(np.float64)
    samples[f"x_px{eye}"], samples[f"y_px{eye}"] = to_top_left(x, y, size_px, origin, share)
    known = np.isfinite(x) & np.isfinite(y)
    if f"valid{eye}" in samples:
        words = samples[f"valid{eye}"].str.strip().str.casefold()
        said = words.map(_VALID | _INVALID)
        if said.isna().any():
            row = int(said.isna().to_numpy().argmax())
            expected = ", ".join(word for word in _VALID | _INVALID if word)
            raise RecordingError(
                f"{path}, valid{eye}, row {row + 1}: expected one of {expected}, got {words.iloc[row][:60]!r}"
            )
        known &= said.to_numpy(bool)
    samples[f"valid{eye}"] = known


def _frames(path: Path, truncated: Truncated, notes: list[str]) -> tuple[np.ndarray | None, Path | None]:
    """Times of the scene frames and the one video beside gazeData.tsv, None for what is absent."""
    videos = sorted(path.parent.glob("*.mp4"))
    video = videos[0] if len(videos) == 1 else None
    file = path.with_name("frameTimestamps.tsv")
    if not file.exists():
        notes.append("frameTimestamps.tsv is missing: frames have no times")
        return None, video
    table, more = read_csv(
        file, {"t_ms": "timestamp"}, {"frame": "frame_idx"}, separator="\t", truncated=truncated
    )
    in_order(table, "t_ms", str(file), "error")
    notes += more
    return table["t_ms"].to_numpy(np.float64), video
