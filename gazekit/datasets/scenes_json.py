"""gazekit's own interchange format, for reading and writing: scenes and scanpaths in one JSON file.

    {"format": "gazekit-scenes/1",
     "scenes": [{"name": "shelf 1", "size_px": [1680, 1050],
                 "boxes_px": [[0, 152, 152, 601], ...],
                 "target": 3, "categories": ["wine", ...], "image_path": "pictures/shelf1.jpg",
                 "start_xy_px": [840, 525], "attributes": {},
                 "scanpaths": [{"observer": "p01", "xy_px": [[812.5, 430.0], ...],
                                "duration_ms": [212, ...], "objects": [3, ...]}]}]}

Only `name`, `size_px` and `boxes_px` of a scene and `xy_px` of a scanpath are required. `image_path` is
relative to the file. Missing `objects` are computed with `geometry.assign_objects`. Crops are not stored.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from gazekit.datasets.files import read_json
from gazekit.datasets.records import (
    DataError,
    DatasetBuilder,
    DatasetInfo,
    OnBadRecord,
    ScanpathDataset,
    find_root,
)
from gazekit.files import written_whole
from gazekit.scanpath import Scanpath
from gazekit.scene import Scene, Trial

__all__ = ["FORMAT", "INFO", "load", "save"]

FORMAT = "gazekit-scenes/1"
_SCENE_FIELDS = frozenset(
    [
        "name",
        "size_px",
        "boxes_px",
        "target",
        "categories",
        "image_path",
        "start_xy_px",
        "attributes",
        "scanpaths",
    ]
)
_SCANPATH_FIELDS = frozenset(["observer", "xy_px", "duration_ms", "objects"])

INFO = DatasetInfo(
    name="scenes_json",
    title="your own scenes and scanpaths in gazekit's JSON format",
    licence="yours",
    citation="",
    source="a file that you wrote, or `python -m gazekit predict`",
    files=("scenes.json",),
    how_to_get="write the file yourself; the format: python -m pydoc gazekit.datasets.scenes_json",
)


def load(root: str | Path | None = None, on_bad_record: OnBadRecord = "raise") -> ScanpathDataset:
    """Read scenes in the order of the file.

    Args:
        root: the file, or a folder with `scenes.json`.
        on_bad_record: "raise" or "skip", see `records.BadRecords`.
    Raises:
        FileNotFoundError: no such file.
        DataError: a broken file, another format, or a broken record unless skipped.
    """
    path = Path(root).expanduser() if root is not None else None
    if path is None or not path.is_file():
        if path is not None and path.suffix == ".json":
            raise FileNotFoundError(f"{INFO.name}: no file {path} (config key data.root)")
        path = find_root(root, INFO) / "scenes.json"
    content = read_json(path, dict)
    if content.get("format") != FORMAT:
        raise DataError(f'{path}: expected "format": "{FORMAT}", got {content.get("format")!r}')
    if not isinstance(content.get("scenes"), list):
        raise DataError(f'{path}: expected a list "scenes"')
    builder = DatasetBuilder(INFO.name, on_bad_record, keep_order=True)
    for number, record in enumerate(content["scenes"]):
        name = record.get("name") if isinstance(record, dict) else None
        where = f"{path.name}, scene {name!r}" if isinstance(name, str) else f"{path.name}, scene {number}"
        key = name if isinstance(name, str) else f"scene {number}"
        with builder.scene(key, where):
            builder.add_scene(_scene(record, path.parent))
        scanpaths = record.get("scanpaths", []) if isinstance(record, dict) else []
        for index, scanpath in enumerate(scanpaths if isinstance(scanpaths, list) else []):
            with builder.scanpath(f"{where}, scanpath {index}"):
                _add_scanpath(builder, key, scanpath)
    return builder.build()


def save(scenes: ScanpathDataset | Iterable[Scene], path: str | Path, trials: Iterable[Trial] = ()) -> Path:
    """Write scenes and their scanpaths; `load` returns the same numbers, with scanpaths grouped by scene.

    Args:
        scenes: a data set, or scenes.
        path: the file; its folder is created, and an existing file is replaced only when the new one is
            complete.
        trials: scanpaths over `scenes`, if these are not a data set.
    Returns:
        `path`.
    Raises:
        ValueError: duplicate scene names, a trial of an unknown scene, attributes that are not JSON, or both
            a data set and trials.
    """
    path = Path(path)
    if isinstance(scenes, ScanpathDataset):
        if tuple(trials):
            raise ValueError("trials must be empty if scenes is a data set, which has its own")
        scenes, trials = scenes.scenes, scenes.trials
    scenes = tuple(scenes)
    _check_names(scenes)
    records = [_scene_record(scene, path.parent) for scene in scenes]
    for trial in trials:
        if not 0 <= trial.scene < len(scenes):
            raise ValueError(f"a trial has scene {trial.scene}, expected 0 to {len(scenes) - 1}")
        records[trial.scene]["scanpaths"].append(_scanpath_record(trial))
    lines = ",\n".join(_dump(record) for record in records)
    with written_whole(path) as unfinished:
        unfinished.write_text(f'{{"format": "{FORMAT}", "scenes": [\n{lines}\n]}}\n', encoding="utf-8")
    return path


def _check_fields(record: Any, known: frozenset[str]) -> None:
    if not isinstance(record, dict):
        raise TypeError(f"expected an object, got {type(record).__name__}")
    if unknown := sorted(record.keys() - known):
        raise ValueError(f"unknown field {unknown[0]!r}, expected only {', '.join(sorted(known))}")


def _scene(record: Any, folder: Path) -> Scene:
    _check_fields(record, _SCENE_FIELDS)
    if not isinstance(record["name"], str):
        raise TypeError(f"name must be a string, got {record['name']!r}")
    size, target, categories = record["size_px"], record.get("target"), record.get("categories")
    if not isinstance(size, list) or len(size) != 2 or not all(_is_integer(v) and v > 0 for v in size):
        raise ValueError(f"size_px must be [width, height] in whole pixels, got {size!r}")
    if target is not None and not _is_integer(target):
        raise TypeError(f"target must be an object index or null, got {target!r}")
    for key, kind in (("attributes", dict), ("scanpaths", list)):
        if not isinstance(record.get(key, kind()), kind):
            raise TypeError(f"{key} must be {'an object' if kind is dict else 'a list'}, got {record[key]!r}")
    image, start = record.get("image_path"), record.get("start_xy_px")
    return Scene(
        name=record["name"],
        size_px=(size[0], size[1]),
        boxes_px=np.asarray(record["boxes_px"], float),
        target=target,
        categories=None if categories is None else tuple(str(c) for c in categories),
        image_path=None if image is None else Path(os.path.normpath(folder / image)),
        start_xy_px=None if start is None else _point(start),
        attributes=record.get("attributes", {}),
    )


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _point(value: Any) -> tuple[float, float]:
    point = np.asarray(value, float)
    if point.shape != (2,) or not np.isfinite(point).all():
        raise ValueError(f"start_xy_px must be [x, y], got {value!r}")
    return float(point[0]), float(point[1])


def _add_scanpath(builder: DatasetBuilder, scene: str, record: Any) -> None:
    _check_fields(record, _SCANPATH_FIELDS)
    scanpath = Scanpath(record["xy_px"], record.get("duration_ms"), str(record.get("observer", "")))
    builder.add_scanpath(scene, scanpath, record.get("objects"))


def _check_names(scenes: tuple[Scene, ...]) -> None:
    seen: set[str] = set()
    for scene in scenes:
        if scene.name in seen:
            raise ValueError(f"two scenes are called {scene.name!r}, expected unique names")
        seen.add(scene.name)


def _scene_record(scene: Scene, folder: Path) -> dict[str, Any]:
    image = scene.image_path
    return {
        "name": scene.name,
        "size_px": [int(v) for v in scene.size_px],
        "boxes_px": scene.boxes_px.tolist(),
        "target": None if scene.target is None else int(scene.target),
        "categories": None if scene.categories is None else list(scene.categories),
        "image_path": None if image is None else Path(os.path.relpath(image, folder)).as_posix(),
        "start_xy_px": None if scene.start_xy_px is None else [float(v) for v in scene.start_xy_px],
        "attributes": scene.attributes,
        "scanpaths": [],
    }


def _scanpath_record(trial: Trial) -> dict[str, Any]:
    path = trial.scanpath
    return {
        "observer": path.observer,
        "xy_px": path.xy_px.tolist(),
        "duration_ms": None if path.duration_ms is None else path.duration_ms.tolist(),
        "objects": np.asarray(trial.objects).tolist(),
    }


def _dump(record: dict[str, Any]) -> str:
    try:
        return json.dumps(record, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"scene {record['name']!r} cannot be written as JSON: {error}") from error
