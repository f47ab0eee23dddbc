"""Reading JSON and MATLAB files, with errors that name the broken file."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from gazekit.datasets.records import DatasetBuilder
from gazekit.errors import DataError
from gazekit.scanpath import Scanpath

__all__ = [
    "add_mat_scanpaths",
    "as_list",
    "clip_boxes",
    "grid_boxes",
    "join_xy",
    "read_json",
    "read_mat",
    "read_mat_cells",
]


def read_json(path: Path, kind: type) -> Any:
    """The content of a JSON file whose outermost value is a `kind` (list or dict).

    Raises:
        DataError: not JSON, cut off, a duplicate key in one object, an outermost value of another kind.
    """
    try:
        content = json.loads(path.read_bytes(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        hint = "is it complete?"
        if "escape" in str(error):
            hint = r'JSON needs two backslashes for one, "\\d+" for \d+'
        raise DataError(f"{path}: not a readable JSON file, {hint} ({error})") from error
    if not isinstance(content, kind):
        raise DataError(f"{path}: expected a JSON {_JSON_NAMES[kind]}, got {type(content).__name__}")
    return content


_JSON_NAMES = {dict: "object", list: "list"}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(k for k in keys if keys.count(k) > 1)!r} occurs twice")
    return content


def read_mat(path: Path, variable: str) -> list[dict[str, Any]]:
    """A struct array of a MATLAB file (before version 7.3) as a list of dicts.

    Raises:
        DataError: not a MATLAB file, cut off, or `variable` is absent or not a struct array.
    """
    records = as_list(_variable(path, variable))
    if not all(isinstance(record, dict) for record in records):
        raise DataError(f"{path}: expected {variable!r} to be a struct array")
    return records


def read_mat_cells(path: Path, variable: str) -> list[list[Any]]:
    """A cell array [rows, columns] of a MATLAB file (before version 7.3) as a list of rows.

    Raises:
        DataError: not a MATLAB file, cut off, or `variable` is absent or not a cell array of two dimensions.
    """
    cells = _variable(path, variable)
    if not isinstance(cells, np.ndarray) or cells.dtype != object or cells.ndim != 2:
        raise DataError(f"{path}: expected {variable!r} to be a cell array of rows and columns")
    return cells.tolist()


def _variable(path: Path, variable: str) -> Any:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    broken = (
        MatReadError,
        ValueError,
        TypeError,
        LookupError,
        OSError,
        EOFError,
        NotImplementedError,
        zlib.error,
    )
    try:
        content = loadmat(path, simplify_cells=True)
    except broken as error:
        raise DataError(f"{path}: not a readable MATLAB file, is it complete? ({error})") from error
    names = sorted(name for name in content if not name.startswith("__"))
    if variable not in content:
        raise DataError(f"{path}: expected a variable {variable!r}, found {', '.join(names) or 'none'}")
    return content[variable]


def as_list(value: Any) -> list:
    """A MATLAB array of structs as a list; a single struct gives a list of one."""
    return list(value) if isinstance(value, list | np.ndarray) else [value]


def join_xy(x: Any, y: Any) -> np.ndarray:
    """[T, 2] positions from T values of x and of y; one fixation may come as two scalars.

    Raises:
        ValueError: different lengths, or values that are not numbers.
    """
    x, y = (np.atleast_1d(np.asarray(v, float)) for v in (x, y))
    if x.shape != y.shape:
        raise ValueError(f"x has {x.size} values but y has {y.size}, expected one of each per fixation")
    return np.stack([x, y], -1)


def add_mat_scanpaths(builder: DatasetBuilder, records: list[dict], file: str, observers: int) -> None:
    """Add the scanpaths of a `fixations` struct.

    Its fields: `img` and `subjects`, each with `fix_x`, `fix_y` (px) and `fix_duration` (ms). Observers
    have no names in it; they are called "1", "2", ... in order.
    """
    for record in records:
        name = str(record.get("img"))
        subjects = as_list(record.get("subjects", []))
        if len(subjects) != observers:
            with builder.scanpath(f"{file}, image {name!r}"):
                raise ValueError(f"{len(subjects)} observers, expected {observers}")
            continue
        for number, subject in enumerate(subjects, start=1):
            with builder.scanpath(f"{file}, image {name!r}, observer {number}"):
                xy = join_xy(subject["fix_x"], subject["fix_y"])
                builder.add_scanpath(name, Scanpath(xy, np.atleast_1d(subject["fix_duration"]), str(number)))


def clip_boxes(boxes_px: np.ndarray, size_px: tuple[int, int]) -> tuple[np.ndarray, int]:
    """[N, 4] boxes clipped at the edges of the picture, and the number clipped."""
    boxes = np.asarray(boxes_px, float).reshape(-1, 4)
    clipped = np.clip(boxes, 0, [*size_px, *size_px])
    return clipped, int((clipped != boxes).any(-1).sum())


def grid_boxes(size_px: tuple[int, int], rows: int, columns: int) -> np.ndarray:
    """[rows * columns, 4] boxes of the cells of a regular grid over the picture, row by row.

    Raises:
        ValueError: rows or columns below 1.
    """
    if rows < 1 or columns < 1:
        raise ValueError(f"a grid needs at least one row and one column, got {rows} x {columns}")
    x = np.linspace(0, size_px[0], columns + 1)
    y = np.linspace(0, size_px[1], rows + 1)
    row, column = np.divmod(np.arange(rows * columns), columns)
    return np.stack([x[column], y[row], x[column + 1], y[row + 1]], -1)
