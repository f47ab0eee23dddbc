"""Search displays drawn from a seed.

A display is a function of (seed, part, condition, set size, index) and of whether the target is there: the same on
every machine with the same version of OpenCV, whatever else is drawn. Items lie in different cells, drawn at random,
each with a jitter of whole pixels; the target is any of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gazekit.datasets.search_items import looks
from gazekit.datasets.search_tasks import CONDITIONS, TASKS, SearchDisplay, SearchTask, task_of

__all__ = ["PARTS", "Place", "check_tasks", "design", "draw_display"]

PARTS = {"train": 1, "val": 2, "test": 3}


def draw_display(
    condition: str,
    set_size: int,
    index: int = 0,
    part: str = "test",
    seed: int = 0,
    target_present: bool = True,
) -> SearchDisplay:
    """Draw one display.

    Without items (set size 0) there is no target either. Where the target is absent, all items are distractors.

    Args:
        condition: its name.
        set_size: number of items, target included.
        index: number of the display in its condition and set size.
        part: "train", "val" or "test": displays of different parts are unrelated.
        seed: not negative.
    Raises:
        ValueError: an unknown condition or part, more items than cells, a negative number.
    """
    task = task_of(condition)
    if part not in PARTS:
        raise ValueError(f"part must be one of {', '.join(PARTS)}, got {part!r}")
    if not 0 <= set_size <= task.cells:
        raise ValueError(
            f"condition {condition}: set size must be 0 to {task.cells}, the {task.grid} x {task.grid} cells of task "
            f"{task.name}, got {set_size}"
        )
    if min(index, seed) < 0:
        raise ValueError(f"index and seed must not be negative, got {index} and {seed}")
    key = [seed, PARTS[part], list(CONDITIONS).index(condition), set_size, index, int(target_present)]
    draw = np.random.default_rng(key)
    cells = draw.choice(task.cells, set_size, replace=False)
    corner = task.cell_boxes_px[cells, :2] + draw.integers(task.jitter_px, size=(set_size, 2))
    slot = int(draw.integers(max(1, set_size)))
    targets, distractors = looks(condition)
    target = targets[_variants(task, draw, len(targets), max(1, set_size))[slot]]
    items = list(distractors[_distractors(task, draw, len(distractors), set_size, slot)])
    present = target_present and set_size > 0
    if present:
        items[slot] = target
    picture = np.full((task.size_px, task.size_px, 3), task.background, np.uint8)
    for (x, y), item in zip(corner, items, strict=True):
        picture[y : y + task.item_px, x : x + task.item_px] = item
    return SearchDisplay(
        task.name,
        condition,
        set_size,
        picture,
        target.copy(),
        task.cell_boxes_px,
        np.concatenate([corner, corner + task.item_px], 1),
        cells,
        slot if present else None,
        (task.background,) * 3,
        f"{condition}_{set_size:02d}_{index:03d}" + ("" if present else "_absent"),
        seed,
    )


def _variants(task: SearchTask, draw: np.random.Generator, kinds: int, n: int) -> np.ndarray:
    """[n] which variant an item has: orientations of curvature cycle over the items, others are drawn."""
    return np.arange(n) % kinds if task.name == "curvature" else draw.integers(kinds, size=n)


def _distractors(task: SearchTask, draw: np.random.Generator, kinds: int, n: int, slot: int) -> np.ndarray:
    """[n] which kind of distractor each item is, or would be where it is the target.

    Mixed distractors: each kind once before any is repeated (so that those of a conjunction are half and half).
    """
    if task.name not in ("orientation_heterogeneous", "conjunction"):
        return _variants(task, draw, kinds, n)
    rounds = [draw.permutation(kinds) for _ in range(-(-n // kinds))]
    chosen = np.concatenate(rounds)[:n] if rounds else np.zeros(0, int)
    chosen[:-1] = draw.permutation(chosen[:-1])  # the last one is left out where there is a target
    return np.insert(chosen[:-1], slot, chosen[-1]) if n else chosen


class Place(NamedTuple):
    """Where a display is in the design."""

    condition: str
    set_size: int
    index: int
    part: str
    look: tuple[int, ...] = ()  # sizes and background, which may differ in a folder

    @property
    def task(self) -> str:
        return task_of(self.condition).name


def design(tasks: Sequence[str], displays: int, parts: Sequence[str] = tuple(PARTS)) -> list[Place]:
    """All conditions at all their set sizes, so many displays of each in each part."""
    check_tasks(tasks)
    return [
        Place(condition.name, n, index, part)
        for part in parts
        for name in tasks
        for condition in TASKS[name].conditions
        for n in TASKS[name].set_sizes
        for index in range(displays)
    ]


def check_tasks(tasks: Sequence[str]) -> None:
    """Raises a ValueError for an unknown task, one that occurs twice, or none."""
    if not tasks or len(set(tasks)) < len(tasks) or not set(tasks) <= set(TASKS):
        unknown = [task for task in tasks if task not in TASKS]
        what = f"unknown task {unknown[0]!r}" if unknown else f"got {', '.join(tasks) or 'none'}"
        raise ValueError(f"data.tasks: {what}, expected different ones of: {', '.join(TASKS)}")
