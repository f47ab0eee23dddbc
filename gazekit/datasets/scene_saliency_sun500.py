"""Free viewing of SUN scenes with fixation durations (Liang et al., "Scene structural guidance").

Objects are the cells of a regular grid, as for OSIE: comparable as places, but a cell is not an object.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gazekit.datasets.files import grid_boxes, read_mat, read_mat_cells
from gazekit.datasets.records import (
    DatasetBuilder,
    DatasetInfo,
    Download,
    OnBadRecord,
    ScanpathDataset,
    find_root,
)
from gazekit.errors import DataError
from gazekit.scanpath import Scanpath
from gazekit.scene import Scene

__all__ = ["INFO", "load"]

_PICTURE_FOLDERS = ("stimuli", "stimuli_sample")
_URL = "https://raw.githubusercontent.com/Yanakz/Scene/2cf042b013181a6339378827d094aafa9322ba0d/data/tidy/"

INFO = DatasetInfo(
    name="scene_saliency_sun500",
    title="Free viewing of SUN scenes: 12 observers, 500 pictures of several sizes, 3 s, durations",
    licence="MIT for the data; the rights of the pictures' photographers are not stated",
    citation='Liang, Jiang, Liang & Zhao, "Saliency prediction with scene structural guidance"',
    source="https://github.com/Yanakz/Scene",
    files=("fixations.mat", "imgInfo.mat"),
    known={"ab2f4fd34cb81b66": "whole set, 500 images, 6 x 6 cells"},
    downloads={
        "fixations.mat": Download(
            _URL + "fixations.mat", "aa87946cdbdb72187b893f1a0b5750cabfe58b462c898924875c24ecba463153"
        ),
        "imgInfo.mat": Download(
            _URL + "imgInfo.mat", "d4640281f1baeae3e78df6d93b539ecb6895e011720e9c5ef09bab62fafa0146"
        ),
    },
    counts={"scenes": 500, "objects": 18000, "observers": 12, "scanpaths": 6000, "fixations": 43894},
    caution="objects are the cells of a regular grid, not things: object-level scores are about places",
)


def load(
    root: str | Path | None = None,
    on_bad_record: OnBadRecord = "raise",
    grid: tuple[int, int] = (6, 6),
) -> ScanpathDataset:
    """Read the scanpaths. There is no task: `target` is None. Observers have no names; they are "1" to "12".

    Positions of the file are (row, column) in pixels. They are said to be counted from 1, but some are below 0.5 and
    none is outside its picture if taken as they are, which is done here; half a pixel is less than a tracker's error.
    Onsets are not kept. A scene's `image_path` is set if its picture is in `stimuli/` or
    `stimuli_sample/`.

    Args:
        root: folder with `fixations.mat` and `imgInfo.mat`.
        on_bad_record: "raise" or "skip", see `records.BadRecords`.
        grid: (rows, columns) of the cells used as objects.
    Raises:
        FileNotFoundError: no such folder or file.
        DataError: a broken file, or a broken record unless skipped.
        ValueError: a grid without cells.
    """
    root = find_root(root, INFO)
    cells = read_mat_cells(root / "fixations.mat", "fixations")
    sizes = _sizes(root / "imgInfo.mat", len(cells))
    pictures = {path.name: path for folder in _PICTURE_FOLDERS for path in (root / folder).glob("*.jpg")}
    builder = DatasetBuilder(INFO.name, on_bad_record)
    for number, (height, width) in enumerate(sizes, start=1):
        name = f"{number:03d}.jpg"
        with builder.scene(name, f"imgInfo.mat, image {number}"):
            size = (int(width), int(height))
            attributes = {"rows": grid[0], "columns": grid[1]}
            boxes = grid_boxes(size, *grid)
            builder.add_scene(Scene(name, size, boxes, image_path=pictures.get(name), attributes=attributes))
        for observer, record in enumerate(cells[number - 1], start=1):
            with builder.scanpath(f"fixations.mat, image {number}, observer {observer}"):
                builder.add_scanpath(name, _scanpath(record, str(observer)))
    return builder.build()


def _sizes(path: Path, count: int) -> np.ndarray:
    """[count, 2] heights and widths."""
    record = read_mat(path, "imgInfo")[0]
    sizes = np.asarray(record.get("size"))
    if sizes.shape != (count, 2):
        raise DataError(
            f"{path}: expected imgInfo.size to be [{count}, 2], one height and width per image of fixations.mat, "
            f"got {list(sizes.shape)}"
        )
    return sizes


def _scanpath(record: np.ndarray, observer: str) -> Scanpath:
    values = np.asarray(record, float).reshape(-1, 4) if np.size(record) else np.zeros((0, 4))
    return Scanpath(values[:, [1, 0]], values[:, 3] * 1000, observer)
