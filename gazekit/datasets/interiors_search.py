"""Search for an object in natural indoor scenes, target present (Interiors, Sclar et al. 2020).

Each trial allowed 2, 4, 8 or 12 saccades and ended when they were spent, or the target was found; a scanpath that
missed the target mostly ran out of saccades. The pictures (grey, 1024 x 768 px) are not part of the files.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gazekit.datasets.files import join_xy, read_json
from gazekit.datasets.records import (
    DatasetBuilder,
    DatasetInfo,
    Download,
    OnBadRecord,
    ScanpathDataset,
    find_root,
)
from gazekit.scanpath import Scanpath
from gazekit.scene import Scene

__all__ = ["INFO", "load"]

_URL = (
    "https://raw.githubusercontent.com/NeuroLIAA/ruarte-hs-2024/"
    "2900aeee1311228853fa29dad6450a59e456fd57/Datasets/Interiors/"
)
_FILES = (
    "trials_properties.json",
    "targets_categories.json",
    *(f"human_scanpaths/subj{k:02}_scanpaths.json" for k in range(1, 58)),
)
_NO_CATEGORY = "TBD"

INFO = DatasetInfo(
    name="interiors_search",
    title="Search for an object in indoor scenes: 57 observers, 1024 x 768 px pictures, saccades limited",
    licence="MIT",
    citation="Sclar, Bujia, Vita, Solovey & Kamienkowski 2020, arXiv:2009.08373",
    source="https://github.com/NeuroLIAA/ruarte-hs-2024, folder Datasets/Interiors",
    files=("trials_properties.json", "human_scanpaths/*_scanpaths.json"),
    known={"8d172be9c8d3aa22": "subset of 107 of the 134 images, all 57 observers"},
    downloads={name: Download(_URL + name) for name in _FILES},
    counts={"scenes": 134, "objects": 134, "observers": 57, "scanpaths": 7313, "fixations": 43346},
    caution="the target is the only object: sequences of objects say nothing; nearly 5 % of the fixations lay beyond "
    "the picture and were moved to its border",
)


def load(root: str | Path | None = None, on_bad_record: OnBadRecord = "raise") -> ScanpathDataset:
    """Read the scenes, whose only object is the target, and the scanpaths of all observers.

    Scene attributes: `category` of the target (None where the authors have not said), and by observer's name
    `max_fixations` (the saccades allowed, plus the first fixation: 3, 5, 9 or 13), `target_found` (what the record
    says), and `clipped`, the numbers of the fixations on the border of the picture, if there are any: fixations
    beyond it were moved there, so that densities of fixations should leave them out. `start_xy_px` is where the trial
    asked to look first; the first recorded fixation is often elsewhere.

    Durations are those of the record before fixations were merged and scanpaths cut. Where there are more of them than
    fixations (in 23 % of the trials) nobody knows which belong together, and `duration_ms` is None.

    Args:
        root: folder with `trials_properties.json` and `human_scanpaths/`.
        on_bad_record: "raise" or "skip", see `records.BadRecords`.
    Raises:
        FileNotFoundError: no such folder or file.
        DataError: a broken file, or a broken record unless skipped.
    """
    root = find_root(root, INFO)
    builder = DatasetBuilder(INFO.name, on_bad_record)
    for number, record in enumerate(read_json(root / "trials_properties.json", list)):
        name = record.get("image") if isinstance(record, dict) else None
        label = repr(name) if isinstance(name, str) else f"record {number}"
        with builder.scene(str(name or label), f"trials_properties.json, image {label}"):
            builder.add_scene(_scene(record))
    for path in sorted((root / "human_scanpaths").glob("*_scanpaths.json")):
        for image, record in read_json(path, dict).items():
            with builder.scanpath(f"human_scanpaths/{path.name}, image {image!r}"):
                _add_scanpath(builder, image, record)
    return builder.build()


def _scene(record: dict) -> Scene:
    row, column = record["target_matched_row"], record["target_matched_column"]
    category = None if record["target_object"] == _NO_CATEGORY else str(record["target_object"])
    return Scene(
        name=record["image"],
        size_px=(int(record["image_width"]), int(record["image_height"])),
        boxes_px=[[column, row, column + record["target_width"], row + record["target_height"]]],
        target=0,
        categories=None if category is None else (category,),
        start_xy_px=(float(record["initial_fixation_column"]), float(record["initial_fixation_row"])),
        attributes={"category": category, "max_fixations": {}, "target_found": {}, "clipped": {}},
    )


def _add_scanpath(builder: DatasetBuilder, image: str, record: dict) -> None:
    xy_px, observer = join_xy(record["X"], record["Y"]), str(record["subject"])
    durations = record["T"] if len(record["T"]) == len(xy_px) else None
    allowed, found = int(record["max_fixations"]), record["target_found"]
    if not isinstance(found, bool):
        raise ValueError(f"target_found must be true or false, got {found!r}")
    scanpath = Scanpath(xy_px, durations, observer)
    if image not in builder:
        builder.add_scanpath(image, scanpath)  # which says that there is no such scene, or counts it as lost
        return
    scene = builder[image]
    if observer in scene.attributes["max_fixations"]:
        raise ValueError(f"second scanpath of observer {observer!r}, expected one per image")
    top, left, bottom, right = record["target_bbox"]
    if [left, top, right, bottom] != scene.boxes_px[0].tolist():
        raise ValueError(
            f"target box {[left, top, right, bottom]} is not the scene's {scene.boxes_px[0].tolist()}"
        )
    builder.add_scanpath(image, scanpath)
    scene.attributes["max_fixations"][observer] = allowed
    scene.attributes["target_found"][observer] = found
    border = (xy_px <= 0) | (xy_px >= np.array(scene.size_px) - 1)
    if border.any():
        scene.attributes["clipped"][observer] = np.flatnonzero(border.any(1)).tolist()
