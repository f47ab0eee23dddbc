"""Scanpaths in CSV and JSON files that people exchange: read with their units checked.

CSV: one line per fixation, in order, with the columns `image`, `x_px`, `y_px`, and if known `duration_ms` and
`observer` (or `sample`, for a model that makes several scanpaths per image); a scanpath's lines follow one another.
JSON: a list of objects with the same keys, where `x_px`, `y_px` and `duration_ms` are lists, one object per scanpath.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
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
_COLUMNS = {"image", "observer", "sample", "x_px", "y_px", "duration_ms"}
_WHO_OR_WHICH = (
    "observer", "participant", "subj", "person", "user", "viewer", "sample", "trial", "session", "repe"
)  # fmt: skip
_SHORTEST_MS = 5.0
"""A median duration below is taken for seconds: fixations last 50 to 1000 ms."""


@dataclass(frozen=True)
class ScanpathFile:
    """M scanpaths with the image and the observer (or sample) of each, as named in the file.

    Where no column tells observers or samples apart, `told_apart` is False and an image has one scanpath.
    """

    scanpaths: list[Scanpath]
    image: list[str]
    observer: list[str]
    told_apart: bool = True


class _Found(NamedTuple):
    """A scanpath and where in the file it stands."""

    where: str
    image: str
    observer: str
    xy_px: list[tuple[float, float]]
    duration_ms: list[float] | None


def read_scanpaths(path: str | Path) -> ScanpathFile:
    """Scanpaths of a .csv or .json file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another kind of file, missing, doubled or unknown columns, a column that tells scanpaths apart by a
            name that is not `observer` or `sample`, two scanpaths of one image and observer, a value that is
            no number, durations that look like seconds, positions that look like fractions of the picture; the
            text says where and what to do.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    readers = {".csv": _csv_scanpaths, ".json": _json_scanpaths}
    if path.suffix.lower() not in readers:
        raise ValueError(f"{path}: expected a .csv or .json file of scanpaths, or a folder of maps")
    try:
        found = list(readers[path.suffix.lower()](path))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 text ({error}); save it as UTF-8") from error
    except csv.Error as error:
        raise ValueError(f"{path} is not CSV: {error}") from error
    if not found:
        raise ValueError(f"{path}: no scanpath in it")
    _check_different(path, found)
    _check_units(path, found)
    scanpaths = [Scanpath(np.array(f.xy_px, float).reshape(-1, 2), f.duration_ms, f.observer) for f in found]
    observer = [f.observer for f in found]
    return ScanpathFile(scanpaths, [f.image for f in found], observer, any(observer))


def _csv_scanpaths(path: Path) -> Iterator[_Found]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        columns = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = columns
        _check_separator(path, columns)
        _check_columns(path, columns)
        who = next((name for name in ("observer", "sample") if name in columns), None)
        apart = [name for name in columns if name not in _COLUMNS and _tells_apart(name)]
        if apart and who is None:
            raise ValueError(
                f"{path}: {', '.join(map(repr, apart))} may tell scanpaths on one image apart: rename it to "
                "'observer' (or 'sample', of a model), or remove it if it doesn't"
            )
        known = [name for name in ("image", who) if name]
        # a trial that changes begins a scanpath, so that two trials of one observer are not taken for one
        rows = _named_rows(path, reader, known)
        for _, block in groupby(rows, key=lambda line: [line[1][name] for name in (*known, *apart)]):
            yield _csv_scanpath(path, list(block), who, "duration_ms" in columns)


def _csv_scanpath(path: Path, block: list[tuple[int, dict]], who: str | None, timed: bool) -> _Found:
    names = ("x_px", "y_px", "duration_ms") if timed else ("x_px", "y_px")
    values = [[_number(f"{path}, line {line}", name, row[name]) for name in names] for line, row in block]
    first, last, row = block[0][0], block[-1][0], block[0][1]
    duration = [value[2] for value in values] if timed else None
    where = f"line {first}" if first == last else f"lines {first} to {last}"
    return _Found(where, row["image"], row[who] if who else "", [(v[0], v[1]) for v in values], duration)


