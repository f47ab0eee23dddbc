"""Scanpaths in CSV and JSON files that people exchange: read with their units checked.

CSV: one line a fixation, in order, with the columns `image`, `x_px`, `y_px`, and if known `duration_ms` and
`observer` (or `sample`, for a model that makes several scanpaths an image). JSON: a list of objects with the same
keys, where `x_px`, `y_px` and `duration_ms` are lists, one object a scanpath.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gazekit.scanpath import Scanpath

__all__ = ["MapFolder", "ScanpathFile", "read_scanpaths"]

_RENAME = {
    "x_px": ("x", "fix_x", "start_x", "x_pixel", "xpos", "px", "X"),
    "y_px": ("y", "fix_y", "start_y", "y_pixel", "ypos", "py", "Y"),
    "duration_ms": ("duration", "dur", "T", "fix_duration", "duration_s"),
    "image": ("img", "name", "stimulus", "image_name", "picture", "filename"),
    "observer": ("subject", "participant", "person", "user", "subj"),
}
_SHORTEST_MS = 5.0
"""A median duration below is taken for seconds: fixations last 50 to 1000 ms."""


@dataclass(frozen=True)
class ScanpathFile:
    """M scanpaths with the image and the observer (or sample) of each, as named in the file."""

    scanpaths: list[Scanpath]
    image: list[str]
    observer: list[str]


class _Fixation(NamedTuple):
    image: str
    observer: str
    x_px: float
    y_px: float
    duration_ms: float | None


def read_scanpaths(path: str | Path) -> ScanpathFile:
    """Scanpaths of a .csv or .json file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another kind of file, missing or unknown columns, a value that is no number, durations that
            look like seconds, positions that look like fractions of the picture; the text says where and what
            to do.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    readers = {".csv": _csv_rows, ".json": _json_rows}
    if path.suffix.lower() not in readers:
        raise ValueError(f"{path}: expected a .csv or .json file of scanpaths, or a folder of maps")
    paths: dict[tuple[str, str], list[_Fixation]] = {}
    for fixation in readers[path.suffix.lower()](path):
        paths.setdefault((fixation.image, fixation.observer), []).append(fixation)
    if not paths:
        raise ValueError(f"{path}: no scanpath in it")
    _check_units(path, [f for fixations in paths.values() for f in fixations])
    found = [_scanpath(who, fixations) for (_, who), fixations in paths.items()]
    return ScanpathFile(found, [image for image, _ in paths], [who for _, who in paths])


def _scanpath(observer: str, fixations: list[_Fixation]) -> Scanpath:
    xy = np.array([(f.x_px, f.y_px) for f in fixations if not np.isnan(f.x_px)], float).reshape(-1, 2)
    known = fixations[0].duration_ms is not None
    duration = np.array([f.duration_ms for f in fixations][: len(xy)], float) if known else None
    return Scanpath(xy, duration, observer)


def _csv_rows(path: Path) -> Iterator[_Fixation]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        columns = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = columns
        _check_columns(path, columns)
        who = next((name for name in ("observer", "sample") if name in columns), None)
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            x, y = (_number(where, name, row[name]) for name in ("x_px", "y_px"))
            duration = _number(where, "duration_ms", row["duration_ms"]) if "duration_ms" in columns else None
            yield _Fixation(str(row["image"]), str(row[who]) if who else "", x, y, duration)


def _json_rows(path: Path) -> Iterator[_Fixation]:
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(records, list):
        raise ValueError(f"{path}: expected a list with one object a scanpath, got {type(records).__name__}")
    for number, record in enumerate(records):
        where = f"{path}, scanpath {number}"
        if not isinstance(record, dict):
            raise ValueError(f"{where}: expected an object, got {type(record).__name__}")
        _check_columns(where, list(record))
        yield from _json_scanpath(where, number, record)


