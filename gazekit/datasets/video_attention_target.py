"""VideoAttentionTarget (Chong et al. 2020): where people in clips of television shows look.

`annotations/{train,test}/SHOW/CLIP/PERSON.txt` has a line per frame without a header: name of the frame, head box
x_min, y_min, x_max, y_max, gaze x, gaze y, all in pixels. The rules:

- gaze -1, -1 is out of the frame; any other coordinate beyond the picture is set to its border, a negative one to 0;
- head boxes are smoothed over the whole track by a centred moving average, as in the benchmark;
- exchanged sides of a head box are put right; a box may reach over the border of the picture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from gazekit.datasets.gaze_tables import clip_pictures, held_out, ordered_boxes, read_table
from gazekit.datasets.gaze_targets import GazeDataset, GazePicture
from gazekit.datasets.records import BadRecords, DatasetInfo, OnBadRecord, find_root, natural_key
from gazekit.errors import DataError

__all__ = ["COLUMNS", "INFO", "load", "smoothed_boxes"]

INFO = DatasetInfo(
    name="video_attention_target",
    title="Where people in clips of television shows look, frame by frame, or that it is out of the frame",
    licence="terms of the authors (Georgia Tech); the frames belong to the shows; not for redistribution",
    citation="Chong, Wang, Ruiz & Rehg, CVPR 2020",
    source="https://github.com/ejcgt/attention-target-detection",
    files=("annotations/train", "annotations/test", "images"),
    how_to_get=(
        "download the archive that https://github.com/ejcgt/attention-target-detection links and unpack it, so that "
        "images/ and annotations/ are in that folder"
    ),
    caution="frames of one clip are alike: intervals draw whole clips",
)

_HEAD = ["x_min", "y_min", "x_max", "y_max"]
COLUMNS: Mapping[str, type] = {"frame": str, **dict.fromkeys((*_HEAD, "gaze_x", "gaze_y"), float)}

SWAPPED = "exchanged sides of the head box"


def smoothed_boxes(boxes_px: np.ndarray, window: int = 11) -> np.ndarray:
    """[T, 4] boxes of one track, each replaced by the mean of the `window` boxes round it.

    The first and the last box count for those that are missing beyond the ends.

    Raises:
        ValueError: not [T, 4] finite numbers, or a window that is not odd and positive.
    """
    boxes = np.asarray(boxes_px, float)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all():
        raise ValueError(f"boxes must be [T, 4] finite numbers, got shape {list(boxes.shape)}")
    if window < 1 or window % 2 == 0:
        raise ValueError(f"the window must be an odd number of frames, got {window}")
    if not len(boxes):
        return boxes
    around = np.pad(boxes, ((window // 2, window // 2), (0, 0)), mode="edge")
    return np.lib.stride_tricks.sliding_window_view(around, window, axis=0).mean(-1)


def load(
    root: str | Path | None = None,
    on_bad_record: OnBadRecord = "raise",
    smooth: int = 11,
    every: int = 1,
    val_fraction: float = 0.1,
    split_seed: int = 0,
) -> GazeDataset:
    """Read annotations, and the size of the pictures from the first one of each clip.

    Pictures are named SHOW/CLIP/FRAME, their group is SHOW/CLIP, and a person's track is the name of its file. The
    published set has no validation part: whole shows are drawn for it from the training shows.

    Args:
        root: folder with `images/` and `annotations/`.
        on_bad_record: "raise" or "skip", see `records.BadRecords`.
        smooth: frames of the moving average of head boxes; 1 leaves them as they are.
        every: keep every n-th annotated frame of a clip in "train" and "val"; "test" keeps all.
        val_fraction: of the training shows.
        split_seed: of the draw.
    Raises:
        FileNotFoundError: no such folder.
        DataError: a broken file, a broken line or missing frames unless skipped, or nothing left.
        ValueError: see `smoothed_boxes` and `gaze_tables.held_out`; `every` below 1.
    """
    if every < 1:
        raise ValueError(f"every must be at least 1, got {every}")
    smoothed_boxes(np.zeros((0, 4)), smooth)
    root = find_root(root, INFO)
    bad = BadRecords(on_bad_record)
    repaired: Counter[str] = Counter()
    clips = {part: _folders(root / "annotations" / part) for part in ("train", "test")}
    chosen = held_out([clip.parent.name for clip in clips["train"]], val_fraction, split_seed)
    clips["val"] = [clip for clip in clips["train"] if clip.parent.name in chosen]
    clips["train"] = [clip for clip in clips["train"] if clip.parent.name not in chosen]
    parts = {
        part: tuple(_pictures(root, clips[part], smooth, 1 if part == "test" else every, bad, repaired))
        for part in ("train", "val", "test")
    }
    if not any(parts.values()):
        first = f"; the first problem: {bad.skipped[0]}" if bad.skipped else ""
        raise DataError(f"{INFO.name}: found no usable frame in {root}{first}")
    return GazeDataset(INFO.name, parts, tuple(bad.skipped), repaired=dict(+repaired))


def _folders(part: Path) -> list[Path]:
    """Clips of a part that have person files."""
    return sorted({path.parent for path in part.glob("*/*/*.txt")}, key=lambda path: natural_key(str(path)))


def _pictures(
    root: Path, clips: list[Path], smooth: int, every: int, bad: BadRecords, repaired: Counter[str]
) -> Iterator[GazePicture]:
    for folder in clips:
        files = sorted(folder.glob("*.txt"), key=lambda path: natural_key(path.name))
        rows = pd.concat([_track(file, root, smooth, bad, repaired) for file in files], ignore_index=True)
        kept = sorted(set(rows["frame"]), key=natural_key)[::every]
        clip = f"{folder.parent.name}/{folder.name}"
        yield from clip_pictures(clip, root / "images" / clip, rows[rows["frame"].isin(kept)], bad, repaired)


def _track(file: Path, root: Path, smooth: int, bad: BadRecords, repaired: Counter[str]) -> pd.DataFrame:
    """The rows of one person, as `clip_pictures` takes them."""
    rows = read_table(file, COLUMNS, bad)
    boxes, swapped = ordered_boxes(rows[_HEAD])
    gaze = rows[["gaze_x", "gaze_y"]].to_numpy()
    inside = ~(gaze == -1).all(-1)
    repaired[SWAPPED] += swapped
    return pd.DataFrame(
        {
            "frame": rows["frame"],
            "track": file.stem,
            "head_px": list(smoothed_boxes(boxes, smooth)),
            "gaze_px": list(gaze),
            "inside": inside,
            "where": [f"{file.relative_to(root)}, line {line}" for line in rows["line"]],
        }
    )
