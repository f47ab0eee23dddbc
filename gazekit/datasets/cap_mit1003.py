"""Clicks that reveal a blurred photograph while people caption it (CapMIT1003, Zanca et al. 2023), on MIT1003.

The people did not look but click; what was revealed around each click they could read. The published file is an SQLite
database; it was not at hand when this reader was written, which follows the tables that its own reader names.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np

from gazekit.datasets.files import grid_boxes
from gazekit.datasets.records import DatasetBuilder, DatasetInfo, OnBadRecord, ScanpathDataset, find_root
from gazekit.errors import DataError
from gazekit.scanpath import Scanpath
from gazekit.scene import Scene

__all__ = ["INFO", "load"]

_TABLES = {
    "captions": ("obs_uid", "usr_uid", "caption", "img_uid"),
    "images": ("img_uid", "img_path"),
    "clicks": ("obs_uid", "click_id", "x", "y"),
}
_PICTURES = "stimuli"

INFO = DatasetInfo(
    name="cap_mit1003",
    title="Clicks on blurred photographs of MIT1003 while they are captioned, with the captions",
    licence="not stated by the source",
    citation="Zanca, Zugarini, Dietz, Altstidl, Ndjeuha, Schwinn & Eskofier 2023, arXiv:2305.12380",
    source="https://github.com/mad-lab-fau/CapMIT1003",
    files=("capmit1003.db", f"{_PICTURES}/*"),
    how_to_get="ask the source for the database; put it there as capmit1003.db, and the pictures of MIT1003 in "
    f"{_PICTURES}/",
    caution="positions are clicks, not fixations; objects are the cells of a regular grid, not things",
)


def load(
    root: str | Path | None = None, on_bad_record: OnBadRecord = "raise", grid: tuple[int, int] = (6, 8)
) -> ScanpathDataset:
    """Read clicks as scanpaths, in the order of `click_id`; durations are unknown.

    A scene is a picture that somebody captioned, and is named like its file; its attribute `captions` is observer to
    caption. Where a person captioned a picture twice, the second scanpath has the observer "USER, OBSERVATION". An
    observation without clicks is an empty scanpath.

    Args:
        root: folder with `capmit1003.db` and the pictures in `stimuli/`, which tell how large they are.
        on_bad_record: "raise" or "skip", see `records.BadRecords`.
        grid: (rows, columns) of the cells used as objects.
    Raises:
        FileNotFoundError: no such folder or file.
        DataError: no SQLite database, a table or column that is absent, or a broken record unless skipped.
        ValueError: a grid without cells.
    """
    root = find_root(root, INFO)
    path = root / "capmit1003.db"
    captions, clicks = _read(path)
    builder = DatasetBuilder(INFO.name, on_bad_record)
    seen: set[tuple[str, str]] = set()
    for obs, user, caption, image in captions:
        where = f"{path.name}, observation {obs!r}"
        name = Path(str(image)).name if image is not None else f"observation {obs!r}"
        if name not in builder and not builder.lost(name):
            with builder.scene(name, where):
                builder.add_scene(_scene(root, name, image, grid))
        with builder.scanpath(where):
            observer = str(user) if (name, str(user)) not in seen else f"{user}, {obs}"
            seen.add((name, str(user)))
            xy = [(_number("x", x), _number("y", y)) for x, y in clicks.get(obs, [])]
            builder.add_scanpath(name, Scanpath(np.array(xy).reshape(-1, 2), None, observer))
            if name in builder:
                builder[name].attributes["captions"][observer] = str(caption)
    return builder.build()


def _read(path: Path) -> tuple[list[tuple], dict]:
    """(obs_uid, usr_uid, caption, img_path) of each observation, and its clicks (x, y) in order."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as base:
            for table, wanted in _TABLES.items():
                found = {row[1] for row in base.execute(f"PRAGMA table_info({table})")}
                if lacking := [column for column in wanted if column not in found]:
                    what = (
                        f"no column {', '.join(lacking)} in table {table}" if found else f"no table {table}"
                    )
                    raise DataError(f"{path}: {what}, expected the tables {', '.join(_TABLES)} of CapMIT1003")
            captions = base.execute(
                "SELECT obs_uid, usr_uid, caption, img_path FROM captions LEFT JOIN images USING (img_uid) "
                "ORDER BY obs_uid"
            ).fetchall()
            clicks: dict = {}
            for obs, x, y in base.execute("SELECT obs_uid, x, y FROM clicks ORDER BY obs_uid, click_id"):
                clicks.setdefault(obs, []).append((x, y))
    except sqlite3.DatabaseError as error:
        raise DataError(f"{path} is not an SQLite database that can be read: {error}") from error
    return captions, clicks


def _scene(root: Path, name: str, image: str | None, grid: tuple[int, int]) -> Scene:
    if image is None:
        raise ValueError("its img_uid is not in the table images")
    path = root / _PICTURES / name
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"no readable picture {path}, which is needed for its size")
    size = (picture.shape[1], picture.shape[0])
    attributes = {"rows": grid[0], "columns": grid[1], "captions": {}}
    return Scene(name, size, grid_boxes(size, *grid), image_path=path, attributes=attributes)


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} of a click must be a number, got {value!r}")
    return float(value)
