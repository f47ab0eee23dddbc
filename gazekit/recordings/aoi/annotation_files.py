"""Areas of interest from annotation files: COCO JSON, Label Studio video JSON, and CVAT XML by `cvat`.

Frames count from 0 and boxes are pixels `x_min, y_min, x_max, y_max`, whatever the file's convention. Other
shapes (polygons, ellipses, masks, points, rotated boxes) are an error: leaving one out would count its
fixations as background.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gazekit.errors import RecordingError
from gazekit.recordings.aoi.cvat import finite, moving_box, read_cvat
from gazekit.recordings.aoi.shapes import MovingBox
from gazekit.recordings.files import read_json as _read_json
from gazekit.recordings.files import read_text

__all__ = ["coco_boxes", "read_aois", "read_coco", "read_label_studio"]

# Label Studio results about a whole video, which are not areas and are not read.
_NO_AREAS = tuple("choices textarea number rating timelinelabels labels relation taxonomy datetime".split())


def read_aois(path: str | Path, size_px: tuple[int, int] | None = None) -> list[MovingBox]:
    """Moving AOIs from a file in any of the three formats, detected from its content.

    Args:
        size_px: (width, height) of the video: Label Studio's percentages need it.
    Raises:
        FileNotFoundError, RecordingError: as the format's own function; a file of another format.
    """
    path = Path(path).expanduser()
    text, _ = read_text(path)
    start = text.lstrip()[:1]
    if start == "<":
        return read_cvat(path)
    if start == "[":
        return read_label_studio(path, size_px)
    if start == "{":
        return read_coco(path)
    raise RecordingError(
        f"{path}: neither COCO JSON, CVAT XML nor Label Studio JSON; it starts with {start!r}"
    )


def read_coco(path: str | Path) -> list[MovingBox]:
    """Boxes over the frames of a video from COCO JSON; a box exists only in its own frame.

    In addition to COCO's own fields, `images[].frame_index` is required, and `annotations[].track_id` joins the boxes
    of one object; without it all boxes of a category belong to one object. Segmentations are ignored in favour of the
    box.

    Raises:
        FileNotFoundError: no such file.
        RecordingError: not COCO, fields missing, two boxes of one track in a frame.
    """
    path = Path(path).expanduser()
    boxes: dict[tuple[str, Any], dict[int, list[float]]] = {}
    for where, image, label, box, track in coco_boxes(path):
        frame = image.get("frame_index")
        if not isinstance(frame, int) or isinstance(frame, bool) or frame < 0:
            raise RecordingError(
                f"{where}: boxes of a video need a whole frame_index >= 0 of their image, got {frame!r}"
            )
        own = boxes.setdefault((label, track), {})
        if frame in own:
            raise RecordingError(
                f"{where}: a second box of {label!r} in frame {frame}; give each object its track_id"
            )
        own[frame] = box
    return [
        moving_box(path, label, [(frame, own[frame], True) for frame in sorted(own)], False)
        for (label, _), own in boxes.items()
    ]


def coco_boxes(path: Path) -> list[tuple[str, dict[str, Any], str, list[float], Any]]:
    """Per annotation of a COCO file: its location, image, label, [x_min, y_min, x_max, y_max], track_id or None."""
    content = _read_json(path, dict)
    for key in ("images", "annotations", "categories"):
        if not isinstance(content.get(key), list) or not all(isinstance(v, dict) for v in content[key]):
            found = ", ".join(map(repr, content)) or "nothing"
            raise RecordingError(
                f"{path}: COCO JSON must have a list of objects {key!r}, found {found[:200]}"
            )
    try:
        images = {image["id"]: image for image in content["images"]}
        labels = {category["id"]: category["name"] for category in content["categories"]}
        if strange := [name for name in labels.values() if not isinstance(name, str)]:
            raise TypeError(f"a name is {strange[0]!r:.40}")
    except (KeyError, TypeError) as error:
        raise RecordingError(f"{path}: images need an id, categories an id and a name ({error})") from error
    found = []
    for number, entry in enumerate(content["annotations"]):
        where = f"{path}, annotation {entry.get('id', number)!r}"
        try:
            image, label = images[entry["image_id"]], labels[entry["category_id"]]
            x, y, width, height = (finite(v) for v in entry["bbox"])
        except (KeyError, TypeError, ValueError) as error:
            raise RecordingError(
                f"{where}: expected a known image_id and category_id, and bbox [x, y, width, height] ({error})"
            ) from error
        track = entry.get("track_id")
        if not isinstance(track, int | str | None):
            raise RecordingError(f"{where}: track_id must be a number or a string, got {track!r}")
        found.append((where, image, label, [x, y, x + width, y + height], track))
    return found


def read_label_studio(
    path: str | Path, size_px: tuple[int, int] | None, task: int | None = None, annotation: int | None = None
) -> list[MovingBox]:
    """Video rectangles from Label Studio's JSON export, which has percentages of the picture and frames from
    1.

    A keyframe with enabled=false is the last frame in which its box exists (until a later keyframe).

    Args:
        size_px: (width, height) of the video, which the file doesn't say.
        task, annotation: index from 0; needed only if the file holds several.
    Raises:
        FileNotFoundError: no such file.
        RecordingError: no size, several tasks or annotations, rotated boxes, other shapes.
    """
    path = Path(path).expanduser()
    if size_px is None:
        raise RecordingError(
            f"{path}: Label Studio stores percentages; give size_px=(width, height) of the video"
        )
    chosen = _one(path, "task", _read_json(path, list), task)
    entries = _list(path, chosen, "annotations")
    kept = [a for a in entries if isinstance(a, dict) and not a.get("was_cancelled")]
    results = _list(path, _one(path, "annotation", kept, annotation), "result")
    tracks = []
    for number, result in enumerate(results):
        where = f"{path}, result {number}"
        kind = result.get("type") if isinstance(result, dict) else None
        if kind in _NO_AREAS:
            continue
        if kind != "videorectangle":
            raise RecordingError(
                f"{where}: type {kind!r} is not a box over frames; only videorectangle can be read"
            )
        tracks.append(_studio_track(path, where, result, size_px))
    return tracks


def _studio_track(path: Path, where: str, result: dict[str, Any], size_px: tuple[int, int]) -> MovingBox:
    value = result.get("value")
    labels = value.get("labels") if isinstance(value, dict) else None
    if not isinstance(labels, list) or len(labels) != 1:
        raise RecordingError(f"{where}: expected one label, got {labels!r}")
    keys: dict[int, tuple[int, list[float], bool]] = {}
    gone: list[tuple[int, list[float], bool]] = []
    for key in _list(path, value, "sequence"):
        try:
            frame, enabled, rotation = key["frame"], key["enabled"], key.get("rotation", 0)
            x, y, width, height = (finite(key[name]) for name in ("x", "y", "width", "height"))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RecordingError(
                f"{where}: a keyframe needs frame, enabled, x, y, width, height ({error})"
            ) from error
        if (
            not isinstance(frame, int)
            or isinstance(frame, bool)
            or frame < 1
            or not isinstance(enabled, bool)
        ):
            raise RecordingError(
                f"{where}: frame must be a whole number >= 1, enabled true or false, got {frame!r}, {enabled!r}"
            )
        if rotation:
            raise RecordingError(
                f"{where}, frame {frame}: the box is rotated; only upright boxes can be read"
            )
        if frame - 1 in keys:
            raise RecordingError(f"{where}: frame {frame} occurs twice")
        box = (np.array([x, y, x + width, y + height]) / 100 * [*size_px, *size_px]).tolist()
        keys[frame - 1] = (frame - 1, box, True)
        if not enabled:
            gone.append((frame, box, False))
    keys |= {key[0]: key for key in gone if key[0] not in keys}
    return moving_box(path, str(labels[0]), sorted(keys.values()), True)


def _one(path: Path, what: str, entries: list, index: int | None) -> dict[str, Any]:
    if index is None and len(entries) != 1:
        raise RecordingError(
            f"{path}: has {len(entries)} {what}s, expected one; choose with {what}=NUMBER, from 0"
        )
    if index is not None and not 0 <= index < len(entries):
        raise RecordingError(f"{path}: has no {what} {index}, expected 0 to {len(entries) - 1}")
    entry = entries[index or 0]
    if not isinstance(entry, dict):
        raise RecordingError(f"{path}: a {what} must be an object, got {type(entry).__name__}")
    return entry


def _list(path: Path, owner: dict[str, Any], key: str) -> list:
    if not isinstance(owner.get(key), list):
        raise RecordingError(f"{path}: expected a list {key!r}, got {type(owner.get(key)).__name__}")
    return owner[key]
