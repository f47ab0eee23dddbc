"""ChildPlay (Tafasca et al. 2023): where children and adults who play together look.

`annotations/{train,val,test}/CLIP.csv` has a line per person and frame under the header `clip, frame, person_id,
bbox_x, bbox_y, bbox_width, bbox_height, gaze_class, gaze_x, gaze_y, is_child`, all in pixels. Frame n of the clip
VIDEO_START-END is `images/CLIP/VIDEO_(START + n - 1).jpg`, also where the name of the clip ends in "-downsampled".

The gaze class inside_visible is in the frame, outside_frame is out of it; lines of the other classes have no target and
are left out and counted, as are lines of inside_visible without a point.

Sources: the README of the data set for the columns, the loader of Sharingan (by the same authors) for the names of
pictures. Tested on made-up files of that format only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from gazekit.datasets.gaze_tables import clip_pictures, read_table
from gazekit.datasets.gaze_targets import GazeDataset, GazePicture
from gazekit.datasets.records import BadRecords, DatasetInfo, OnBadRecord, find_root, natural_key
from gazekit.errors import DataError

__all__ = ["COLUMNS", "INFO", "load"]

INFO = DatasetInfo(
    name="childplay",
    title="Where children and adults who play together look: 401 clips of 95 videos, 120,549 frames",
    licence="terms of the Idiap Research Institute, given with the annotations; the videos are those of YouTube "
    "channels; not for redistribution",
    citation="Tafasca, Gupta & Odobez, ICCV 2023",
    source="https://www.idiap.ch/en/scientific-research/data/childplay-gaze",
    files=("annotations/train", "annotations/val", "annotations/test", "images"),
    how_to_get=(
        "ask the Idiap Research Institute for the annotations, download the videos that videos.csv lists and cut them "
        "into images/ with the script of the data set; put images/ and annotations/ into that folder"
    ),
    caution="frames of one clip are alike: intervals draw whole clips",
)

PARTS = ("train", "val", "test")
_BOX = ("bbox_x", "bbox_y", "bbox_width", "bbox_height")
COLUMNS: Mapping[str, type] = {
    "clip": str,
    "frame": int,
    "person_id": str,
    **dict.fromkeys(_BOX, float),
    "gaze_class": str,
    **dict.fromkeys(("gaze_x", "gaze_y"), float),
    "is_child": int,
}
INSIDE, OUTSIDE = "inside_visible", "outside_frame"
WITHOUT_TARGET = ("gaze_shift", "inside_occluded", "inside_uncertain", "eyes_closed")
CLIP = re.compile(r"(?P<video>.+)_(?P<start>\d+)-\d+(-downsampled?)?")


def load(
    root: str | Path | None = None,
    on_bad_record: OnBadRecord = "raise",
    who: Literal["all", "child", "adult"] = "all",
    every: int = 1,
) -> GazeDataset:
    """Read annotations, and the size of the pictures from the first one of each clip.

    Pictures are named CLIP/FILE, their group is the clip, and a person's track is its `person_id`.

    Args:
        root: folder with `images/` and `annotations/`.
        on_bad_record: "raise" or "skip", see `records.BadRecords`.
        who: keep children or adults only; the others are left out and counted.
        every: keep every n-th annotated frame of a clip in "train" and "val"; "test" keeps all.
    Raises:
        FileNotFoundError: no such folder.
        DataError: a broken file, a broken line or missing frames unless skipped, or nothing left.
        ValueError: an unknown `who`; `every` below 1.
    """
    if who not in ("all", "child", "adult"):
        raise ValueError(f"who must be 'all', 'child' or 'adult', got {who!r}")
    if every < 1:
        raise ValueError(f"every must be at least 1, got {every}")
    root = find_root(root, INFO)
    bad = BadRecords(on_bad_record)
    filtered: Counter[str] = Counter()
    repaired: Counter[str] = Counter()
    parts = {
        part: tuple(_pictures(root, part, who, 1 if part == "test" else every, bad, filtered, repaired))
        for part in PARTS
    }
    if not any(parts.values()):
        first = f"; the first problem: {bad.skipped[0]}" if bad.skipped else ""
        raise DataError(f"{INFO.name}: found no usable frame in {root}{first}")
    return GazeDataset(INFO.name, parts, tuple(bad.skipped), dict(+filtered), dict(+repaired))


def _pictures(
    root: Path,
    part: str,
    who: str,
    every: int,
    bad: BadRecords,
    filtered: Counter[str],
    repaired: Counter[str],
) -> Iterator[GazePicture]:
    files = sorted((root / "annotations" / part).glob("*.csv"), key=lambda path: natural_key(path.name))
    for file in files:
        rows = _rows(file, root, bad)
        unused = {"children": rows["is_child"] == 1} if who == "adult" else {}
        unused |= {"adults": rows["is_child"] == 0} if who == "child" else {}
        unused |= {f"gaze class {name}": rows["gaze_class"] == name for name in WITHOUT_TARGET}
        unused[f"{INSIDE} without a point"] = rows["inside"] & (rows["gaze_x"] == -1)
        left = pd.Series(True, index=rows.index)
        for rule, lines in unused.items():
            filtered[rule] += int((left & lines).sum())
            left &= ~lines
        rows = rows[left]
        kept = sorted(set(rows["frame"]), key=natural_key)[::every]
        folder = root / "images" / file.stem
        yield from clip_pictures(file.stem, folder, rows[rows["frame"].isin(kept)], bad, repaired)


def _rows(file: Path, root: Path, bad: BadRecords) -> pd.DataFrame:
    """The lines of a clip, as `clip_pictures` takes them, and their classes."""
    named = CLIP.fullmatch(file.stem)
    if named is None:
        raise DataError(f"{file}: expected a name like VIDEO_START-END.csv")
    rows = read_table(file, COLUMNS, bad, header=True)
    good = []
    for row in rows.itertuples():
        with bad.record(f"{file.relative_to(root)}, line {row.line}"):
            good.append(_checked(row, file.stem))
    rows = rows.loc[good]
    box = rows[list(_BOX)].to_numpy()
    numbers = rows["frame"] + int(named["start"]) - 1
    return pd.DataFrame(
        {
            "frame": [f"{named['video']}_{number}.jpg" for number in numbers],
            "track": rows["person_id"].to_numpy(),
            "head_px": list(np.concatenate([box[:, :2], box[:, :2] + box[:, 2:]], 1)),
            "gaze_px": list(rows[["gaze_x", "gaze_y"]].to_numpy()),
            "inside": (rows["gaze_class"] == INSIDE).to_numpy(),
            "where": [f"{file.relative_to(root)}, line {line}" for line in rows["line"]],
            "gaze_class": rows["gaze_class"].to_numpy(),
            "gaze_x": rows["gaze_x"].to_numpy(),
            "is_child": rows["is_child"].to_numpy(),
        }
    )


def _checked(row: tuple, clip: str) -> int:
    """The index of a row whose clip, class and age are as they must be."""
    classes = (INSIDE, OUTSIDE, *WITHOUT_TARGET)
    if row.clip != clip:
        raise ValueError(f"column clip: expected the name of the file, {clip!r}, got {row.clip!r}")
    if row.gaze_class not in classes:
        raise ValueError(f"column gaze_class: expected one of {', '.join(classes)}, got {row.gaze_class!r}")
    if row.is_child not in (0, 1):
        raise ValueError(f"column is_child: expected 0 or 1, got {row.is_child}")
    return row.Index
