"""Why a path that looks like a recording by name is not one: empty, not converted, a missing column."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from itertools import islice
from pathlib import Path

from gazekit.recordings.files import has_file
from gazekit.recordings.readers.bids_json import metadata

__all__ = ["near_miss", "recordings_below"]

# A file that occurs only in recordings of one format, and the format, whose reader reports what is wrong.
_CHARACTERISTIC = {
    "gaze ps1.time": "neon_native",
    "gaze.csv": "pupil_cloud",
    "gaze_positions.csv": "pupil_player",
    "gazeData.tsv": "table",
}
_GLASSES_3 = ("recording.g3", "gazedata.gz")
_MOST_LOOKED_AT = 1_000


def near_miss(path: Path) -> str | None:
    """Why a path that resembles a recording but matches no format is not one; None if there is no
    resemblance.

    Never raises. A folder is judged by its own files, not by those in subfolders.
    """
    try:
        return _folder(path) if path.is_dir() else _file(path) if path.is_file() else None
    except (OSError, ValueError) as error:
        return str(error)


def recordings_below(folder: Path, fits: Callable[[Path], str | None], most: int = 5) -> list[Path]:
    """The first few recordings in a folder and its subfolders; at most 1,000 entries are examined."""
    entries = (
        path for pattern in ("*", "*/*") for path in folder.glob(pattern) if not path.name.startswith(".")
    )
    try:
        return sorted(islice((p for p in islice(entries, _MOST_LOOKED_AT) if fits(p)), most))
    except OSError:
        return []


def _folder(path: Path) -> str | None:
    for name, format in _CHARACTERISTIC.items():
        if has_file(path, name):
            return _error_of(format, path)
    lacks = [name for name in _GLASSES_3 if not has_file(path, name)]
    if len(lacks) == 1:
        return f"{path}: looks like a Tobii Pro Glasses 3 recording, but it lacks {lacks[0]}"
    live = next(path.glob("segments/*/livedata.json*"), None)
    if live is not None or (has_file(path, "recording.json") and (path / "segments").is_dir()):
        lacks = "segments/<n>/livedata.json.gz" if live is None or live.suffix != ".gz" else "recording.json"
        return f"{path}: looks like a Tobii Pro Glasses 2 recording, but it lacks {lacks}"
    return None


def _file(path: Path) -> str | None:
    name, suffix = path.name, path.suffix.lower()
    physio = name.endswith(("_physio.tsv.gz", "_physio.tsv"))
    if name.startswith("livedata.json") and len(path.parents) > 3:
        return _folder(path.parents[2])
    if name in _CHARACTERISTIC or name in _GLASSES_3:
        return _folder(path.parent)
    if not (physio or suffix in (".asc", ".edf", ".csv", ".tsv")):
        return None
    if path.stat().st_size == 0:
        return f"{path}: the file is empty"
    if suffix == ".edf":
        return _edf(path)
    if suffix == ".asc":
        return f"{path}: not EyeLink text: it does not start with lines of edf2asc (** CONVERTED FROM, MSG, START)"
    return _physio(path) if physio else _table(path)


def _error_of(format: str, path: Path) -> str | None:
    try:
        import_module(f"gazekit.recordings.readers.{format}").read(path)
    except (ValueError, OSError) as error:
        return str(error)
    return None


def _edf(path: Path) -> str | None:
    with path.open("rb") as file:
        head = file.read(8)
    if head in (b"0       ", b"\xffBIOSEMI"):  # the European Data Format of EEG
        return None
    return (
        f"{path}: EyeLink's binary files are not read; convert it with SR Research's edf2asc (of the EyeLink "
        "Developers Kit) to .asc, samples and events"
    )


def _physio(path: Path) -> str | None:
    """BIDS also stores other physiological data in such files, with JSON that says so."""
    about = metadata(path)
    if not about:
        return f"{path}: no JSON in its folder or above names its columns, as BIDS requires"
    if about.get("PhysioType") == "eyetrack" or path.suffix != ".gz":
        return _error_of("bids", path)
    return None


def _table(path: Path) -> str | None:
    """Only a table with times and positions counts as samples, not tables of trials or events."""
    with path.open("rb") as file:
        names = re.split(r"[\t;,]", file.readline(10_000).decode("utf-8-sig", "replace").casefold())
    timed = any("time" in name or re.fullmatch(r"\W*t(_\w+)?\W*", name) for name in names)
    placed = any(re.search(r"(^|[\W_])[xy]([\W_]|$)", name) for name in names)
    events = any("start timestamp" in name or "onset" in name for name in names)
    return _error_of("table", path) if timed and placed and not events else None
