"""Reading annotation files of gaze following: tables with exact columns, pictures, clips of videos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from gazekit.datasets.gaze_targets import GazePicture, Person
from gazekit.datasets.records import BadRecords, natural_key
from gazekit.errors import DataError

__all__ = [
    "BEYOND",
    "checked_person",
    "clip_pictures",
    "held_out",
    "ordered_boxes",
    "picture_size_px",
    "read_lines",
    "read_picture",
    "read_table",
]


def read_lines(path: Path) -> list[str]:
    """Lines of a UTF-8 file, with or without a byte order mark, whatever its line ends.

    Raises:
        FileNotFoundError: no such file.
        DataError: not UTF-8, or nothing in it.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    try:
        lines = path.read_bytes().decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected text in UTF-8 ({error})") from error
    if not any(line.strip() for line in lines):
        raise DataError(f"{path}: the file is empty")
    return lines


def read_table(
    path: Path, columns: Mapping[str, type], bad: BadRecords, header: bool = False
) -> pd.DataFrame:
    """A table of comma-separated values with exactly these columns. Blank lines do not count.

    Args:
        columns: name to `str`, `int` or `float`; numbers must be finite.
        bad: takes the broken lines.
        header: whether the first line must be the names.
    Returns:
        The columns, and `line`, counted from 1.
    Raises:
        FileNotFoundError, DataError: see `read_lines`; another header; a broken line unless skipped.
    """
    lines = list(enumerate(read_lines(path), start=1))
    if header:
        (_, first), *lines = lines
        if [name.strip() for name in first.split(",")] != list(columns):
            raise DataError(f"{path}, line 1: expected the columns {','.join(columns)}, got {first}")
    rows = []
    for number, line in lines:
        if line.strip():
            with bad.record(f"{path}, line {number}"):
                rows.append((*_values(line, columns, number == lines[-1][0]), number))
    return pd.DataFrame(rows, columns=[*columns, "line"])


def _values(line: str, columns: Mapping[str, type], last: bool) -> list[str | int | float]:
    fields = line.split(",")
    if len(fields) != len(columns):
        cut_off = (
            "; this is the last line: is the file complete?" if last and len(fields) < len(columns) else ""
        )
        raise ValueError(f"{len(fields)} columns, expected {len(columns)}: {', '.join(columns)}{cut_off}")
    return [
        _value(field.strip(), name, kind, place)
        for place, (field, (name, kind)) in enumerate(zip(fields, columns.items(), strict=True), start=1)
    ]


def _value(field: str, name: str, kind: type, place: int) -> str | int | float:
    if kind is str:
        if not field:
            raise ValueError(f"column {place} ({name}) is empty")
        return field
    try:
        value = float(field)
    except ValueError:
        value = np.nan
    whole = " whole" if kind is int else ""
    if not np.isfinite(value) or (whole and value != int(value)):
        raise ValueError(f"column {place} ({name}): expected a{whole} number, got {field!r}")
    return kind(value)


def ordered_boxes(boxes_px: np.ndarray) -> tuple[np.ndarray, int]:
    """[N, 4] boxes x_min, y_min, x_max, y_max with exchanged sides put right, and the number of these boxes."""
    pairs = np.asarray(boxes_px, float).reshape(-1, 2, 2)
    ordered = np.sort(pairs, axis=1)
    return ordered.reshape(-1, 4), int((ordered != pairs).any((1, 2)).sum())


def checked_person(size_px: tuple[int, int], **person: object) -> Person:
    """The person, whose head must be in the picture, if only in part.

    Raises:
        ValueError: see `Person`; a head wholly outside the picture.
    """
    made = Person(**person)
    x_min, y_min, x_max, y_max = made.head_px
    width, height = size_px
    if x_max <= 0 or y_max <= 0 or x_min >= width or y_min >= height:
        raise ValueError(f"head box {made.head_px.tolist()} lies outside the {width} x {height} px picture")
    return made