def _json_scanpaths(path: Path) -> Iterator[_Found]:
    try:
        records = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(records, list):
        raise ValueError(
            f"{path}: expected a list with one object per scanpath, got {type(records).__name__}"
        )
    for number, record in enumerate(records):
        where = f"{path}, scanpath {number}"
        if not isinstance(record, dict):
            raise ValueError(f"{where}: expected an object, got {type(record).__name__}")
        _check_columns(where, list(record))
        yield _json_scanpath(where, number, record)


def _json_scanpath(where: str, number: int, record: dict[str, Any]) -> _Found:
    columns = {name: record[name] for name in ("x_px", "y_px", "duration_ms") if name in record}
    for name, values in columns.items():
        if not isinstance(values, list):
            raise ValueError(f"{where}: {name} must be a list with one number per fixation, got {values!r}")
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"{where}: lists of different length: {lengths}")
    numbers = {name: [_number(where, name, value) for value in values] for name, values in columns.items()}
    who = str(record.get("observer", record.get("sample", number)))
    xy = list(zip(numbers["x_px"], numbers["y_px"], strict=True))
    return _Found(f"scanpath {number}", str(record["image"]), who, xy, numbers.get("duration_ms"))


def _check_different(path: Path, found: list[_Found]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for where, image, observer, *_ in found:
        before = seen.setdefault((image, observer), where)
        if before is not where:
            who = f" and observer {observer!r}" if observer else ""
            raise ValueError(
                f"{path}: {before} and {where} are two scanpaths of image {image!r}{who}: give repeats an observer "
                "or image name of their own (in CSV, the lines of one scanpath must follow one another)"
            )


def _check_separator(path: Path, columns: list[str]) -> None:
    for separator, word in ((";", "semicolons"), ("\t", "tabs")):
        if len(columns) == 1 and separator in columns[0]:
            raise ValueError(f"{path}: its columns are separated by {word}, expected commas")


def _named_rows(path: Path, reader: csv.DictReader, known: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows and their lines; an error about one with too many fields, or too few to say what it is about."""
    for row in reader:
        where = f"{path}, line {reader.line_num}"
        if None in row:
            raise ValueError(f"{where}: more fields than columns; write decimal points, not decimal commas")
        there = sum(value is not None for value in row.values())
        if there < len(row):
            raise ValueError(f"{where}: {there} of {len(row)} fields")
        for name in known:
            if not row[name]:
                raise ValueError(f"{where}: {name} is {row[name]!r}, expected a name")
        yield reader.line_num, row


def _tells_apart(column: str) -> bool:
    """Whether its name says that it numbers people, trials or the like, rather than fixations or images."""
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column).lower())
    if any(word.startswith(("fix", "saccade", "image", "img", "picture", "stim")) for word in words):
        return False
    return any(word in ("id", "ids", "run", "block") or word.startswith(_WHO_OR_WHICH) for word in words)


def _check_columns(where: Path | str, columns: list[str]) -> None:
    missing = [name for name in ("image", "x_px", "y_px") if name not in columns]
    doubled = sorted({name for name in columns if columns.count(name) > 1})
    if doubled:
        raise ValueError(f"{where}: more than one column is called {', '.join(map(repr, doubled))}")
    if {"observer", "sample"} <= set(columns):
        raise ValueError(f"{where}: has both 'observer' and 'sample': one of them says whose scanpath it is")
    hints = [
        f"{other!r} -> {name!r}"
        for name, others in _RENAME.items()
        for other in columns
        if name not in columns and other not in _COLUMNS and {other, other.lower()} & {name, *others}
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


def _check_units(path: Path, found: list[_Found]) -> None:
    durations = np.array([duration for f in found for duration in f.duration_ms or ()])
    if (durations < 0).any():
        raise ValueError(f"{path}: duration_ms holds negative values")
    if len(durations) and np.median(durations) < _SHORTEST_MS:
        median = f"the median of duration_ms is {np.median(durations):g}"
        raise ValueError(f"{path}: {median}, which looks like seconds: write milliseconds")
    xy = np.array([xy for f in found for xy in f.xy_px])
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
