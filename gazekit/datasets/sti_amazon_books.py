"""Search for a book cover among 84: the Amazon part of the STI data (Stauden, Barz & Sonntag 2018).

The covers form 6 rows of 14, but their boxes are not published. Objects are the cells of a regular grid,
width / 14 by height / 6, counted row by row; the offset from the cell's centre to the centre of the annotated
target is -4 +- 14 px in x and 0 +- 6 px in y. The pictures are a separate download and not needed here.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from gazekit.datasets.files import grid_boxes, read_json
from gazekit.datasets.records import (
    DatasetBuilder,
    DatasetInfo,
    Download,
    OnBadRecord,
    ScanpathDataset,
    find_root,
)
from gazekit.geometry import check_boxes
from gazekit.scanpath import Scanpath
from gazekit.scene import Scene

__all__ = ["INFO", "load"]

ROWS, COLUMNS = 6, 14

INFO = DatasetInfo(
    name="sti_amazon_books",
    title="Search for a book cover among 84: 6 observers, collages of 6 x 14 covers, no durations",
    licence="CC BY-NC-SA 4.0 (non-commercial, share alike)",
    citation="Stauden, Barz & Sonntag, KI 2018; eye data by Sattar, Müller, Fritz & Bulling, CVPR 2015",
    source="https://github.com/DFKI-Interactive-Machine-Learning/STI-Dataset",
    files=("Amazon.json",),
    known={"c759cadfcb256942": "subset of 80 of the 100 images, 480 scanpaths, 12 of them filtered"},
    downloads={
        "Amazon.json": Download(
            "https://raw.githubusercontent.com/DFKI-Interactive-Machine-Learning/STI-Dataset/"
            "60d27471bf1a2188dff244058503df0b8bddd79b/AmazonCovers/Amazon.json"
        )
    },
    counts={"scenes": 100, "objects": 8400, "observers": 6, "scanpaths": 585},
)


def load(
    root: str | Path | None = None,
    on_bad_record: OnBadRecord = "raise",
    length_filter_sd: float | None = 3.0,
) -> ScanpathDataset:
    """Read `Amazon.json`.

    Args:
        root: folder with the file.
        on_bad_record: "raise" or "skip", see `records.BadRecords`.
        length_filter_sd: keep scanpaths whose number of fixations lies within this many (population) standard
            deviations of the mean over all of them, as OAT does; None keeps all. Removed scanpaths are
            counted in `filtered`.
    Raises:
        FileNotFoundError: no such folder or file.
        DataError: a broken file, or a broken record unless skipped.
        ValueError: `length_filter_sd` is not positive.
    """
    if length_filter_sd is not None and not length_filter_sd > 0:
        raise ValueError(f"length_filter_sd must be positive or None, got {length_filter_sd!r}")
    root = find_root(root, INFO)
    content = read_json(root / "Amazon.json", dict)
    builder = DatasetBuilder(INFO.name, on_bad_record)
    for name, record in content.items():
        with builder.scene(name, f"Amazon.json, image {name!r}"):
            builder.add_scene(_scene(name, record))
    for name, record in content.items():
        fixations = record.get("fixations") if isinstance(record, dict) else None
        for observer, xy in fixations.items() if isinstance(fixations, dict) else ():
            with builder.scanpath(f"Amazon.json, image {name!r}, observer {observer!r}"):
                builder.add_scanpath(name, Scanpath(xy, observer=observer))
    dataset = builder.build()
    return dataset if length_filter_sd is None else _filter_lengths(dataset, length_filter_sd)


def _scene(name: str, record: dict) -> Scene:
    size = (int(record["size"]["width"]), int(record["size"]["height"]))
    truth = record["ground_truth"]
    if len(truth) != 1:
        raise ValueError(f"{len(truth)} ground_truth boxes, expected one target")
    if not isinstance(record["fixations"], dict) or not record["fixations"]:
        raise ValueError("field 'fixations' must map observers to lists of [x, y]")
    box = [[truth[0][key] for key in ("xmin", "ymin", "xmax", "ymax")]]
    cells = grid_boxes(size, ROWS, COLUMNS)
    target = int(_iou(check_boxes(box, size, "ground_truth")[0], cells).argmax())
    return Scene(
        name=name,
        size_px=size,
        boxes_px=cells,
        target=target,
        attributes={"target_picture": record["target"], "rows": ROWS, "columns": COLUMNS},
    )


def _iou(box: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """[N] intersection over union of one box with each cell."""
    side = np.minimum(box[2:], cells[:, 2:]) - np.maximum(box[:2], cells[:, :2])
    shared = side.clip(min=0).prod(-1)
    return shared / ((box[2:] - box[:2]).prod() + (cells[:, 2:] - cells[:, :2]).prod(-1) - shared)


def _filter_lengths(dataset: ScanpathDataset, sd: float) -> ScanpathDataset:
    lengths = np.array([len(t.scanpath) for t in dataset.trials], float)
    keep = np.abs(lengths - lengths.mean()) <= sd * lengths.std()
    trials = tuple(t for t, k in zip(dataset.trials, keep, strict=True) if k)
    return replace(dataset, trials=trials, filtered={f"length beyond mean +- {sd:g} sd": int((~keep).sum())})
