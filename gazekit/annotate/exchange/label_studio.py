"""Label Studio's video JSON: percentages of the picture, frames counted from 1, one result per track.

A keyframe may have `source`, `score` and `keyframe` where they differ from the result's `origin`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from gazekit.annotate.exchange.tracks import Key, Track, check_size, frames_between, tracks_of
from gazekit.annotate.project import Project
from gazekit.annotate.project.checks import SOURCES
from gazekit.annotate.project.rows import Row
from gazekit.recordings.aoi import read_label_studio
from gazekit.recordings.files import read_json

__all__ = ["read", "text"]

_WORDS = {"manual": "manual", "confirmed": "prediction-changed", "predicted": "prediction"}
_SOURCES = {word: source for source, word in _WORDS.items()}


def text(project: Project, step: int | None = None) -> str:
    """The content of the file: one task with one annotation."""
    times = np.rint((project.frame_t_ms - project.frame_t_ms[0]) * 1e6) / 1e9  # whole nanoseconds, in seconds
    tracks = tracks_of(project.store.snapshot(), project.n_frames, step)
    data: Row = {"video": project.ids["video"]}
    if len(times) > 1:
        data["fps"] = round(1 / float(np.median(np.diff(times))))
    results = [_result(project, track, times) for track in tracks]
    task = {"id": 1, "data": data, "annotations": [{"id": 1, "result": results}], "predictions": []}
    return json.dumps([task], ensure_ascii=False, indent=1)


def _result(project: Project, track: Track, times: np.ndarray) -> Row:
    last = {key.frame for key in track.last}
    origin = _WORDS.get(track.keys[0].source, "manual")
    keys = {key.frame: key for key in [*track.last, *track.keys]}
    sequence = [
        _entry(project, keys[frame], float(times[frame]), frame not in last, _SOURCES[origin])
        for frame in sorted(keys)
    ]
    value = {"framesCount": project.n_frames, "duration": round(float(times[-1]), 6), "sequence": sequence}
    head = {"id": f"{project.ids['name']}{track.number - 1}", "type": "videorectangle", "from_name": "box"}
    return head | {"to_name": "video", "origin": origin, "value": value | {"labels": [track.label]}}


def _entry(project: Project, key: Key, time: float, enabled: bool, source: str) -> Row:
    x, y, x_max, y_max = key.box
    width, height = project.size_px
    percent = {"x": x / width, "y": y / height, "width": (x_max - x) / width, "height": (y_max - y) / height}
    entry: Row = {"frame": key.frame + 1, "enabled": enabled, "rotation": 0}
    entry |= {name: round(100 * value, 4) for name, value in percent.items()} | {"time": round(time, 6)}
    entry |= {} if key.source == source else {"source": key.source}
    entry |= {} if key.score is None else {"score": key.score}
    return entry if key.keyframe else entry | {"keyframe": False}


def read(project: Project, path: Path) -> Row:
    """Fields of `boxes.import`.

    Raises:
        FileNotFoundError: no such file.
        RecordingError: as `read_label_studio`; a file of another video.
    """
    moving = read_label_studio(path, project.size_px)
    (task,) = read_json(path, list)
    (annotation,) = (a for a in task["annotations"] if not a.get("was_cancelled"))
    results = [result for result in annotation["result"] if result["type"] == "videorectangle"]
    boxes: list[Row] = []
    for number, result, box in zip(_numbers(results), results, moving, strict=True):
        where = f"{path}, result {result.get('id')!r}"
        count = result["value"].get("framesCount")
        check_size(project, where, count if isinstance(count, int) else None, None)
        origin = _SOURCES.get(str(result.get("origin")), "imported")
        keys = {key["frame"] - 1: _how(key, origin) for key in result["value"]["sequence"]}
        boxes += frames_between(project, where, number, box, keys)
    return {"labels": [{"name": name} for name in dict.fromkeys(box.label for box in moving)], "boxes": boxes}


def _how(key: Row, origin: str) -> Row:
    source = key.get("source")
    source = source if source in SOURCES else origin
    return {"source": source, "score": key.get("score"), "keyframe": key.get("keyframe") is not False}


def _numbers(results: list[Row]) -> list[int]:
    """The numbers that ids end in, plus 1, if they differ; else 1, 2, ..."""
    ends: list[Any] = [re.search(r"(\d{1,9})$", str(result.get("id"))) for result in results]
    if all(ends) and len({int(end[1]) for end in ends}) == len(ends):
        return [int(end[1]) + 1 for end in ends]
    return list(range(1, len(results) + 1))
