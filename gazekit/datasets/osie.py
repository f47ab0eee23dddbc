"""Free viewing of everyday scenes (OSIE; Xu et al., Journal of Vision 2014).

The published object masks are not read, so objects are the cells of a regular grid. That makes scanpaths
comparable as sequences, but a cell is not an object: say so when you report results.
"""

from __future__ import annotations

from pathlib import Path

from gazekit.datasets.files import add_mat_scanpaths, grid_boxes, read_mat
from gazekit.datasets.records import (
    DatasetBuilder,
    DatasetInfo,
    Download,
    OnBadRecord,
    ScanpathDataset,
    find_root,
)
from gazekit.scene import Scene

__all__ = ["INFO", "load"]

_SIZE_PX = (800, 600)
_OBSERVERS = 15
_PICTURE_FOLDERS = ("stimuli", "stimuli_sample")

INFO = DatasetInfo(
    name="osie",
    title="Free viewing of everyday scenes: 15 observers, 700 pictures of 800 x 600 px, durations",
    licence="MIT for the data; the rights of the pictures' photographers are not stated",
    citation="Xu, Jiang, Wang, Kankanhalli & Zhao, J. Vision 14(1):28, 2014",
    source="https://github.com/NUS-VIP/predicting-human-gaze-beyond-pixels",
    files=("fixations.mat",),
    known={"7b62a6d3cc14c8ce": "whole set, 700 images, 6 x 8 cells"},
    downloads={
        "fixations.mat": Download(
            "https://raw.githubusercontent.com/NUS-VIP/predicting-human-gaze-beyond-pixels/"
            "4a467890fcb40a2fec04cdded552760942bac7a4/data/eye/fixations.mat",
            "2aab9133a407e4eff3f57ab5799872b162dbc77ca462c0391762eb5e67deadb9",
        )
    },
    caution="objects are the cells of a regular grid, not things: object-level scores are about places",
)


def load(
    root: str | Path | None = None,
    on_bad_record: OnBadRecord = "raise",
    grid: tuple[int, int] = (6, 8),
) -> ScanpathDataset:
    """Read the scanpaths. There is no search task: `target` is None.

    `image_path` is set if the picture is in `stimuli/` or `stimuli_sample/` below the root; `data fetch`
    does not download the pictures.

    Args:
        root: folder with `fixations.mat`.
        on_bad_record: "raise" or "skip", see `records.BadRecords`.
        grid: (rows, columns) of the cells used as objects.
    Raises:
        FileNotFoundError: no such folder or file.
        DataError: a broken file, or a broken record unless skipped.
        ValueError: a grid without cells.
    """
    cells = grid_boxes(_SIZE_PX, *grid)
    root = find_root(root, INFO)
    records = read_mat(root / "fixations.mat", "fixations")
    builder = DatasetBuilder(INFO.name, on_bad_record)
    pictures = {path.name: path for folder in _PICTURE_FOLDERS for path in (root / folder).glob("*.jpg")}
    for number, record in enumerate(records):
        name = str(record.get("img", f"record {number}"))
        with builder.scene(name, f"fixations.mat, image {name!r}"):
            attributes = {"rows": grid[0], "columns": grid[1]}
            scene = Scene(
                record["img"], _SIZE_PX, cells, image_path=pictures.get(name), attributes=attributes
            )
            builder.add_scene(scene)
    add_mat_scanpaths(builder, records, "fixations.mat", _OBSERVERS)
    return builder.build()
