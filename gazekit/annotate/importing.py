"""What a file of another tool holds, as one action that can be taken back."""

from __future__ import annotations

from collections import Counter
from typing import Any

from gazekit.annotate.checks import (
    SOURCES,
    checked_boxes,
    checked_frames,
    checked_label,
    checked_score,
    fixation_of,
    text_of,
    whole,
)
from gazekit.annotate.labels import colour_of, free_key, stem
from gazekit.annotate.rows import Row, Rows

__all__ = ["boxes_import"]

_COMPARED = ("label", "x_min", "y_min", "x_max", "y_max", "source", "score", "keyframe")


def boxes_import(rows: Rows, action: Row) -> Row:
    """{labels, boxes, frames?, confirmed?, answers?, replace?, format?}: what a file says, in place of what was there.

    A box that is as it was keeps its id, author and time, so that importing what was exported changes nothing. Frames
    whose boxes changed are confirmed only if the file says so.

    labels: [{name, group?, supercategory?}], made where there is none of this name. boxes: [{frame, track, label, box,
    source, score?, keyframe?}]. frames: those that the file speaks of, absent: all. confirmed: frames. answers:
    [{fixation, label, source, confidence}]. replace: false adds the boxes on new tracks to those that are there.
    """
    for name in ("labels", "answers"):
        if not isinstance(action.get(name), list | None):
            raise ValueError(f"boxes.import: {name} must be a list, got {action[name]!r:.80}")
    replace = action.get("replace", True)
    if not isinstance(replace, bool):
        raise ValueError(f"boxes.import: replace must be true or false, got {replace!r:.80}")
    _numbered(action)
    for label in action.get("labels") or []:
        _label(rows, action, label)
    boxes = checked_boxes(rows, action)
    _once(boxes)
    if not replace:
        numbers = {track: rows.new("tracks") for track in dict.fromkeys(box["track"] for box in boxes)}
        boxes = [box | {"track": numbers[box["track"]]} for box in boxes]
    frames = checked_frames(rows, action, "frames") | {box["frame"] for box in boxes}
    frames = None if action.get("frames") is None else frames
    changed = _boxes(rows, boxes, frames if replace else set())
    _confirm(rows, changed, checked_frames(rows, action, "confirmed"))
    for answer in action.get("answers") or []:
        _answer(rows, answer)
    return {"frame": None, "changed_frames": len(changed)}


def _numbered(action: Row) -> None:
    boxes = action.get("boxes")
    if not isinstance(boxes, list) or not all(isinstance(box, dict) for box in boxes):
        raise ValueError("boxes.import: boxes must be a list of objects")
    for box in boxes:
        whole({"op": "boxes.import", **box}, "track", 1)
        whole({"op": "boxes.import", **box}, "frame")


def _label(rows: Rows, action: Row, label: Any) -> None:
    if not isinstance(label, dict):
        raise ValueError(f"boxes.import: a label is an object with a name, got {label!r:.80}")
    told = {"op": "boxes.import, label", **label}
    name = text_of(told, "name", 1)
    alike = [row["name"] for row in rows.select("labels") if row["name"].casefold() == name.casefold()]
    if name in alike:
        return
    if alike:
        raise ValueError(
            f"boxes.import: the file's label {name!r} and the label {alike[0]!r} differ in capitals only: "
            "rename one of them, in the project or in the file"
        )
    number, taken = rows.new("labels"), [row["key"] for row in rows.select("labels")]
    if told.get("group") is None:  # a file with two left tablets in a frame knows nothing of at most one
        frames = Counter(box["frame"] for box in action["boxes"] if box.get("label") == name)
        group = "" if max(frames.values(), default=0) > 1 else stem(name)
    else:
        group = text_of(told, "group")
    above = "" if told.get("supercategory") is None else text_of(told, "supercategory")
    new = {"id": number, "name": name, "colour": colour_of(number), "group": group, "key": free_key(taken)}
    rows.put("labels", new | {"supercategory": above}, None)


def _once(boxes: list[Row]) -> None:
    (place, count), *_ = Counter((box["track"], box["frame"]) for box in boxes).most_common(1) or [
        ((0, 0), 0)
    ]
    if count > 1:
        raise ValueError(f"boxes.import: track {place[0]} has {count} boxes in frame {place[1]}")


def _boxes(rows: Rows, boxes: list[Row], frames: set[int] | None) -> set[int]:
    """Put boxes in the place of those in `frames` (None: all); the frames that changed."""
    there = {
        (row["track"], row["frame"]): row
        for row in rows.select("boxes")
        if frames is None or row["frame"] in frames
    }
    number, changed = rows.new("boxes", len(boxes)), set()
    rows.used("tracks", max((box["track"] for box in boxes), default=0))
    for offset, box in enumerate(boxes):
        old = there.pop((box["track"], box["frame"]), None)
        if old is None or any(old[name] != box[name] for name in _COMPARED):
            rows.put("boxes", {"id": number + offset if old is None else old["id"], **box}, old)
            changed.add(box["frame"])
    for old in there.values():
        rows.drop("boxes", old)
        changed.add(old["frame"])
    return changed


def _confirm(rows: Rows, changed: set[int], confirmed: set[int]) -> None:
    there = {row["id"]: row for row in rows.select("confirmed")}
    for frame in changed & set(there) - confirmed:
        rows.drop("confirmed", there[frame])
    for frame in confirmed - set(there):
        rows.put("confirmed", {"id": frame, "author": rows.author, "t_unix_ms": rows.t_unix_ms}, None)


def _answer(rows: Rows, answer: Any) -> None:
    if not isinstance(answer, dict):
        raise ValueError(f"boxes.import: an answer is an object, got {answer!r:.80}")
    fixation = fixation_of(rows, {"op": "boxes.import", "fixation": answer.get("fixation")})
    if answer.get("source") not in SOURCES:
        raise ValueError(
            f"boxes.import: source must be one of {', '.join(SOURCES)}, got {answer.get('source')!r:.80}"
        )
    new = {
        "id": fixation["id"],
        "label": checked_label(rows, answer.get("label"))["id"],
        "source": answer.get("source"),
        "confidence": checked_score(answer.get("confidence")),
    }
    old = rows.get("answers", new["id"])
    if old is None or any(old[name] != value for name, value in new.items()):
        rows.put("answers", new | {"author": rows.author, "t_unix_ms": rows.t_unix_ms}, old)
