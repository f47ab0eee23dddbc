"""The folder of a study: pictures, objects, trials, settings; `recordings` documents its layout."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import yaml

from gazekit.datasets.files import grid_boxes, read_json
from gazekit.errors import DataError, RecordingError
from gazekit.geometry import Screen
from gazekit.recordings.aoi.annotation_files import coco_boxes
from gazekit.recordings.files import read_csv
from gazekit.recordings.recording import Recording
from gazekit.recordings.scanpaths import TrialMessages
from gazekit.scene import Scene

__all__ = ["Study"]

_KEYS = ("recordings", "start", "end", "inside", "picture_px", "screen")
_SIDES = ("x_min", "y_min", "x_max", "y_max")


class Study:
    """The files of a study, read and checked once.

    Args:
        root: its folder.
        grid: (rows, columns) of cells used as objects, or None.
    Raises:
        DataError: a file is broken, absent, or names a missing picture.
    """

    def __init__(self, root: Path, grid: tuple[int, int] | None) -> None:
        self.root, self.grid = root, grid
        path, settings = _settings(root)
        self.settings_name = path.name if path else "study.json"
        try:
            self.screen = None if settings.get("screen") is None else Screen(**settings["screen"])
            self.place = _place(settings.get("picture_px"))
            self.trials = _trials(root)
            self.messages = None
            if self.trials is not None and settings.get("start") is not None:
                raise ValueError(
                    "trials are defined both by start (messages) and by trials.csv, expected one of them"
                )
            if self.trials is None:
                self.messages = TrialMessages(*(settings.get(k) for k in ("start", "end", "inside")))
                self.pattern = _glob(settings.get("recordings"))
            self.pictures = sorted(
                p for p in (root / "stimuli").iterdir() if p.is_file() and p.name[0] != "."
            )
            self._by_name: dict[str, list[Path]] = {}
            for picture in self.pictures:
                for name in (picture.name, picture.stem):
                    self._by_name.setdefault(name, []).append(picture)
            self.objects = None if grid is not None else self._objects()
        except (ValueError, TypeError) as error:
            told = isinstance(error, DataError | RecordingError)
            raise DataError(str(error) if told else f"{root / self.settings_name}: {error}") from error

    def recordings(self) -> list[tuple[str, Path, pd.DataFrame | None]]:
        """Name in messages, path, and trials of each recording; None if its messages define the trials.

        Raises:
            DataError: no recording matches the pattern.
        """
        if self.trials is not None:
            groups = self.trials.groupby("recording", sort=False)
            found = [
                (f"trials.csv, recording {name!r} ({len(rows)} trials)", self.root / str(name), rows)
                for name, rows in groups
            ]
        else:
            try:
                paths = sorted(self.root.glob(self.pattern))
            except ValueError as error:
                raise DataError(f"{self.root / self.settings_name}: recordings: {error}") from error
            found = [(f"recording {path.relative_to(self.root).as_posix()!r}", path, None) for path in paths]
        if not found:
            raise DataError(
                f"{self.root}: no file matches {self.pattern!r} (key recordings of {self.settings_name})"
            )
        return found

    def read(self, path: Path) -> Recording:
        if not path.exists():
            raise ValueError(f"no recording at {path}")
        return Recording.open(path, self.screen)

    def picture(self, stimulus: str) -> Path:
        """The picture with this name, with or without its extension."""
        fits = self._by_name.get(stimulus, [])
        fits = [p for p in fits if p.name == stimulus] or fits
        if len(fits) != 1:
            folder = self.root / "stimuli"
            raise ValueError(
                f"stimulus {stimulus!r} matches {len(fits)} of {len(self.pictures)} files in {folder}"
            )
        return fits[0]

    def scene(self, picture: Path, target: str, name: str) -> Scene:
        image = cv2.imread(str(picture), cv2.IMREAD_COLOR)
        if image is None:
            raise ValueError(f"{picture} is not a readable picture")
        size = (image.shape[1], image.shape[0])
        if self.objects is None:
            labels, boxes = None, grid_boxes(size, *self.grid)
        else:
            own = self.objects.get(picture.name, [])
            if not own:
                raise ValueError(f"objects.csv or objects.json has no object for {picture.name!r}")
            labels, boxes = tuple(label for label, _ in own), np.array([box for _, box in own])
        index = None
        if target:
            fits = [i for i, label in enumerate(labels or ()) if label == target]
            if len(fits) != 1:
                raise ValueError(
                    f"target {target!r} matches {len(fits)} objects of {picture.name!r}, expected one"
                )
            index = fits[0]
        return Scene(name, size, boxes, index, labels, image_path=picture, attributes={"image": picture.name})

    def on_picture(self, xy_px: np.ndarray, recording: Recording, size_px: tuple[int, int]) -> np.ndarray:
        """[T, 2] pixels of the recording to pixels of the picture."""
        if isinstance(self.place, np.ndarray):
            low, high = self.place[:2], self.place[2:]
        else:
            if recording.size_px is None or (self.place is None and recording.size_px != size_px):
                screen = "{} x {} px".format(*recording.size_px) if recording.size_px else "unknown size"
                raise ValueError(
                    f"a picture of {size_px[0]} x {size_px[1]} px on a screen of {screen}: give its position in "
                    f'{self.settings_name}, "picture_px": "centred" or [x_min, y_min, x_max, y_max]'
                )
            low = (np.array(recording.size_px, float) - size_px) / 2
            high = low + size_px
        return (xy_px - low) / (high - low) * size_px

    def _objects(self) -> dict[str, list[tuple[str, list[float]]]]:
        """Picture name -> label and box of each of its objects."""
        table, coco = self.root / "objects.csv", self.root / "objects.json"
        if table.exists() == coco.exists():
            there = "both objects.csv and" if table.exists() else "no objects.csv and no"
            raise DataError(
                f"{self.root}: {there} objects.json, expected one of them; to use grid cells as objects: "
                "'data.options.grid=[6,8]'"
            )
        rows: list[tuple[str, str, str, list[float]]] = []
        if table.exists():
            names = ("stimulus", "label", *_SIDES)
            content = _table(table, names, text=("stimulus", "label"))
            boxes = content[list(_SIDES)].to_numpy(np.float64).tolist()
            wheres = [f"{table}, row {n + 1}" for n in range(len(boxes))]
            rows = list(zip(wheres, content["stimulus"], content["label"], boxes, strict=True))
        else:
            for where, image, label, box, _ in coco_boxes(coco):
                rows.append((where, Path(str(image.get("file_name"))).name, label, box))
        found: dict[str, list[tuple[str, list[float]]]] = {}
        for where, stimulus, label, box in rows:
            try:
                found.setdefault(self.picture(stimulus).name, []).append((label, box))
            except ValueError as error:
                raise DataError(f"{where}: {error}") from error
        return found


def _settings(root: Path) -> tuple[Path | None, dict[str, Any]]:
    there = [p for name in ("study.json", "study.yaml", "study.yml") if (p := root / name).exists()]
    if len(there) > 1:
        raise DataError(f"{root}: has {' and '.join(p.name for p in there)}, expected one of them")
    if not there:
        return None, {}
    path = there[0]
    if path.suffix == ".json":
        content = read_json(path, dict)
    else:
        try:
            content = yaml.safe_load(path.read_bytes())
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise DataError(f"{path}: not readable YAML ({error})") from error
    if not isinstance(content, dict) or (unknown := sorted(map(str, set(content) - set(_KEYS)))):
        got = type(content).__name__ if not isinstance(content, dict) else f"also {', '.join(unknown)}"
        raise DataError(f"{path}: expected an object with the keys {', '.join(_KEYS)}, got {got}")
    return path, content


def _trials(root: Path) -> pd.DataFrame | None:
    path = root / "trials.csv"
    if not path.exists():
        if not any(root.glob("study.*")):
            raise DataError(
                f"{root}: neither trials.csv nor study.json; see python -m pydoc gazekit.datasets.recordings"
            )
        return None
    text = ("recording", "stimulus", "observer", "target")
    table = _table(path, ("recording", "onset_ms", "offset_ms", "stimulus"), text[2:], text)
    if len(table) == 0:
        raise DataError(f"{path}: no trials")
    table.index += 1  # rows count from 1
    for row, name in table["recording"].items():
        if not _is_below(name):
            raise DataError(f"{path}, row {row}: recording must be a path below the folder, got {name!r}")
    return table


def _table(
    path: Path, columns: tuple[str, ...], optional: tuple[str, ...] = (), text: tuple[str, ...] = ()
) -> pd.DataFrame:
    table, notes = read_csv(path, {n: n for n in columns}, {n: n for n in optional}, text=text)
    for note in notes:
        warnings.warn(note, stacklevel=2)
    return table


def _place(value: Any) -> np.ndarray | str | None:
    if value is None or value == "centred":
        return value
    box = np.asarray(value, np.float64)
    if box.shape != (4,) or not np.isfinite(box).all() or (box[2:] <= box[:2]).any():
        raise ValueError(f'picture_px must be "centred" or [x_min, y_min, x_max, y_max], got {value!r}')
    return box


def _glob(value: Any) -> str:
    if not isinstance(value, str) or not _is_below(value):
        raise ValueError(
            f'recordings must be a pattern for files below the folder, for instance "data/*.asc", got {value!r}'
        )
    return value


def _is_below(name: str) -> bool:
    return bool(name) and not Path(name).is_absolute() and ".." not in Path(name).parts