def picture_size_px(path: Path) -> tuple[int, int]:
    """Width and height, from the header of the file.

    Raises:
        ValueError: no such file, or not a picture.
    """
    if not path.is_file():
        raise ValueError(f"picture {path} is missing")
    try:
        with Image.open(path) as picture:
            return picture.size
    except OSError as error:
        raise ValueError(f"{path} is not a readable picture") from error


def read_picture(path: Path, upright: bool = False) -> np.ndarray:
    """[H, W, 3] uint8 RGB; of 16 bits, the upper 8.

    Pillow reads it, since OpenCV fills up what is missing of a file with grey.

    Args:
        upright: turn the picture as a note in the file says. Annotations of data sets refer to the stored pixels.
    Raises:
        DataError: not a picture, or cut off.
    """
    try:
        with Image.open(path) as image:
            image.load()
            image = ImageOps.exif_transpose(image) if upright else image
            if image.mode.startswith("I;16"):
                image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path} is not a readable picture, is it complete? ({error})") from error


def held_out(names: Sequence[str], fraction: float, seed: int) -> set[str]:
    """Names drawn for validation: this fraction of the distinct ones, at least one unless the fraction is 0.

    Raises:
        ValueError: a fraction outside [0, 1), or one that leaves nothing for training.
    """
    if not 0 <= fraction < 1:
        raise ValueError(f"val_fraction must be in [0, 1), got {fraction}")
    distinct = sorted(set(names), key=natural_key)
    count = max(1, round(fraction * len(distinct))) if fraction else 0
    if count and count >= len(distinct):
        raise ValueError(f"val_fraction={fraction} of {len(distinct)} leaves nothing for training")
    return {distinct[k] for k in np.random.default_rng(seed).permutation(len(distinct))[:count]}


BEYOND = "gaze coordinate beyond the picture, set to its border"


def clip_pictures(
    clip: str, folder: Path, rows: pd.DataFrame, bad: BadRecords, repaired: Counter[str]
) -> list[GazePicture]:
    """The annotated frames of a clip, each with its people.

    All frames have the size of the first one. Frames whose file is missing are one broken record together.

    Args:
        clip: name of the clip, the group of its pictures.
        folder: its frames.
        rows: a row per person and frame: `frame` (file name), `track`, `head_px` [4], `gaze_px` [2], `inside`, `where`
            (file and line), in the order of people. A gaze coordinate beyond the picture is set to its border.
        bad: takes the broken records.
        repaired: counts what was corrected.
    """
    present = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    names = sorted(set(rows["frame"]), key=natural_key)
    missing = [name for name in names if name not in present]
    names = [name for name in names if name in present]
    size_px = None
    with bad.record(str(folder)):
        size_px = picture_size_px(folder / names[0]) if names else None
        if missing:
            people = int(rows["frame"].isin(missing).sum())
            raise ValueError(
                f"{len(missing)} of {len(missing) + len(names)} annotated frames are missing, with {people} people; "
                f"the first is {missing[0]}"
            )
    if size_px is None:
        return []
    people = _people(rows[rows["frame"].isin(present)], size_px, bad, repaired)
    return [
        GazePicture(
            f"{clip}/{name}", size_px, tuple(people[name]), partial(read_picture, folder / name), clip
        )
        for name in names
        if name in people
    ]


def _people(
    rows: pd.DataFrame, size_px: tuple[int, int], bad: BadRecords, repaired: Counter[str]
) -> dict[str, list[Person]]:
    people: dict[str, list[Person]] = {}
    seen: Counter[tuple[str, str]] = Counter()
    for row in rows.itertuples():
        with bad.record(row.where):
            seen[row.frame, row.track] += 1
            if seen[row.frame, row.track] > 1:
                raise ValueError(f"person {row.track} occurs twice in frame {row.frame}")
            point = np.divide(row.gaze_px, size_px)
            within = np.clip(point, 0, 1)
            person = checked_person(
                size_px,
                head_px=row.head_px,
                points_norm=[within] if row.inside else [],
                inside=bool(row.inside),
                track=row.track,
            )
            repaired[BEYOND] += bool(row.inside and (within != point).any())
            people.setdefault(row.frame, []).append(person)
    return people
