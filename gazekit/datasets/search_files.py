"""Search displays as files: pictures for people, and all facts for models.

DIR/NAME.png            a display
DIR/targets/NAME.png    its target, exactly as it appears there
DIR/trials.csv          one line a display, as PsychoPy's `data.importConditions` reads it
DIR/displays.json       all facts; `read_displays` gives the same displays again
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gazekit.datasets.files import read_json
from gazekit.datasets.records import OnBadRecord
from gazekit.datasets.search_images import png_bytes, read_picture, size_of_picture
from gazekit.datasets.search_tasks import CONDITIONS, TASKS, SearchDisplay, task_of
from gazekit.errors import DataError
from gazekit.files import written_whole

__all__ = ["KEYS", "DisplayFolder", "read_displays", "write_displays"]

FACTS, TRIALS = "displays.json", "trials.csv"
KEYS = {True: "j", False: "f"}
"""Suggested keys for "present" and "absent"."""


def write_displays(folder: str | Path, displays: Iterable[SearchDisplay]) -> Path:
    """Write displays, each file whole or not at all, `displays.json` last.

    A folder that holds some of the same files (an interrupted call left them) is completed.

    Returns:
        The folder.
    Raises:
        ValueError: two displays of one name, or none.
        FileExistsError: the folder holds anything else; nothing is written then.
    """
    folder, contents, facts = Path(folder).expanduser(), {}, []
    for display in displays:
        names = {"picture": f"{display.name}.png", "target_picture": f"targets/{display.name}.png"}
        if names["picture"] in contents:
            raise ValueError(f"two displays are named {display.name}: write them to two folders")
        for entry, name in names.items():
            contents[name] = png_bytes(getattr(display, entry))
        facts.append(_facts(display) | names | {"size_px": list(_size(display.picture))})
    if not facts:
        raise ValueError("there are no displays to write")
    contents[TRIALS] = _trials(facts).encode()
    contents[FACTS] = (json.dumps({"displays": facts}, indent=1) + "\n").encode()
    _refuse_others(folder, contents)
    for name, content in contents.items():
        with written_whole(folder / name) as unfinished:
            unfinished.write_bytes(content)
    return folder


def _size(picture: np.ndarray) -> tuple[int, int]:
    return picture.shape[1], picture.shape[0]


def _facts(display: SearchDisplay) -> dict[str, Any]:
    return {
        "name": display.name,
        "task": display.task,
        "condition": display.condition,
        "set_size": display.set_size,
        "target_item": display.target_item,
        "item_cells": display.item_cells.tolist(),
        "item_boxes_px": display.item_boxes_px.tolist(),
        "cell_boxes_px": display.cell_boxes_px.tolist(),
        "background": list(display.background),
        "seed": display.seed,
        "px_per_dva": TASKS[display.task].px_per_dva,
    }


def _trials(facts: list[dict[str, Any]]) -> str:
    """Column names are those of Python variables, as PsychoPy wants."""
    text = io.StringIO()
    rows = [_trial(fact) for fact in facts]
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _trial(fact: dict[str, Any]) -> dict[str, Any]:
    present, (width, height) = fact["target_item"] is not None, fact["size_px"]
    item_px = TASKS[fact["task"]].item_px
    return {
        **{key: fact[key] for key in ("picture", "target_picture", "task", "condition", "set_size")},
        "target_present": int(present),
        "correct_answer": "present" if present else "absent",
        "correct_key": KEYS[present],
        "width_px": width,
        "height_px": height,
        "width_dva": round(width / fact["px_per_dva"], 4),
        "height_dva": round(height / fact["px_per_dva"], 4),
        "item_px": item_px,
        "item_dva": round(item_px / fact["px_per_dva"], 4),
        "background": fact["background"][0] if len(set(fact["background"])) == 1 else str(fact["background"]),
    }


def _refuse_others(folder: Path, contents: dict[str, bytes]) -> None:
    """Files that are there must be among those to be written; hidden ones do not matter."""
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file, expected a folder to write to")
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or path.name.startswith("."):
            continue
        if name not in contents or path.read_bytes() != contents[name]:
            raise FileExistsError(
                f"{folder} holds something else ({name}): give an empty or a new folder, nothing was written"
            )


class DisplayFolder(Sequence):
    """The displays in a folder: facts are read and checked at once, pictures when a display is asked for.

    Pictures may be of any size; a picture that is changed by hand needs its facts changed too.

    Args:
        on_bad_record: "skip" leaves broken records out and has their messages in `skipped`.

    Raises:
        FileNotFoundError: no such folder, or no `displays.json` in it.
        DataError: a record or a picture is broken; the message names the file and the record.
    """

    def __init__(self, folder: str | Path, on_bad_record: OnBadRecord = "raise") -> None:
        self.folder, self.skipped = Path(folder).expanduser(), []
        path = self.folder / FACTS
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} does not exist; make a folder of displays with python -m gazekit data write NAME --root DIR"
            )
        records = read_json(path, dict).get("displays")
        if not isinstance(records, list) or not records:
            raise DataError(f"{path}: expected a list 'displays' of at least one display")
        self.facts = []
        for k, record in enumerate(records):
            try:
                self.facts.append(self._checked(record, f"{path}, display {k}"))
            except DataError as error:
                if on_bad_record == "raise":
                    raise
                self.skipped.append(str(error))
        names = [fact["name"] for fact in self.facts]
        if len(set(names)) < len(names):
            double = next(name for name in names if names.count(name) > 1)
            raise DataError(f"{path}: two displays are named {double!r}")

    def _checked(self, record: Any, where: str) -> dict[str, Any]:
        if not isinstance(record, dict):
            raise DataError(f"{where}: expected a JSON object, got {type(record).__name__}")
        where = f"{where} ({record.get('name')})"
        try:
            return self._fact(record, where)
        except KeyError as error:
            raise DataError(f"{where}: {error.args[0]!r} is missing") from error
        except (TypeError, ValueError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{where}: {error}") from error

    def _fact(self, record: dict[str, Any], where: str) -> dict[str, Any]:
        condition, n = record["condition"], _integers(record["set_size"], "set_size", ())
        if condition not in CONDITIONS:
            raise ValueError(f"unknown condition {condition!r}, expected one of: {', '.join(CONDITIONS)}")
        if not isinstance(record["name"], str) or not record["name"]:
            raise ValueError(f"name must be a text, got {record['name']!r}")
        if record["task"] != task_of(condition).name:
            raise ValueError(
                f"condition {condition} is of task {task_of(condition).name}, not {record['task']!r}"
            )
        size = size_of_picture(self.folder / record["picture"], where)
        target_size = size_of_picture(self.folder / record["target_picture"], where)
        cells = _boxes(record["cell_boxes_px"], "cell_boxes_px", size)
        items, of_cell = _boxes(record["item_boxes_px"], "item_boxes_px", size), record["item_cells"]
        of_cell = _integers(of_cell, "item_cells", (len(items),))
        target = record["target_item"]
        if len(items) != n:
            raise ValueError(f"set_size is {n}, but there are {len(items)} items")
        if not ((of_cell >= 0) & (of_cell < len(cells))).all() or len(np.unique(of_cell)) < len(of_cell):
            raise ValueError(f"item_cells must be different ones of the cells 0 to {len(cells) - 1}")
        inside = (items[:, :2] >= cells[of_cell, :2]) & (items[:, 2:] <= cells[of_cell, 2:])
        if not inside.all():
            raise ValueError(f"item {int(np.argmin(inside.all(1)))} lies outside its cell")
        if target is not None and (type(target) is not int or not 0 <= target < n):
            raise ValueError(f"target_item must be null or an item, 0 to {n - 1}, got {target!r}")
        background = _integers(record["background"], "background", (3,))
        if not ((background >= 0) & (background <= 255)).all():
            raise ValueError(
                f"background must be red, green and blue from 0 to 255, got {background.tolist()}"
            )
        arrays = {"cell_boxes_px": cells, "item_boxes_px": items, "item_cells": of_cell}
        fixed = {"set_size": int(n), "background": tuple(background.tolist()), "name": record["name"]}
        seed = int(_integers(record["seed"], "seed", ()))
        return record | arrays | fixed | {"seed": seed, "size_px": size, "target_size_px": target_size}

    def __len__(self) -> int:
        return len(self.facts)

    def __getitem__(self, index: int) -> SearchDisplay:
        fact = self.facts[index]
        where = f"{self.folder / FACTS}, display {fact['name']}"
        pictures = [read_picture(self.folder / fact[key], where) for key in ("picture", "target_picture")]
        keys = ("cell_boxes_px", "item_boxes_px", "item_cells", "target_item", "background", "name", "seed")
        return SearchDisplay(
            fact["task"], fact["condition"], fact["set_size"], *pictures, *(fact[key] for key in keys)
        )

    def __iter__(self) -> Iterator[SearchDisplay]:
        return (self[k] for k in range(len(self)))


def read_displays(folder: str | Path) -> list[SearchDisplay]:
    """The displays that `write_displays` wrote, all at once. Errors: see `DisplayFolder`."""
    return list(DisplayFolder(folder))


def _integers(value: Any, name: str, shape: tuple[int, ...]) -> np.ndarray:
    array = np.array(value)
    if array.size == 0 and array.shape[:1] == shape[:1]:
        return np.zeros(shape, np.int64)
    if array.dtype.kind not in "iu" or array.shape != shape:
        raise ValueError(f"{name} must be whole numbers of shape {list(shape)}, got {value!r}")
    return array.astype(np.int64)


def _boxes(value: Any, name: str, size_px: tuple[int, int]) -> np.ndarray:
    """[N, 4] boxes inside the picture."""
    boxes = _integers(value, name, (len(value), 4))
    low, high = boxes[:, :2], boxes[:, 2:]
    bad = ((low < 0) | (high > np.array(size_px)) | (low >= high)).any(1)
    if bad.any():
        k = int(bad.argmax())
        raise ValueError(
            f"box {k} of {name}, {boxes[k].tolist()}, is not inside its picture of {size_px[0]} x {size_px[1]} px"
        )
    return boxes
