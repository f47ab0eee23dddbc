"""Batches of visual search displays, and the reaction times of people in the same searches.

    data = SearchData(displays=30)
    data.setup()
    for batch in data.batches("test"): ...

A batch holds displays of one task, of any of its conditions and set sizes:

    picture [B, H, W, 3], target_picture [B, h, w, 3]     uint8
    cell_boxes_px [B, K, 4]      int64 x_min, y_min, x_max, y_max of all cells, row by row
    target_cell [B]              int64, -1 = the target is absent
    background [B, 3]            uint8
    task, condition [B]          int64 indices of facts()["tasks"] and facts()["conditions"]
    is_hard [B]                  bool, the condition that is harder for people of the task's two
    set_size [B]                 int64
    human_slope_ms [B]           people's slope in this condition, NaN = unknown
    group [B]                    int64, different for each display

Displays of a folder may differ in size and background; a batch holds displays of one. Parts "train", "val" and "test"
are unrelated displays, each a complete design.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gazekit.datasets.search_batches import AlikeData
from gazekit.datasets.search_displays import PARTS, Place, check_tasks, design, draw_display
from gazekit.datasets.search_files import DisplayFolder
from gazekit.datasets.search_people import People, published
from gazekit.datasets.search_tasks import ASYMMETRY, CLASSICAL, CONDITIONS, TASKS, SearchDisplay, task_of
from gazekit.datasets.search_times import read_times

__all__ = ["SearchData"]


class SearchData(AlikeData):
    """Search displays, generated or of a folder; see the module.

    Args:
        tasks: names of tasks, see `search_tasks.TASKS`; None takes those of the folder, or of the trials of people, or
            the six asymmetries.
        displays: per condition and set size, in each part; those of a folder are as many as they are.
        target_present: False makes displays without the target: people then answer "absent".
        folder: of displays that `search_files.write_displays` wrote, the very ones that people saw, instead of
            generated ones; all of them are the part "test".
        times: CSV file with the reaction times of people (`search_times`), instead of the published ones.
        min_rt_ms, max_rt_ms: trials outside are left out and counted.
        batch_size, split: see `Data`.
        display_seed: of generated displays.
    """

    def __init__(
        self,
        tasks: Sequence[str] | None = None,
        displays: int = 30,
        target_present: bool = True,
        folder: str | Path | None = None,
        times: str | Path | None = None,
        min_rt_ms: float = 200.0,
        max_rt_ms: float = 8000.0,
        batch_size: int = 4,
        split: str = "test",
        display_seed: int = 0,
    ) -> None:
        super().__init__(batch_size, split)
        if displays < 1:
            raise ValueError(f"data.displays must be at least 1, got {displays}")
        if split not in PARTS:
            raise ValueError(f"data.split must be one of {', '.join(PARTS)}, got {split!r}")
        if tasks is not None:
            check_tasks(tasks)
        self._wanted, self.displays, self.target_present = tasks, displays, target_present
        self.folder, self.times, self.limits_ms = folder, times, (min_rt_ms, max_rt_ms)
        self.display_seed, self._people = display_seed, None

    def setup(self, stage: str | None = None) -> None:
        """Read the reaction times, and the facts of a folder, or lay out the design; nothing is drawn yet.

        Raises:
            FileNotFoundError, DataError: see `DisplayFolder` and `read_times`.
            ValueError: the folder has no display of these tasks (with the target, without it), or `split` is not
                "test".
        """
        people, notes = self.people(), []
        if self.folder is None:
            self.tasks = tuple(self._wanted or self._tasks_of_people(people))
            self._places = design(self.tasks, self.displays)
        else:
            self._places, notes = self._read_folder()
        part = np.array([place.part for place in self._places])
        self.parts = {name: np.flatnonzero(part == name) for name in PARTS}
        if not len(self.parts[self.split]):
            raise ValueError(f"data.split={self.split}: the displays of a folder are the part test")
        self.conditions = tuple(c.name for name in self.tasks for c in TASKS[name].conditions)
        self._task_of = [k for k, name in enumerate(self.tasks) for _ in TASKS[name].conditions]
        self._slopes = people.slopes_ms(self.conditions, self.target_present)
        unknown = [name for name, slope in zip(self.conditions, self._slopes, strict=True) if np.isnan(slope)]
        if unknown:
            what = "targets" if self.target_present else "absent targets"
            notes.append(f"people's slopes are unknown ({what}): {', '.join(unknown)}")
        self._notes = [*people.notes, *notes]

    def people(self) -> People:
        """Reaction times of people in these searches: a lab's own trials, or the published means."""
        if self._people is None:
            self._people = published() if self.times is None else read_times(self.times, *self.limits_ms)
        return self._people

    def _tasks_of_people(self, people: People) -> list[str]:
        seen = {task_of(name).name for name in np.unique(people.condition).tolist()}
        return [name for name in TASKS if name in seen] if self.times is not None else list(ASYMMETRY)

    def _read_folder(self) -> tuple[list[Place], list[str]]:
        """The chosen displays of the folder, and what is left out."""
        self._stored = DisplayFolder(self.folder)
        facts = self._stored.facts
        present = [fact["target_item"] is not None for fact in facts]
        found = {fact["task"] for fact in facts}
        self.tasks = tuple(self._wanted or [name for name in TASKS if name in found])
        places = [
            Place(
                fact["condition"],
                fact["set_size"],
                k,
                "test",
                (*fact["size_px"], *fact["target_size_px"], len(fact["cell_boxes_px"]), *fact["background"]),
            )
            for k, fact in enumerate(facts)
            if fact["task"] in self.tasks and present[k] == self.target_present
        ]
        if not places:
            raise ValueError(
                f"data.folder={self.folder}: none of {len(facts)} displays is of {', '.join(self.tasks)} with "
                f"data.target_present={self.target_present}"
            )
        left = len(facts) - len(places)
        return places, [
            f"{left} displays of the folder left out: other tasks or target_present"
        ] if left else []

    def display(self, index: int) -> SearchDisplay:
        """One display, drawn or read anew."""
        place = self._places[index]
        if self.folder is not None:
            return self._stored[place.index]
        return draw_display(
            place.condition, place.set_size, place.index, place.part, self.display_seed, self.target_present
        )

    def facts(self) -> dict[str, Any]:
        """Tasks and conditions that batches index, people's slopes, pixels per degree, and set sizes of each task."""
        sizes = {name: sorted({p.set_size for p in self._places if p.task == name}) for name in self.tasks}
        return {
            "tasks": list(self.tasks),
            "conditions": list(self.conditions),
            "condition_task": list(self._task_of),
            "condition_hard": [CONDITIONS[name].is_hard for name in self.conditions],
            "condition_human_slope_ms": list(self._slopes),
            "px_per_dva": 30,
            "set_sizes": sizes,
        }

    def about(self) -> dict[str, Any]:
        names = {"search_asymmetry": ASYMMETRY, "search_classics": CLASSICAL}
        return {
            "name": next((name for name, tasks in names.items() if set(self.tasks) <= set(tasks)), "search"),
            "split": self.split,
            "displays": len(self.parts[self.split]),
            "tasks": list(self.tasks),
            "conditions": list(self.conditions),
            "source": f"generated, display_seed {self.display_seed}"
            if self.folder is None
            else str(self.folder),
            "target_present": self.target_present,
            "people": self.people().source,
            "notes": list(self._notes),
        }

    def batch(self, index: Sequence[int], generator: torch.Generator | None = None) -> dict[str, Any]:
        """The displays with these indices; see the module. Nothing in it is random.

        Raises:
            ValueError: displays of several tasks, whose pictures differ in size.
        """
        displays = [self.display(i) for i in index]
        kinds = {
            (d.task, d.picture.shape[:2], d.target_picture.shape[:2], len(d.cell_boxes_px)) for d in displays
        }
        if len(kinds) != 1:
            found = ", ".join(f"{task} {height} x {width} px" for task, (height, width), *_ in sorted(kinds))
            raise ValueError(f"a batch must hold displays of one task and size, got {found or 'none'}")
        condition = [self.conditions.index(display.condition) for display in displays]
        return {
            "picture": _stacked([d.picture for d in displays]),
            "target_picture": _stacked([d.target_picture for d in displays]),
            "cell_boxes_px": _stacked([d.cell_boxes_px for d in displays]).long(),
            "target_cell": torch.tensor([d.target_cell for d in displays]),
            "background": torch.tensor([d.background for d in displays], dtype=torch.uint8),
            "task": torch.tensor([self._task_of[c] for c in condition]),
            "condition": torch.tensor(condition),
            "is_hard": torch.tensor([CONDITIONS[d.condition].is_hard for d in displays]),
            "set_size": torch.tensor([d.set_size for d in displays]),
            "human_slope_ms": torch.tensor([self._slopes[c] for c in condition], dtype=torch.float64),
            "group": torch.tensor([int(i) for i in index]),
        }

    def batch_key(self, index: int) -> tuple:
        place = self._places[index]
        return self.tasks.index(place.task), place.look

    def items(self, index: Sequence[int]) -> list[str]:
        """The names of these displays."""
        return [self.display(i).name for i in index]


def _stacked(arrays: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack(arrays))
