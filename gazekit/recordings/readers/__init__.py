"""One module per tracker: `matches(path)` checks the content, `read(path, ...)` returns a `Recording`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

from gazekit.errors import RecordingError
from gazekit.recordings.readers.near import near_miss, recordings_below

__all__ = ["FORMATS", "fitting", "reader_of", "recognise"]

# From the most specific to the most general: a table of declared columns would match many files.
FORMATS = {
    "eyelink": "EyeLink text (.asc)",
    "neon_native": "Pupil Labs Neon, native folder",
    "pupil_cloud": "Pupil Cloud / Neon Player CSV folder",
    "pupil_player": "Pupil Player export folder",
    "tobii_glasses2": "Tobii Pro Glasses 2 recording folder",
    "tobii_glasses3": "Tobii Pro Glasses 3 recording folder",
    "bids": "BIDS eye-tracking (_physio.tsv.gz with its JSON)",
    "table": "a CSV or TSV table with declared columns",
}


def recognise(path: str | Path) -> str:
    """Name of the format of a file or folder.

    Raises:
        FileNotFoundError: no such path.
        RecordingError: no format matches; the message says what is wrong with a path that looks like a
            recording, names the recordings in a folder, or lists the known formats.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"no recording at {path}")
    if name := fitting(path):
        return name
    if reason := near_miss(path):
        raise RecordingError(reason)
    if path.is_dir() and (below := recordings_below(path, fitting)):
        names = ", ".join(str(p.relative_to(path)) for p in below)
        raise RecordingError(
            f"{path}: a folder of recordings, not a recording; open one of them, for instance: {names}"
        )
    known = "\n  ".join(f"{name}: {title}" for name, title in FORMATS.items())
    text = f"{path}: unrecognised format. Known formats (choose one with format=...):\n  {known}"
    if path.suffix.lower() in (".csv", ".tsv", ".txt"):
        text += "\nIf it is a table of gaze samples, name its columns: columns={...}"
    raise RecordingError(text)


def fitting(path: Path) -> str | None:
    """Name of the format of an existing file or folder; None if none matches."""
    if not (path.is_file() or path.is_dir()):  # reading a pipe would block
        return None
    return next((name for name in FORMATS if _module(name).matches(path)), None)


def reader_of(path: Path, format: str | None, options: Mapping[str, Any]) -> Callable[..., Any]:
    """The function that reads a path into a `Recording`.

    Args:
        path: a file or a folder.
        format: one of `FORMATS`; None: detect it.
        options: options that the function must accept.
    Raises:
        ValueError: an unknown format or option.
        FileNotFoundError, RecordingError: as `recognise`.
    """
    if format is not None and format not in FORMATS:
        raise ValueError(f"unknown format {format!r}, expected one of: {', '.join(FORMATS)}")
    if not path.exists():
        raise FileNotFoundError(f"no recording at {path}")
    if not (path.is_file() or path.is_dir()):
        raise RecordingError(f"{path}: neither a file nor a folder")
    name = format or recognise(path)
    reader = _module(name).read
    known = list(signature(reader).parameters)[1:]
    if unknown := sorted(set(options) - set(known)):
        raise ValueError(
            f"format {name} has no option {', '.join(unknown)}, expected {', '.join(known) or 'none'}"
        )
    return reader


def _module(name: str) -> Any:
    return import_module(f"gazekit.recordings.readers.{name}")
