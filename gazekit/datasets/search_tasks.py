"""Nine visual search tasks: six search asymmetries and three classical searches, as facts.

Source of the asymmetries: Gupta, Zhang, Wu, Wolfe & Kreiman, "Visual search asymmetry: deep nets and humans share
similar inherent biases", NeurIPS 2021; sizes are those of their published generators. In each pair of conditions
target and distractors are exchanged (in orientation: the two tilts), and one is harder for people than the other.

Source of the classical ones: Wolfe, Palmer & Horowitz, Vision Research 50(14), 2010: red vertical among green vertical
bars, red vertical among red horizontal and green vertical bars, digital 2 among digital 5. The layout is ours: a field
of 22.5 degrees in 5 x 5 cells, about as large as theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np

__all__ = [
    "ASYMMETRY",
    "CLASSICAL",
    "CONDITIONS",
    "TASKS",
    "Condition",
    "SearchDisplay",
    "SearchTask",
    "task_of",
]


@dataclass(frozen=True)
class Condition:
    """One search: a kind of target among kinds of distractors.

    Args:
        name: unique over all tasks.
        is_hard: people's published slope is the larger one of the task's two conditions; False where a task has only
            one condition.
    """

    name: str
    is_hard: bool


@dataclass(frozen=True)
class SearchTask:
    """A task: its layout and its conditions.

    Args:
        size_px: height and width of a display.
        grid: cells per side; cells are squares of `cell_px` from the top left corner on.
        item_px: height and width of an item's picture.
        jitter_px: an item lies 0 to `jitter_px` - 1 pixels to the right of and below its cell's corner.
        background: grey level of the display, 0 to 255.
        set_sizes: published numbers of items, target included.
        sharpening: size and sigma (px of the map) of the two Gaussians by which eccNET sharpens its map in this task;
            sigma 0 is OpenCV's automatic one. That of classical tasks is ours: as for curvature.
        view_dva: side of the display as published; `size_px` is it in whole pixels.
    """

    name: str
    title: str
    size_px: int
    grid: int
    cell_px: int
    item_px: int
    jitter_px: int
    background: int
    set_sizes: tuple[int, ...]
    conditions: tuple[Condition, ...]
    sharpening: tuple[tuple[int, float], tuple[int, float]]
    view_dva: float = nan
    px_per_dva: int = 30

    @property
    def cells(self) -> int:
        """Number of cells."""
        return self.grid**2

    @property
    def cell_boxes_px(self) -> np.ndarray:
        """[K, 4] int boxes of all cells, row by row."""
        y, x = (self.cell_px * k for k in np.divmod(np.arange(self.cells), self.grid))
        return np.stack([x, y, x + self.cell_px, y + self.cell_px], 1)


@dataclass(frozen=True, eq=False)
class SearchDisplay:
    """One display and all that is known of it.

    Args:
        task, condition: their names.
        set_size: n, the number of items.
        picture: uint8 [H, W, 3].
        target_picture: uint8 [h, w, 3] the target exactly as it appears in the picture; what is searched in vain where
            the target is absent.
        cell_boxes_px: int [K, 4] x_min, y_min, x_max, y_max of all cells, half-open, row by row.
        item_boxes_px: int [n, 4] boxes of the items' pictures.
        item_cells: int [n] the cell of each item.
        target_item: which item is the target; None = it is absent.
        background: red, green and blue, 0 to 255.
        name: unique among the displays of one seed and part.
        seed: of the set that the display belongs to.
    """

    task: str
    condition: str
    set_size: int
    picture: np.ndarray
    target_picture: np.ndarray
    cell_boxes_px: np.ndarray
    item_boxes_px: np.ndarray
    item_cells: np.ndarray
    target_item: int | None
    background: tuple[int, int, int]
    name: str
    seed: int

    @property
    def target_cell(self) -> int:
        """The cell of the target, -1 = it is absent."""
        return -1 if self.target_item is None else int(self.item_cells[self.target_item])


def _pair(easy: str, hard: str) -> tuple[Condition, Condition]:
    return Condition(easy, False), Condition(hard, True)


_WHITE, _FINE, _BROAD, _AUTO = 255, ((3, 1), (5, 3)), ((5, 3), (7, 5)), ((3, 0), (5, 1))
_CURVES = (339, 6, 56, 48, 8, 0, (8, 16, 32))
_DISCS = (198, 4, 49, 31, 18, 27, (1, 6, 12))
_STROKES = (615, 3, 205, 177, 27, _WHITE, (3, 6, 9))
_BARS = (339, 4, 84, 69, 15, _WHITE, (1, 4, 8, 12))
_CLASSICAL = (675, 5, 135, 105, 20, 0, (3, 6, 12, 18))


def _single(name: str, title: str) -> SearchTask:
    return SearchTask(name, title, *_CLASSICAL, (Condition(name, False),), _FINE, 22.5)


_ALL = (
    SearchTask(
        "curvature", "curve and line", *_CURVES, _pair("curve_in_lines", "line_in_curves"), _FINE, 11.3
    ),
    SearchTask(
        "lighting",
        "direction of light",
        *_DISCS,
        _pair("lighting_vertical", "lighting_horizontal"),
        _AUTO,
        6.6,
    ),
    SearchTask("intersection", "cross and non-cross", *_STROKES, _pair("non_cross", "cross"), _BROAD, 20.5),
    SearchTask("t_l", "T and L", *_STROKES, _pair("t_in_ls", "l_in_ts"), _BROAD, 20.5),
    SearchTask(
        "orientation_homogeneous",
        "tilt among one tilt",
        *_BARS,
        _pair("homogeneous_20", "homogeneous_0"),
        _FINE,
        11.3,
    ),
    SearchTask(
        "orientation_heterogeneous",
        "tilt among many tilts",
        *_BARS,
        _pair("heterogeneous_0", "heterogeneous_20"),
        _FINE,
        11.3,
    ),
    _single("feature", "red vertical among green vertical"),
    _single("conjunction", "red vertical among red horizontal and green vertical"),
    _single("spatial_configuration", "digital 2 among digital 5"),
)

TASKS: dict[str, SearchTask] = {task.name: task for task in _ALL}
ASYMMETRY = tuple(TASKS)[:6]
CLASSICAL = tuple(TASKS)[6:]
CONDITIONS: dict[str, Condition] = {c.name: c for task in _ALL for c in task.conditions}


def task_of(condition: str) -> SearchTask:
    """The task that has this condition.

    Raises:
        ValueError: no task has it.
    """
    for task in TASKS.values():
        if condition in [c.name for c in task.conditions]:
            return task
    raise ValueError(f"unknown condition {condition!r}, expected one of: {', '.join(CONDITIONS)}")
