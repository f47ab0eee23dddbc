"""Binary streams of a Neon native folder (`<stream> ps<part>.raw`, `.time`, `<stream>.dtype`) and its calibration."""

from __future__ import annotations

import ast
import re
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from gazekit.errors import RecordingError
from gazekit.recordings.camera import SceneCamera
from gazekit.recordings.files import Truncated, read_bytes, read_text

__all__ = ["parts", "read_calibration", "read_stream", "read_times", "stream_names"]

_TYPES = re.compile(r"u?int(8|16|32|64)|float(32|64)")
_PLAIN = {"gaze": [("x", "float32"), ("y", "float32")], "worn": [("worn", "uint8")]}
_CALIBRATION = np.dtype(
    [("version", "u1"), ("serial", "S6")]
    + [
        (f"{camera}_{what}", "<f8", shape)
        for camera in ("scene", "right", "left")
        for what, shape in (("matrix", (3, 3)), ("distortion", (8,)), ("extrinsics", (4, 4)))
    ]
    + [("crc", "<u4")]
)


def parts(folder: Path, stream: str, suffix: str) -> list[Path]:
    """Files of a stream in the order of their parts: `<stream><suffix>` without parts, else ps1, ps2, ..."""
    if (folder / f"{stream}{suffix}").is_file():
        return [folder / f"{stream}{suffix}"]
    pattern = re.compile(re.escape(stream) + r" ps(\d+)" + re.escape(suffix))
    found = [(int(m[1]), p) for p in folder.iterdir() if (m := pattern.fullmatch(p.name))]
    return [path for _, path in sorted(found)]


def stream_names(folder: Path) -> list[str]:
    """Names of all streams with binary data."""
    names = {re.sub(r" ps\d+$", "", path.stem) for path in folder.glob("*.raw")}
    return sorted(names)


def read_times(path: Path, truncated: Truncated) -> tuple[np.ndarray, list[str]]:
    """[N] int64 nanoseconds of a `.time` file."""
    return _records(path, np.dtype("<i8"), truncated)


def read_stream(
    folder: Path, stream: str, layout: str, fields: tuple[str, ...], truncated: Truncated
) -> tuple[pd.DataFrame, list[str]]:
    """All parts of a stream, one row per record, with its time in the column `ns`.

    Args:
        layout: the stream that `<layout>.dtype` describes; not needed for gaze and worn.
        fields: required fields.
    Returns:
        An empty table if the stream is absent or its files are empty.
    Raises:
        RecordingError: an unreadable layout or one without `fields`; a part that ends within a record, or
            whose numbers of times and records differ (unless "keep": the smaller number is read).
    """
    raws = parts(folder, stream, ".raw")
    dtype = _layout(folder, layout) if raws else np.dtype([])
    if raws and (missing := [name for name in fields if name not in dtype.names]):
        raise RecordingError(
            f"{folder / layout}.dtype: no field {', '.join(missing)}, found: {', '.join(dtype.names)}"
        )
    tables, notes = [], []
    for raw in raws:
        values, more = _records(raw, dtype, truncated)
        table = pd.DataFrame({name: _wide(values[name]) for name in dtype.names})
        notes += more
        if stream.partition("_")[0] != "worn":  # worn shares the times of gaze
            times, more = read_times(raw.with_suffix(".time"), truncated)
            notes += more
            if len(times) != len(table):
                message = f"{len(table)} records but {len(times)} times in {raw.stem}.time"
                if truncated != "keep":
                    raise RecordingError(
                        f'{raw}: {message}, one of them was cut off; truncated="keep" reads the smaller number'
                    )
                notes.append(f"{raw.name}: {message}; the rest was left out")
            count = min(len(times), len(table))
            table = table[:count].assign(ns=times[:count])
        tables.append(table)
    return (pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()), notes


def _wide(values: np.ndarray) -> np.ndarray:
    """float32 as float64; damaged bytes may be signalling NaNs, for which NumPy would warn."""
    with np.errstate(invalid="ignore"):
        return values.astype(np.float64) if values.dtype.kind == "f" else values


def _records(path: Path, dtype: np.dtype, truncated: Truncated) -> tuple[np.ndarray, list[str]]:
    content, notes = read_bytes(path, truncated)
    rest = len(content) % dtype.itemsize
    if rest and truncated != "keep":
        raise RecordingError(
            f"{path}: {len(content)} bytes is not a multiple of the record size, {dtype.itemsize} bytes; it was cut"
            ' off or has another layout; truncated="keep" reads the complete records'
        )
    if rest:
        notes = [*notes, f"{path.name} is cut off: {rest} bytes after its last complete record were left out"]
    return np.frombuffer(content[: len(content) - rest], dtype), notes


def _layout(folder: Path, stream: str) -> np.dtype:
    path = folder / f"{stream}.dtype"
    if not path.is_file() and stream in _PLAIN:
        fields = _PLAIN[stream]
    else:
        text, _ = read_text(path)
        fields = _literal(path, text)
    return np.dtype([(name, np.dtype(kind).newbyteorder("<")) for name, kind in fields])


def _literal(path: Path, text: str) -> list[tuple[str, str]]:
    expected = f"{path}: expected a list of (name, type) such as ('x', 'float32')"
    if len(text) > 100_000:
        raise RecordingError(f"{expected}, got {len(text)} characters")
    try:
        fields = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise RecordingError(f"{expected}, is it complete? ({error})") from error
    good = isinstance(fields, list) and bool(fields)
    good = good and all(
        isinstance(f, tuple) and len(f) == 2 and all(isinstance(v, str) for v in f) for f in fields
    )
    if not good or not all(_TYPES.fullmatch(kind) for _, kind in fields):
        raise RecordingError(f"{expected}, got {text.strip()[:80]!r}")
    names = [name for name, _ in fields]
    if len(set(names)) != len(names) or "" in names or "ns" in names:
        raise RecordingError(f"{expected} with distinct names, got {', '.join(names)}")
    return fields


def read_calibration(path: Path, size_px: tuple[int, int]) -> tuple[SceneCamera, dict[str, object]]:
    """The scene camera of `calibration.bin`, and its other data on scene and eye cameras.

    803 bytes: u1 version, 6 bytes serial number; for the scene, right and left camera 3 x 3, 8 and 4 x 4
    float64 of matrix, distortion and pose; and the CRC-32 (as in zlib) of all preceding bytes as u4; verified
    on a real recording.

    Raises:
        RecordingError: another size, a wrong checksum, or no camera.
    """
    content, _ = read_bytes(path)
    if len(content) != _CALIBRATION.itemsize:
        raise RecordingError(
            f"{path}: {len(content)} bytes, expected {_CALIBRATION.itemsize}; was it cut off?"
        )
    values = np.frombuffer(content, _CALIBRATION)[0]
    if int(values["crc"]) != (found := zlib.crc32(content[:-4])):
        raise RecordingError(
            f"{path}: the checksum is {values['crc']:08x}, expected {found:08x} for its bytes: the file is damaged"
        )
    try:
        camera = SceneCamera(values["scene_matrix"], values["scene_distortion"], size_px)
    except ValueError as error:
        raise RecordingError(f"{path}: {error}") from error
    rest = {name: values[name] for name in _CALIBRATION.names if name not in ("crc", "serial")}
    return camera, {**rest, "serial": values["serial"].decode("latin-1")}
