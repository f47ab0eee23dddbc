"""Search for one of 18 object categories in photographs (COCO-Search18; Chen et al., Sci. Rep. 2021).

Only the target's box is published, no distractors. Objects are therefore the cells of a regular grid over the
1680 x 1050 px display and, with the target present, one further object, the target's box: "found" then means
a fixation in that box, as in the published metrics. A fixation in it belongs to the target, any other to its
cell. Coordinates are those of the display, to which the pictures were scaled and padded. Fixations off the
display keep their positions and belong to the nearest cell; boxes are clipped at its edge.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from gazekit.datasets.files import clip_boxes, grid_boxes, join_xy, read_json
from gazekit.datasets.records import DatasetBuilder, DatasetInfo, OnBadRecord, ScanpathDataset, find_root
from gazekit.geometry import assign_objects
from gazekit.scanpath import Scanpath
from gazekit.scene import Scene

__all__ = ["INFO", "load"]

_SIZE_PX = (1680, 1050)

INFO = DatasetInfo(
    name="coco_search18",
    title="Search for 18 object categories in photographs: 10 observers, 6,202 images, durations",
    licence="terms of the authors (Computer Vision Lab, Stony Brook University); not for redistribution",
    citation="Chen et al., Sci. Rep. 11, 2021, doi:10.1038/s41598-021-87715-9; Yang et al., CVPR 2020",
    source="https://sites.google.com/view/cocosearch",
    files=("coco_search18_fixations_*.json",),
    how_to_get=(
        "download the fixations by hand from https://sites.google.com/view/cocosearch and put the JSON files "
        "into that folder, for instance coco_search18_fixations_TP_train_split1.json, "
        "coco_search18_fixations_TP_validation_split1.json and coco_search18_fixations_TA_trainval.json"
    ),
    caution="objects are grid cells and the target's box: the target differs in kind even if its location is hidden",
)


def load(
    root: str | Path | None = None,
    on_bad_record: OnBadRecord = "raise",
    condition: Literal["present", "absent"] = "present",
    grid: tuple[int, int] = (10, 16),
) -> ScanpathDataset:
    """Read every `coco_search18_fixations_*.json` in the folder.

    A scene is one image with one task: "bottle/000000123456.jpg". Attributes: `image`, `task`, `condition`,
    `split`, and `target_clipped` with the target present. The authors' split files overlap; an identical repeated
    scanpath is read once and counted in `filtered`, and the split is that of the first file by name.

    Args:
        root: folder with the files.
        on_bad_record: "raise" or "skip", see `records.BadRecords`.
        condition: read the scanpaths with the target present, or absent (`target` is then None).
        grid: (rows, columns) of the cells; 10 x 16 makes them 105 px squares.
    Raises:
        FileNotFoundError: no such folder or file.
        DataError: a broken file, a broken record unless skipped, or no scanpath of this condition.
        ValueError: an unknown condition, or a grid without cells.
    """
    if condition not in ("present", "absent"):
        raise ValueError(f"condition must be 'present' or 'absent', got {condition!r}")
    cells = grid_boxes(_SIZE_PX, *grid)
    root = find_root(root, INFO)
    other = {"present": "absent", "absent": "present"}[condition]
    records = [
        (f"{path.name}, record {number}", record)
        for path in sorted(root.glob(INFO.files[0]))
        for number, record in enumerate(read_json(path, list))
        if not (isinstance(record, dict) and record.get("condition") == other)
    ]
    builder = DatasetBuilder(INFO.name, on_bad_record)
    named = {_name(record, condition): (where, record) for where, record in reversed(records)}
    for name, (where, record) in named.items():
        if name:
            with builder.scene(name, f"{where}, {name}"):
                builder.add_scene(_scene(name, record, cells))
    seen: dict[tuple[str, str], Scanpath] = {}
    repeated = 0
    for where, record in records:
        with builder.scanpath(where):
            repeated += _add_scanpath(builder, _name(record, condition), record, seen)
    return builder.build({"repeated in another file": repeated} if repeated else None)


def _name(record: dict, condition: str) -> str:
    """Scene of a record, or "" if the record does not say."""
    named = (
        isinstance(record, dict)
        and {"name", "task"} <= record.keys()
        and record.get("condition") == condition
    )
    return f"{record['task']}/{record['name']}" if named else ""


def _scene(name: str, record: dict, cells: np.ndarray) -> Scene:
    attributes = {key: record[key] for key in ("task", "condition", "split")} | {"image": record["name"]}
    categories = ("cell",) * len(cells)
    if record["condition"] == "absent":
        return Scene(name, _SIZE_PX, cells, categories=categories, attributes=attributes)
    if len(record["bbox"]) != 4:
        raise ValueError(f"bbox must be [x, y, width, height], got {record['bbox']}")
    x, y, width, height = record["bbox"]
    box, clipped = clip_boxes([[x, y, x + width, y + height]], _SIZE_PX)
    return Scene(
        name,
        _SIZE_PX,
        np.concatenate([cells, box]),
        target=len(cells),
        categories=(*categories, record["task"]),
        attributes=attributes | {"target_clipped": bool(clipped)},
    )


def _add_scanpath(
    builder: DatasetBuilder, scene: str, record: dict, seen: dict[tuple[str, str], Scanpath]
) -> bool:
    """Add the scanpath of a record; True if it was already present."""
    if not scene:
        raise ValueError("expected an object with fields name, task and condition ('present' or 'absent')")
    xy = join_xy(record["X"], record["Y"])
    if record.get("length", len(xy)) != len(xy):
        raise ValueError(f"length is {record['length']} but X and Y have {len(xy)} values")
    scanpath = Scanpath(xy, record["T"], str(record["subject"]))
    first = seen.setdefault((scene, scanpath.observer), scanpath)
    if first is not scanpath:
        if not np.array_equal(first.xy_px, xy):
            raise ValueError(
                f"second scanpath of observer {scanpath.observer} over {scene}, which differs from the first"
            )
        return True
    objects = None
    if scene in builder:
        objects = _objects(xy, builder[scene])
    builder.add_scanpath(scene, scanpath, objects, inside=False)
    return False


def _objects(xy_px: np.ndarray, scene: Scene) -> np.ndarray:
    """[T] the target if a fixation lies in its box, else the cell."""
    if scene.target is None:
        return assign_objects(xy_px, scene.boxes_px)
    cell = assign_objects(xy_px, scene.boxes_px[:-1])
    box = scene.boxes_px[-1]
    found = ((xy_px >= box[:2]) & (xy_px < box[2:])).all(-1)
    return np.where(found, scene.target, cell)
