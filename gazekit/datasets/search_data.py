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

Parts "train", "val" and "test" are unrelated displays, each a complete design.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader

from gazekit.base import Data
from gazekit.base.data import _process
from gazekit.datasets.search_displays import PARTS, draw_display
from gazekit.datasets.search_people import People, published
from gazekit.datasets.search_tasks import ASYMMETRY, CLASSICAL, CONDITIONS, TASKS, SearchDisplay

__all__ = ["SearchData"]


class _Place(NamedTuple):
    """Where a display is in the design."""

    condition: str
    set_size: int
    index: int
    part: str


class SearchData(Data):
    """Generated search displays; see the module.

    Args:
        tasks: names of tasks, see `search_tasks.TASKS`.
        displays: per condition and set size, in each part.
        target_present: False makes displays without the target: people then answer "absent".
        batch_size, split: see `Data`.
        display_seed: of the displays.
    """

    def __init__(
        self,
        tasks: Sequence[str] = ASYMMETRY,
        displays: int = 30,
        target_present: bool = True,
        batch_size: int = 16,
        split: str = "test",
        display_seed: int = 0,
    ) -> None:
        super().__init__(batch_size, split)
        self.tasks = tuple(tasks)
        unknown = [name for name in self.tasks if name not in TASKS]
        if unknown or not self.tasks or len(set(self.tasks)) < len(self.tasks):
            raise ValueError(
                f"data.tasks must be different ones of {', '.join(TASKS)}, got {', '.join(self.tasks) or 'none'}"
            )
        if displays < 1:
            raise ValueError(f"data.displays must be at least 1, got {displays}")
        if split not in PARTS:
            raise ValueError(f"data.split must be one of {', '.join(PARTS)}, got {split!r}")
        self.displays, self.target_present, self.display_seed = displays, target_present, display_seed

    def setup(self, stage: str | None = None) -> None:
        """Lay out the design; nothing is drawn yet."""
        self._places = [
            _Place(condition.name, n, index, part)
            for part in PARTS
            for name in self.tasks
            for condition in TASKS[name].conditions
            for n in TASKS[name].set_sizes
            for index in range(self.displays)
        ]
        part = np.array([place.part for place in self._places])
        self.parts = {name: np.flatnonzero(part == name) for name in PARTS}
        conditions = [c.name for name in self.tasks for c in TASKS[name].conditions]
        self.conditions = tuple(conditions)
        self._task_of = [k for k, name in enumerate(self.tasks) for _ in TASKS[name].conditions]
        self._slopes = self.people().slopes_ms(conditions, self.target_present)

    def people(self) -> People:
        """Reaction times of people in these searches."""
        return published()

    def display(self, index: int) -> SearchDisplay:
        """One display, drawn anew."""
        condition, n, number, part = self._places[index]
        return draw_display(condition, n, number, part, self.display_seed, self.target_present)

    def facts(self) -> dict[str, Any]:
        """Tasks and conditions that batches index, people's slopes, pixels per degree, and set sizes of each task."""
        return {
            "tasks": list(self.tasks),
            "conditions": list(self.conditions),
            "condition_task": list(self._task_of),
            "condition_hard": [CONDITIONS[name].is_hard for name in self.conditions],
            "condition_human_slope_ms": list(self._slopes),
            "px_per_dva": 30,
            "set_sizes": {name: list(TASKS[name].set_sizes) for name in self.tasks},
        }

    def about(self) -> dict[str, Any]:
        people = self.people()
        return {
            "name": self._name(),
            "split": self.split,
            "displays": len(self.parts[self.split]),
            "tasks": list(self.tasks),
            "conditions": list(self.conditions),
            "display_seed": self.display_seed,
            "target_present": self.target_present,
            "people": people.source,
            "notes": list(people.notes),
        }

    def _name(self) -> str:
        names = {"search_asymmetry": ASYMMETRY, "search_classics": CLASSICAL}
        return next((name for name, tasks in names.items() if set(self.tasks) <= set(tasks)), "search")

    def batch(self, index: Sequence[int], generator: torch.Generator | None = None) -> dict[str, Any]:
        """The displays with these indices; see the module. Nothing in it is random.

        Raises:
            ValueError: displays of several tasks, whose pictures differ in size.
        """
        displays = [self.display(i) for i in index]
        tasks = {display.task for display in displays}
        if len(tasks) != 1:
            raise ValueError(
                f"a batch must hold displays of one task, got {', '.join(sorted(tasks)) or 'none'}"
            )
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

    def items(self, index: Sequence[int]) -> list[str]:
        """The names of these displays."""
        return [self.display(i).name for i in index]

    def _groups(self, part: str) -> list[list[int]]:
        """Indices of the batches of a part, each of one task."""
        index = self.parts[part]
        task = np.array([self._task_of[self.conditions.index(self._places[i].condition)] for i in index])
        return [
            chosen[start : start + self.batch_size].tolist()
            for k in range(len(self.tasks))
            for chosen in [index[task == k]]
            for start in range(0, len(chosen), self.batch_size)
        ]

    def batches(self, part: str, facts: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """See `Data.batches`; a task after the other."""
        for chosen in self._groups(part):
            yield self.batch(chosen) if facts is None else self.batch_for(chosen, facts)

    def training_batch(self, step: int, rank: int = 0, processes: int = 1) -> dict[str, Any]:
        """See `Data.training_batch`; batches of one task each, in an order of their own in each epoch."""
        groups = self._groups("train")
        epoch, place = divmod(step, self.steps_per_epoch(processes))
        order = np.random.default_rng([self.seed, epoch]).permutation(len(groups))
        return self.batch(groups[order[(place * processes + rank) % len(groups)]])

    def steps_per_epoch(self, processes: int = 1) -> int:
        return -(-len(self._groups("train")) // processes)

    def val_dataloader(self) -> DataLoader:
        """Each batch in exactly one process."""
        rank, processes = _process()
        return DataLoader(self._groups("val")[rank::processes], batch_size=None, collate_fn=self.batch)


def _stacked(arrays: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack(arrays))
