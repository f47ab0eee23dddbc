"""Head boxes of people in pictures and videos: from files, or from detected faces.

Files are

- CSV with a header: `picture` or `frame`, then x_min, y_min, x_max, y_max in pixels and, if wanted, `person`. A file
  for one picture needs neither `picture` nor `frame`. `gaze.csv`, which `predict` writes, is such a file.
- lines `frame_name,left,top,right,bottom` without header, one file a person, who is named like the file
- JSON: a list of objects with the keys of the CSV
- a folder of such files

Frames of a video are counted from 0 in the order in which they are shown; a name such as 00000012.jpg is frame 12.
Pixels are those of a picture as it is shown, turned as its EXIF orientation says; `gaze.csv` has the same.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gazekit.errors import DataError
from gazekit.models.gaze_following.faces import Faces

__all__ = ["BOX", "Heads", "HeadsFile", "heads_of_faces"]

BOX = ("x_min", "y_min", "x_max", "y_max")
NAMED = {"picture", "frame", "person"}
ALSO = {"t_ms", "p_inside", "gaze_x_px", "gaze_y_px", "direction_x", "direction_y", "shared_with", "error"}
"""Columns of gaze.csv that say nothing of heads."""
FRAME = re.compile(r"([0-9]+)(\.[A-Za-z][A-Za-z0-9]*)?")
"""A frame number, alone or as the name of a picture file."""

GROWN = {"sides": 0.15, "above": 0.35, "below": 0.10, "behind": 0.35}
"""How a face becomes a head, in shares of the face's width and height. `behind` is added on the side away from the nose
of a face in full profile, and in proportion to the position of the nose in between."""


class Heads(NamedTuple):
    """Heads in one picture.

    Args:
        boxes_px: [N, 4] x_min, y_min, x_max, y_max; they may reach over the border.
        eyes_px: [N, 2] midpoint of the eyes; NaN where it is not known.
        pose_xy: [N, 2] direction in the picture's plane; NaN where it was not estimated.
        people: N names; "" where it is not known who it is.
    """

    boxes_px: np.ndarray
    eyes_px: np.ndarray
    pose_xy: np.ndarray
    people: tuple[str, ...]


def heads_of_faces(faces: Faces) -> Heads:
    """Head boxes around faces; they are larger by `GROWN`."""
    low, high = faces.boxes_px[:, :2], faces.boxes_px[:, 2:]
    width, height = (high - low).T
    turned = np.clip(
        (faces.landmarks_px[:, 2, 0] - (low + high)[:, 0] / 2) / np.maximum(width / 2, 1e-9), -1, 1
    )
    boxes = np.stack(
        [
            low[:, 0] - width * (GROWN["sides"] + GROWN["behind"] * np.maximum(turned, 0)),
            low[:, 1] - height * GROWN["above"],
            high[:, 0] + width * (GROWN["sides"] + GROWN["behind"] * np.maximum(-turned, 0)),
            high[:, 1] + height * GROWN["below"],
        ],
        1,
    )
    return Heads(boxes, faces.landmarks_px[:, :2].mean(1), _unknown(boxes), ("",) * len(boxes))


def _unknown(boxes: np.ndarray) -> np.ndarray:
    return np.full((len(boxes), 2), np.nan)


@dataclass
class HeadsFile:
    """Head boxes from a file or folder, by picture or frame.

    Args:
        path: see the module.
        video: whether they are of the frames of a video, not of pictures.
    Raises:
        FileNotFoundError: no such file, or a folder without any.
        DataError: columns other than expected, an invalid box, a person twice in one picture.
    """

    path: Path
    video: bool
    rows: dict[str, list[tuple[str, tuple[float, ...]]]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.path = Path(self.path).expanduser()
        for file in _files(self.path):
            for place, row in _rows(file):
                self._add(place, row)

    def _add(self, place: str, row: Mapping[str, Any]) -> None:
        key = self._key(place, row)
        of_key = self.rows.setdefault(key, [])
        box = _box(place, row)
        if box is None:
            return
        person = str(row.get("person") or "")
        if person and person in {name for name, _ in of_key}:
            raise DataError(f"{place}: person {person} has two heads in {key or 'the picture'}")
        of_key.append((person, box))

    def _key(self, place: str, row: Mapping[str, Any]) -> str:
        if not self.video:
            return str(row.get("picture") or row.get("frame") or "")
        name = row.get("frame") if row.get("frame") not in (None, "") else row.get("picture")
        frame = FRAME.fullmatch(Path(str(name)).name)
        if frame is None:
            raise DataError(f"{place}: {name!r} is not a frame number such as 12 or 00000012.jpg")
        return str(int(frame[1]))

    def of(self, name: str, number: int) -> Heads:
        """Heads in a picture (found by its name, or by its name without extension) or in a frame; N may be 0."""
        keys = (str(number),) if self.video else (name, Path(name).stem, "")
        found = [head for key in keys for head in self.rows.get(key, ())]
        boxes = np.array([box for _, box in found], np.float64).reshape(-1, 4)
        return Heads(boxes, _unknown(boxes), _unknown(boxes), tuple(person for person, _ in found))

    @property
    def names(self) -> set[str]:
        """Of the people in the file."""
        return {person for heads in self.rows.values() for person, _ in heads if person}

    def check(self, names: Sequence[str], n_frames: int | None = None) -> None:
        """Compare with the input: each head must be in one of its pictures, or in a frame of its video.

        Args:
            names: of all pictures of the input, or the numbers of the frames that are read.
            n_frames: of the video, read or not; None if it is not known.
        Raises:
            DataError: heads without a picture, though there are several; no line is of the input; heads in other
                pictures, in a picture whose name without extension is that of several, or after the last frame.
        """
        if "" in self.rows and len(names) > 1:
            raise DataError(
                f"{self.path}: a column `picture` must say which of {len(names)} pictures a head is in"
            )
        if not any(key in self.rows for name in names for key in (name, Path(name).stem, "")):
            known = ", ".join(list(self.rows)[:3])
            raise DataError(
                f"{self.path}: no line is of {', '.join(names[:3])}; the file has heads in {known}"
            )
        keys = [key for key, heads in self.rows.items() if heads and key]
        if self.video:
            last = math.inf if n_frames is None else n_frames - 1
            self._refuse([key for key in keys if int(key) > last], f"frames after the last one, {last}")
        else:
            stems = Counter(Path(name).stem for name in names)
            exact = set(names)
            others = [key for key in keys if key not in exact]
            self._refuse([key for key in others if not stems[key]], "pictures that the input does not have")
            self._refuse([key for key in others if stems[key] > 1], "pictures whose names need an extension")

    def _refuse(self, keys: list[str], what: str) -> None:
        if keys:
            more = ", ..." if len(keys) > 3 else ""
            raise DataError(f"{self.path} has heads in {len(keys)} {what}: {', '.join(keys[:3])}{more}")


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise FileNotFoundError(f"heads={path} does not exist")
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in (".csv", ".txt", ".json"))
    files = [file for file in files if not file.stem.lower().startswith(("readme", "license"))]
    if not files:
        raise FileNotFoundError(f"heads={path} has no file that ends in .csv, .txt or .json")
    return files


def _rows(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Where each line stands, and its values by name."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not a text file: {error}") from error
    if file.suffix.lower() == ".json":
        yield from _json_rows(file, text)
        return
    lines = [(number, line) for number, line in enumerate(csv.reader(text.splitlines()), 1) if line]
    if not lines:
        return
    columns = [name.strip() for name in lines[0][1]]
    if len(columns) == 5 and all(_is_number(value) for value in columns[1:]):
        columns, person = ["frame", *BOX], {"person": file.stem}
    else:
        _check_columns(file, columns)
        lines, person = lines[1:], {}
    for number, line in lines:
        if len(line) != len(columns):
            raise DataError(f"{file}, line {number}: {len(line)} values, expected {', '.join(columns)}")
        yield f"{file}, line {number}", person | dict(zip(columns, map(str.strip, line), strict=True))


def _json_rows(file: Path, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{file} is not a JSON file: {error}") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{file}: expected a list of objects with the keys {', '.join(BOX)}")
    for number, row in enumerate(rows):
        _check_columns(f"{file}, entry {number}", list(row))
        yield f"{file}, entry {number}", row


def _check_columns(place: Path | str, columns: list[str]) -> None:
    missing = [name for name in BOX if name not in columns]
    unknown = [name for name in columns if name not in {*BOX, *NAMED, *ALSO}]
    double = sorted({name for name in columns if columns.count(name) > 1})
    for what, names in (("lacks", missing), ("has the unknown", unknown), ("has twice", double)):
        if names:
            raise DataError(
                f"{place} {what} {', '.join(names)}; expected {', '.join(BOX)} and, if wanted, picture, frame, person"
            )


def _box(place: str, row: Mapping[str, Any]) -> tuple[float, ...] | None:
    """None for a line of a picture without head, whose box is empty."""
    values = [row[name] for name in BOX]
    if all(value in (None, "") for value in values):
        return None
    if not all(_is_number(value) for value in values):
        raise DataError(f"{place}: {', '.join(BOX)} must be numbers, got {values}")
    box = tuple(float(value) for value in values)
    if not (box[0] < box[2] and box[1] < box[3]):
        raise DataError(f"{place}: expected x_min < x_max and y_min < y_max, got {list(box)}")
    return box


def _is_number(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError):
        return False
