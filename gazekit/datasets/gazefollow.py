"""GazeFollow (Recasens et al. 2015) with the in/out flags and head boxes of Chong et al. (2018, 2020).

Annotation files have one person (training) or one annotator of a person (test) per line, 17 or 16 comma-separated
values without a header. The released files and relabelled ones in the same columns (that of Sharingan, Tafasca et al.
2024) are read alike. The rules:

- training lines whose in/out flag is -1 are left out, as are test lines whose gaze is -1 (padding) and training
  lines that repeat another;
- a gaze coordinate beyond the picture is set to its border, unless both are -1 in a training line (broken);
- a person of the test file is a picture and an eye_x, as in all published scores; its box is that of its last line;
- everybody in the test file is in the frame;
- exchanged sides of a head box are put right; a box may reach over the border of the picture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gazekit.datasets.gaze_tables import (
    BEYOND,
    checked_person,
    held_out,
    ordered_boxes,
    picture_size_px,
    read_lines,
    read_picture,
    read_table,
)
from gazekit.datasets.gaze_targets import NOWHERE, GazeDataset, GazePicture, Person, digest_of
from gazekit.datasets.records import BadRecords, DatasetInfo, OnBadRecord, find_root
from gazekit.errors import DataError

__all__ = [
    "INFO",
    "TEST_COLUMNS",
    "TRAIN_COLUMNS",
    "Annotations",
    "load",
    "load_to_check",
    "parse_annotations",
]

TRAIN_FILE, TEST_FILE = "train_annotations_release.txt", "test_annotations_release.txt"

INFO = DatasetInfo(
    name="gazefollow",
    title="Where people in photographs look, or that it is out of the frame: about 10 annotators in the test part",
    licence="terms of the authors (MIT CSAIL); the pictures are those of six other sets, each with terms of its own; "
    "not for redistribution",
    citation="Recasens, Khosla, Vondrick & Torralba, NeurIPS 2015; in/out and head boxes: Chong et al., ECCV 2018 "
    "and CVPR 2020",
    source="http://gazefollow.csail.mit.edu",
    files=(TRAIN_FILE, TEST_FILE),
    known={"f6455c9e65f65e83": "relabelled validation file of Sharingan alone, 4,499 people"},
    how_to_get=(
        "ask for the pictures at http://gazefollow.csail.mit.edu and take the extended annotations that "
        "https://github.com/ejcgt/attention-target-detection links; put train/, test2/ and both annotation files "
        "into that folder"
    ),
)

_BEFORE = {
    "path": str,
    "id": int,
    **dict.fromkeys(("body_x", "body_y", "body_w", "body_h", "eye_x", "eye_y", "gaze_x", "gaze_y"), float),
    **dict.fromkeys(("head_x_min", "head_y_min", "head_x_max", "head_y_max"), float),
}
_AFTER = {"source": str, "meta": str}
TRAIN_COLUMNS: Mapping[str, type] = {**_BEFORE, "inout": int, **_AFTER}
TEST_COLUMNS: Mapping[str, type] = {**_BEFORE, **_AFTER}
_HEAD = ["head_x_min", "head_y_min", "head_x_max", "head_y_max"]
_GAZE = ["gaze_x", "gaze_y"]

INVALID = "in/out flag -1 (invalid)"
PADDING = "gaze -1, -1 in the test file (padding)"
REPEATED = "line repeated word for word"
SWAPPED = "exchanged sides of the head box"


@dataclass(frozen=True, eq=False)
class Annotations:
    """What annotation files say, without the pictures.

    Args:
        rows: a row per line: the columns of the file (`TRAIN_COLUMNS`; heads in pixels, all other positions in
            fractions of the picture), `line`, and `person`, a number that lines of one person share.
        skipped, filtered, repaired: see `GazeDataset`.
        notes: sentences on what was not checked.
    """

    rows: pd.DataFrame
    skipped: tuple[str, ...] = ()
    filtered: Mapping[str, int] = field(default_factory=dict)
    repaired: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def fingerprint(self) -> dict[str, float | int | str]:
        """Counts, a digest, and of people inside: the mean gaze, its mean distance from the eyes and from the centre
        of the picture (`centre_l2`, the error of a guess that every score must beat).
        """
        rows = self.rows
        inside = rows[rows["inout"] == 1]
        gaze, eye = inside[_GAZE].to_numpy(), inside[["eye_x", "eye_y"]].to_numpy()
        mean = gaze.mean(0) if len(gaze) else np.full(2, np.nan)
        return {
            "rows": len(rows),
            "pictures": rows["path"].nunique(),
            "people": rows["person"].nunique(),
            "inside": inside["person"].nunique(),
            "outside": rows.loc[rows["inout"] == 0, "person"].nunique(),
            "mean_gaze_x": float(mean[0]),
            "mean_gaze_y": float(mean[1]),
            "eye_to_gaze": _mean_distance(gaze, eye),
            "centre_l2": _mean_distance(gaze, 0.5),
            "digest": digest_of(
                [rows[_HEAD], rows[["eye_x", "eye_y", "gaze_x", "gaze_y"]], rows["inout"]],
                rows["path"].tolist(),
            ),
        }


def _mean_distance(points: np.ndarray, others: np.ndarray | float) -> float:
    return float(np.linalg.norm(points - others, axis=-1).mean()) if len(points) else float("nan")


def parse_annotations(path: str | Path, on_bad_record: OnBadRecord = "raise") -> Annotations:
    """Read one annotation file; pictures are not needed.

    Args:
        path: a training, test or relabelled file; 17 columns make it the former or the latter, 16 a test file, in which
            `inout` becomes 1.
        on_bad_record: "raise" or "skip", see `records.BadRecords`.
    Raises:
        FileNotFoundError: no such file.
        DataError: another number of columns; a broken line unless skipped; nothing left.
    """
    path = Path(path).expanduser()
    columns = _columns_of(path)
    bad = BadRecords(on_bad_record)
    rows = read_table(path, columns, bad)
    filtered: Counter[str] = Counter()
    if columns is TEST_COLUMNS:
        rows = _kept(rows, ~(rows[_GAZE] == -1).all(axis=1), PADDING, filtered)
        rows.insert(rows.columns.get_loc("source"), "inout", 1)
        rows["person"] = rows.groupby(["path", "eye_x"], sort=False).ngroup()
    else:
        flags = []
        for line, flag in zip(rows["line"], rows["inout"], strict=True):
            with bad.record(f"{path}, line {line}"):
                flags.append(line if flag in (-1, 0, 1) else _refuse_flag(flag))
        rows = rows[rows["line"].isin(flags)]
        rows = _kept(rows, rows["inout"] != -1, INVALID, filtered)
        rows = _kept(rows, ~rows.duplicated(list(columns)), REPEATED, filtered)
        rows["person"] = np.arange(len(rows))
    if rows.empty:
        first = f"; the first of {len(bad.skipped)} skipped lines: {bad.skipped[0]}" if bad.skipped else ""
        raise DataError(f"{path}: no usable line{first}")
    rows[_HEAD], swapped = ordered_boxes(rows[_HEAD])
    rows[_GAZE], beyond = _within(rows)
    repaired = +Counter({SWAPPED: swapped, BEYOND: beyond})
    return Annotations(rows, tuple(bad.skipped), dict(+filtered), dict(repaired))


def _within(rows: pd.DataFrame) -> tuple[np.ndarray, int]:
    """The gaze points, those in the frame moved to the border if they lie beyond it, and how many were moved."""
    points = rows[_GAZE].to_numpy()
    in_frame = (rows["inout"] == 1).to_numpy() & ~(points == -1).all(1)
    within = np.where(in_frame[:, None], np.clip(points, 0, 1), points)
    return within, int((within != points).any(1).sum())


def _columns_of(path: Path) -> Mapping[str, type]:
    first = next(line for line in read_lines(path) if line.strip())
    for columns in (TRAIN_COLUMNS, TEST_COLUMNS):
        if len(first.split(",")) == len(columns):
            return columns
    raise DataError(
        f"{path}, line 1: {len(first.split(','))} columns, expected {len(TRAIN_COLUMNS)} in a training file "
        f"({', '.join(TRAIN_COLUMNS)}) or {len(TEST_COLUMNS)} in a test file (the same without inout)"
    )


def _refuse_flag(flag: int) -> int:
    raise ValueError(f"column 15 (inout): expected 1, 0 or -1, got {flag}")


def _kept(rows: pd.DataFrame, keep: pd.Series, rule: str, filtered: Counter[str]) -> pd.DataFrame:
    filtered[rule] += int((~keep).sum())
    return rows[keep].reset_index(drop=True)


def load(
    root: str | Path | None = None,
    on_bad_record: OnBadRecord = "raise",
    val: str | None = None,
    val_fraction: float = 0.05,
    split_seed: int = 0,
) -> GazeDataset:
    """Read annotations and the headers of the pictures, as parts "train", "val" and "test".

    The published set has no validation part. Its pictures are drawn from the training file, or named by another file.

    Args:
        root: folder with both annotation files and the folders of pictures that they name.
        on_bad_record: "raise" or "skip", see `records.BadRecords`.
        val: name of an annotation file in `root` with relabelled training pictures; it becomes the part "val", and its
            pictures leave "train".
        val_fraction: of the training pictures, where `val` names no file.
        split_seed: of the draw.
    Raises:
        FileNotFoundError: no such folder or file.
        DataError: a broken file; a broken record or a missing picture unless skipped.
        ValueError: see `gaze_tables.held_out`.
    """
    root = find_root(root, INFO)
    read = {name: parse_annotations(root / file, on_bad_record) for name, file in _files(val).items()}
    rows = {name: annotations.rows for name, annotations in read.items()}
    filtered, repaired = (
        dict(sum((Counter(getattr(a, counts)) for a in read.values()), Counter()))
        for counts in ("filtered", "repaired")
    )
    chosen = set(rows["val"]["path"]) if val else held_out(rows["train"]["path"], val_fraction, split_seed)
    validates = rows["train"]["path"].isin(chosen)
    if val:
        filtered["in a picture of the validation file"] = int(validates.sum())
    else:
        rows["val"] = rows["train"][validates]
    rows["train"] = rows["train"][~validates]
    bad = BadRecords(on_bad_record)
    parts = {
        part: tuple(_pictures(root, _files(val).get(part, TRAIN_FILE), rows[part], bad))
        for part in ("train", "val", "test")
    }
    skipped = [message for annotations in read.values() for message in annotations.skipped] + bad.skipped
    if not any(parts.values()):
        raise DataError(f"{INFO.name}: found no usable picture in {root}; the first problem: {skipped[0]}")
    return GazeDataset(INFO.name, parts, tuple(skipped), filtered, repaired)


def _files(val: str | None) -> dict[str, str]:
    return {"train": TRAIN_FILE, "test": TEST_FILE} | ({"val": val} if val else {})


def _pictures(root: Path, file: str, rows: pd.DataFrame, bad: BadRecords) -> Iterator[GazePicture]:
    missing: list[str] = []
    for name, lines in _lines_of_people(rows).items():
        path = root / name
        if not path.is_file() and bad.on_bad_record == "skip":
            missing.append(name)
            continue
        size_px = None
        with bad.record(f"{file}, line {next(iter(lines.values()))[-1].line}"):
            size_px = picture_size_px(path)
        people = list(_people(file, lines, size_px, bad)) if size_px else []
        if people:
            yield GazePicture(name, size_px, tuple(people), partial(read_picture, path))
    if missing:
        people = rows[rows["path"].isin(missing)]["person"].nunique()
        bad.skipped.append(
            f"{file}: {len(missing)} of {rows['path'].nunique()} pictures are missing, with {people} people; "
            f"the first is {missing[0]}"
        )


def _lines_of_people(rows: pd.DataFrame) -> dict[str, dict[int, list[Any]]]:
    """Picture -> person -> lines, in the order of the file."""
    pictures: dict[str, dict[int, list[Any]]] = {}
    for line in rows.itertuples(index=False):
        pictures.setdefault(line.path, {}).setdefault(line.person, []).append(line)
    return pictures


def _people(
    file: str, lines: Mapping[int, list[Any]], size_px: tuple[int, int], bad: BadRecords
) -> Iterator[Person]:
    for of_person in lines.values():
        last = of_person[-1]
        person = None
        with bad.record(f"{file}, line {last.line}"):
            person = checked_person(
                size_px,
                head_px=[getattr(last, side) for side in _HEAD],
                points_norm=[(line.gaze_x, line.gaze_y) for line in of_person if line.inout == 1],
                inside=last.inout == 1,
                eye_norm=NOWHERE if (last.eye_x, last.eye_y) == (-1, -1) else (last.eye_x, last.eye_y),
            )
        if person is not None:
            yield person


def load_to_check(root: str | Path | None) -> Annotations | GazeDataset:
    """What `data check` reads: the whole set, or annotations only, from one file or a folder without pictures."""
    if root is not None and Path(root).is_file():
        annotations = parse_annotations(root, "skip")
        return replace(
            annotations, notes=("one file: head boxes were not compared with the sizes of pictures",)
        )
    root = find_root(root, INFO)
    if any((root / folder).is_dir() for folder in ("train", "test2")):
        return load(root, "skip")
    train, test = (parse_annotations(root / file, "skip") for file in (TRAIN_FILE, TEST_FILE))
    both = Annotations(
        pd.concat(
            [train.rows, test.rows.assign(person=test.rows["person"] + len(train.rows))], ignore_index=True
        ),
        train.skipped + test.skipped,
        {**train.filtered, **test.filtered},
        dict(Counter(train.repaired) + Counter(test.repaired)),
    )
    return replace(both, notes=(f"no pictures in {root}: head boxes were not compared with their sizes",))