def _json_scanpath(where: str, number: int, record: dict[str, Any]) -> Iterator[_Fixation]:
    columns = {name: record[name] for name in ("x_px", "y_px", "duration_ms") if name in record}
    for name, values in columns.items():
        if not isinstance(values, list):
            raise ValueError(f"{where}: {name} must be a list with one number a fixation, got {values!r}")
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"{where}: lists of different length: {lengths}")
    who = str(record.get("observer", record.get("sample", number)))
    image = str(record["image"])
    if not columns["x_px"]:  # an empty scanpath is a scanpath: it has a row without a position
        yield _Fixation(image, who, np.nan, np.nan, 0.0 if "duration_ms" in columns else None)
    for k in range(len(columns["x_px"])):
        x, y = (_number(where, name, columns[name][k]) for name in ("x_px", "y_px"))
        duration = (
            _number(where, "duration_ms", columns["duration_ms"][k]) if "duration_ms" in columns else None
        )
        yield _Fixation(image, who, x, y, duration)


def _check_columns(where: Path | str, columns: list[str]) -> None:
    missing = [name for name in ("image", "x_px", "y_px") if name not in columns]
    known = {"image", "observer", "sample", "x_px", "y_px", "duration_ms"}
    hints = [
        f"{other!r} -> {name!r}"
        for name, others in _RENAME.items()
        for other in columns
        if name not in columns and other not in known and (other in others or other.lower() in others)
    ]
    if not missing and not hints:
        return
    hint = f"; if the units are pixels and milliseconds, rename {', '.join(hints)}" if hints else ""
    lacking = (
        f"lacks {', '.join(map(repr, missing))}"
        if missing
        else "has a column without a unit or by another name"
    )
    raise ValueError(f"{where}: {lacking}; it has {', '.join(map(repr, columns)) or 'nothing'}{hint}")


def _number(where: str, name: str, text: Any) -> float:
    try:
        value = float(text)
    except (TypeError, ValueError):
        raise ValueError(f"{where}: {name} is {text!r}, expected a number") from None
    if not np.isfinite(value):
        raise ValueError(f"{where}: {name} is {text}, expected a finite number")
    return value


def _check_units(path: Path, fixations: list[_Fixation]) -> None:
    durations = [f.duration_ms for f in fixations if f.duration_ms is not None and not np.isnan(f.x_px)]
    if any(duration < 0 for duration in durations):
        raise ValueError(f"{path}: duration_ms holds negative values")
    if durations and np.median(durations) < _SHORTEST_MS:
        median = f"the median of duration_ms is {np.median(durations):g}"
        raise ValueError(f"{path}: {median}, which looks like seconds: write milliseconds")
    xy = np.array([(f.x_px, f.y_px) for f in fixations if not np.isnan(f.x_px)])
    if len(xy) > 1 and xy.min() >= 0 and xy.max() <= 1:
        raise ValueError(
            f"{path}: all positions lie between 0 and 1, which looks like fractions of the picture: write pixels"
        )


class MapFolder(Mapping):
    """Saliency maps of a folder by image name, read when they are asked for.

    The map of image `cat.jpg` is `cat.jpg.npy`, `cat.npy`, `cat.jpg.png` or `cat.png`: a [height, width] array of
    numbers, or a grey picture, of the size of the image.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._files = {
            path.name: path for path in sorted(self.folder.iterdir()) if path.suffix in (".npy", ".png")
        }
        if not self._files:
            raise ValueError(f"{self.folder}: no .npy or .png map in this folder")

    def _file(self, image: object) -> Path | None:
        name = str(image)
        candidates = [f"{base}{kind}" for kind in (".npy", ".png") for base in (name, Path(name).stem)]
        candidates += [name] if name.endswith((".npy", ".png")) else []
        return next((self._files[c] for c in candidates if c in self._files), None)

    def __contains__(self, image: object) -> bool:
        return self._file(image) is not None

    def __getitem__(self, image: object) -> np.ndarray:
        """[H, W] as stored.

        Raises:
            KeyError: no map of the image.
            ValueError: a file that holds no map.
        """
        path = self._file(image)
        if path is None:
            raise KeyError(image)
        if path.suffix == ".npy":
            found = np.load(path, allow_pickle=False)
        else:
            import cv2

            found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if found is None or found.ndim != 2 or found.dtype.kind not in "fiu":
            got = "nothing readable" if found is None else f"{found.dtype} of shape {list(found.shape)}"
            raise ValueError(
                f"{path}: expected a map of numbers [height, width] or a grey picture, got {got}"
            )
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)
