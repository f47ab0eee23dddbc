"""COCO JSON: `images` of frames that have boxes or are confirmed, `annotations` with tracks, sources and scores.

Beside COCO's own fields: `frame_index` and `timestamp_ns` of an image, `confirmed` where it is; `track_id`, `source`,
`score` where there is one, and `keyframe` where it is false, of a box; `group` of a category where it isn't what its
name says.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from gazekit.annotate.exchange.tracks import check_size, used_labels
from gazekit.annotate.project import Project
from gazekit.annotate.project.checks import SOURCES, sides
from gazekit.annotate.project.labels import stem
from gazekit.annotate.project.rows import Row
from gazekit.errors import RecordingError
from gazekit.recordings.aoi.annotation_files import coco_boxes
from gazekit.recordings.files import read_json

__all__ = ["read", "text"]


def text(project: Project) -> str:
    """The content of the file."""
    snapshot = project.store.snapshot()
    labels = used_labels(snapshot)
    confirmed = set(snapshot["confirmed"])
    frames = sorted({box["frame"] for box in snapshot["boxes"]} | confirmed)
    image = {frame: number for number, frame in enumerate(frames, start=1)}
    category = {label["id"]: number for number, label in enumerate(labels, start=1)}
    content = {
        "info": {"description": project.ids["name"]},
        "licenses": [],
        "images": [_image(project, image[frame], frame, frame in confirmed) for frame in frames],
        "annotations": [
            _annotation(number, image[box["frame"]], category[box["label"]], box)
            for number, box in enumerate(snapshot["boxes"], start=1)
        ],
        "categories": [_category(category[label["id"]], label) for label in labels],
    }
    return json.dumps(content, ensure_ascii=False)


def _image(project: Project, number: int, frame: int, confirmed: bool) -> Row:
    files = project.store.meta("files")
    width, height = project.size_px
    name = files[frame] if files else f"frame_{frame:06d}.jpg"
    time = project.origin_ns + int(np.rint(project.frame_t_ms[frame] * 1e6))
    image = {"id": number, "file_name": name, "width": width, "height": height, "frame_index": frame}
    return image | {"timestamp_ns": time} | ({"confirmed": True} if confirmed else {})


def _annotation(number: int, image: int, category: int, box: Row) -> Row:
    x, y, x_max, y_max = sides(box)
    width, height = x_max - x, y_max - y
    place = {
        "bbox": [x, y, round(width, 2), round(height, 2)],
        "area": round(width * height, 2),
        "iscrowd": 0,
    }
    entry = {"id": number, "image_id": image, "category_id": category, **place}
    entry |= {"track_id": box["track"], "source": box["source"]}
    entry |= {} if box["score"] is None else {"score": box["score"]}
    return entry if box["keyframe"] else entry | {"keyframe": False}


def _category(number: int, label: Row) -> Row:
    above = label["supercategory"] or label["group"] or label["name"]
    entry = {"id": number, "name": label["name"], "supercategory": above}
    return entry if label["group"] == stem(label["name"]) else entry | {"group": label["group"]}


def read(project: Project, path: Path) -> Row:
    """Fields of `boxes.import`.

    A file without `track_id` has one track a category, or one a box where a frame has two of a category. Images are
    found by `frame_index`, or by name in a folder of images.

    Raises:
        FileNotFoundError: no such file.
        RecordingError: not COCO; images that the project doesn't have.
    """
    entries = coco_boxes(path)
    content = read_json(path, dict)
    files = {name: index for index, name in enumerate(project.store.meta("files") or ())}
    frames = {
        image["id"]: _frame(project, files, f"{path}, image {image['id']!r}", image)
        for image in content["images"]
    }
    if len(set(frames.values())) < len(frames):
        raise RecordingError(f"{path}: two images have the same frame")
    tracks = _tracks(entries)
    boxes = []
    for track, annotation, (where, image, label, box, _) in zip(
        tracks, content["annotations"], entries, strict=True
    ):
        how = {"source": annotation.get("source"), "score": annotation.get("score")}
        if how["source"] not in SOURCES:
            how["source"] = "imported"
        if annotation.get("iscrowd"):
            raise RecordingError(f"{where}: a crowd (iscrowd) is not a box of one object")
        keyframe = annotation.get("keyframe", True)
        boxes.append(
            {
                "frame": frames[image["id"]],
                "track": track,
                "label": label,
                "box": box,
                "keyframe": keyframe,
                **how,
            }
        )
    confirmed = [frames[image["id"]] for image in content["images"] if image.get("confirmed") is True]
    labels = [
        _label(category) for category in sorted(content["categories"], key=lambda c: str(c["id"]).zfill(20))
    ]
    return {"labels": labels, "boxes": boxes, "frames": sorted(frames.values()), "confirmed": confirmed}


def _label(category: Row) -> Row:
    above, group = category.get("supercategory"), category.get("group")
    above = (
        above
        if isinstance(above, str) and above not in (category["name"], group or stem(category["name"]))
        else ""
    )
    return {
        "name": category["name"],
        "supercategory": above,
        "group": group if isinstance(group, str) else None,
    }


def _frame(project: Project, files: dict[str, int], where: str, image: Row) -> int:
    frame, size = image.get("frame_index"), (image.get("width"), image.get("height"))
    check_size(project, where, None, None if None in size else size)
    if frame is None:
        frame = files.get(Path(str(image.get("file_name"))).name)
    if isinstance(frame, bool) or not isinstance(frame, int) or not 0 <= frame < project.n_frames:
        raise RecordingError(
            f"{where}: frame_index must be 0 to {project.n_frames - 1} or file_name an image of the project, "
            f"got {image.get('frame_index')!r} and {image.get('file_name')!r}"
        )
    return frame


def _tracks(entries: list[tuple[str, Row, str, list[float], Any]]) -> list[int]:
    """A track number from 1 for each box: its `track_id` if that is a number, else a new one."""
    twice = {
        label
        for (_, label), count in Counter((e[1]["id"], e[2]) for e in entries if e[4] is None).items()
        if count > 1
    }
    taken = {e[4] for e in entries if isinstance(e[4], int) and e[4] >= 1}
    numbers: dict[Any, int] = {}
    free = max(taken, default=0)
    tracks = []
    for index, (_, _, label, _, told) in enumerate(entries):
        if told in taken and not isinstance(told, bool):
            tracks.append(told)
            continue
        key = ("told", told) if told is not None else (label, index if label in twice else None)
        if key not in numbers:
            free += 1
            numbers[key] = free
        tracks.append(numbers[key])
    return tracks
