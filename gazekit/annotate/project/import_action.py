"""The import of another tool's file, as one action that can be undone."""

from __future__ import annotations

from collections import Counter
from typing import Any

from gazekit.annotate.project.checks import (
    SOURCES,
    checked_boxes,
    checked_frames,
    checked_label,
    checked_score,
    fixation_of,
    text_of,
    whole,
)
from gazekit.annotate.project.labels import colour_of, free_key, stem
from gazekit.annotate.project.rows import Row, Rows

__all__ = ["boxes_import"]

_COMPARED = ("label", "x_min", "y_min", "x_max", "y_max", "source", "score", "keyframe")


def boxes_import(rows: Rows, action: Row) -> Row:
    """{labels, boxes, frames?, confirmed?, answers?, replace?, format?}: replaces labels with those of a file.

    An unchanged box keeps its id, author and time, so that importing one's own export changes nothing. Frames whose
    boxes changed are confirmed only if the file says so.

    labels: [{name, group?, supercategory?}], added unless one of this name exists. boxes: [{frame, track, label, box,
    source, score?, keyframe?}]. frames: those that the file covers, absent: all. confirmed: frames. answers:
    [{fixation, label, source, confidence}]. replace: false adds the boxes on new tracks and keeps the existing ones.

    The answer has the counts `boxes`, `frames`, `answers` of the file; `replaced_boxes`, existing boxes that were
    changed or removed, `replaced_confirmed` of these in `confirmed_frames`; `reopened_frames`, which are no longer
    confirmed; `replaced_answers`; `new_labels`, names; and `summary`, all this in words.
    """
    for name in ("labels", "answers"):
        if not isinstance(action.get(name), list | None):
            raise ValueError(f"boxes.import: {name} must be a list, got {action[name]!r:.80}")
    replace = action.get("replace", True)
    if not isinstance(replace, bool):
        raise ValueError(f"boxes.import: replace must be true or false, got {replace!r:.80}")
    _numbered(action)
    made = [label["name"] for label in action.get("labels") or [] if _label(rows, action, label)]
    boxes = checked_boxes(rows, action)
    _once(boxes)
    if not replace:
        numbers = {track: rows.new("tracks") for track in dict.fromkeys(box["track"] for box in boxes)}
        boxes = [box | {"track": numbers[box["track"]]} for box in boxes]
    frames = checked_frames(rows, action, "frames") | {box["frame"] for box in boxes}
    frames = None if action.get("frames") is None else frames
    changed, replaced = _boxes(rows, boxes, frames if replace else set())
    confirmed = {row["id"] for row in rows.select("confirmed")}
    reopened = _confirm(rows, changed, checked_frames(rows, action, "confirmed"))
    answers = action.get("answers") or []
    counts = {
        "boxes": len(boxes),
        "frames": len({box["frame"] for box in boxes}),
        "answers": len(answers),
        "replaced_boxes": len(replaced),
        "replaced_confirmed": sum(frame in confirmed for frame in replaced),
        "confirmed_frames": len(confirmed & set(replaced)),
        "reopened_frames": reopened,
        "replaced_answers": sum(_answer(rows, answer) for answer in answers),
        "new_labels": made,
    }
    return {"frame": None, "changed_frames": len(changed), **counts, "summary": _summary(counts)}


def _summary(counts: Row) -> str:
    """What an import did, in one or two sentences."""
    parts = [f"{_count(counts['boxes'], 'box')} in {_count(counts['frames'], 'frame')}"] * bool(
        counts["boxes"]
    )
    parts += [_count(counts["answers"], "answer")] * bool(counts["answers"])
    text = [f"Imported {', '.join(parts) or 'no boxes and no answers'}"]
    if counts["replaced_boxes"]:
        text.append(
            f"{_count(counts['replaced_boxes'], 'box')} that {_were(counts['replaced_boxes'])} here before "
            f"{_were(counts['replaced_boxes'])} replaced or removed"
        )
    if counts["replaced_confirmed"]:
        text[-1] += (
            f", {counts['replaced_confirmed']} of them in {_count(counts['confirmed_frames'], 'confirmed frame')}"
        )
    if counts["reopened_frames"]:
        count = counts["reopened_frames"]
        text.append(
            f"{_count(count, 'frame')} that {_were(count)} confirmed {'has' if count == 1 else 'have'} other boxes now "
            f"and {'is' if count == 1 else 'are'} to be confirmed again"
        )
    if counts["replaced_answers"]:
        changed = counts["replaced_answers"]
        text.append(
            f"{_count(changed, 'answer')} that {_were(changed)} here before {_were(changed)} replaced"
        )
    if counts["new_labels"]:
        text.append(f"{_count(len(counts['new_labels']), 'new label')}: {', '.join(counts['new_labels'])}")
    return "; ".join(text) + ". Undo takes it back."


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "es" if word.endswith("x") else "s")


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _numbered(action: Row) -> None:
    boxes = action.get("boxes")
    if not isinstance(boxes, list) or not all(isinstance(box, dict) for box in boxes):
        raise ValueError("boxes.import: boxes must be a list of objects")
    for box in boxes:
        whole({"op": "boxes.import", **box}, "track", 1)
        whole({"op": "boxes.import", **box}, "frame")


def _label(rows: Rows, action: Row, label: Any) -> bool:
    """Make a label unless there is one of its name; whether it is new."""
    if not isinstance(label, dict):
        raise ValueError(f"boxes.import: a label is an object with a name, got {label!r:.80}")
    counts = {"op": "boxes.import, label", **label}
    name = text_of(counts, "name", 1)
    alike = [row["name"] for row in rows.select("labels") if row["name"].casefold() == name.casefold()]
    if name in alike:
        return False
    if alike:
        raise ValueError(
            f"boxes.import: the file's label {name!r} and the label {alike[0]!r} differ in capitals only: "
            "rename one of them, in the project or in the file"
        )
    number, taken = rows.new("labels"), [row["key"] for row in rows.select("labels")]
    if counts.get("group") is None:  # a file with two left tablets in a frame knows nothing of at most one
        frames = Counter(box["frame"] for box in action["boxes"] if box.get("label") == name)
        group = "" if max(frames.values(), default=0) > 1 else stem(name)
    else:
        group = text_of(counts, "group")
    above = "" if counts.get("supercategory") is None else text_of(counts, "supercategory")
    new = {"id": number, "name": name, "colour": colour_of(number), "group": group, "key": free_key(taken)}
    rows.put("labels", new | {"supercategory": above}, None)
    return True


def _once(boxes: list[Row]) -> None:
    (place, count), *_ = Counter((box["track"], box["frame"]) for box in boxes).most_common(1) or [
        ((0, 0), 0)
    ]
    if count > 1:
        raise ValueError(f"boxes.import: track {place[0]} has {count} boxes in frame {place[1]}")


def _boxes(rows: Rows, boxes: list[Row], frames: set[int] | None) -> tuple[set[int], list[int]]:
    """Replace the boxes in `frames` (None: all) with others.

    Returns:
        The changed frames; the frame of each existing box that was changed or removed.
    """
    there = {
        (row["track"], row["frame"]): row
        for row in rows.select("boxes")
        if frames is None or row["frame"] in frames
    }
    number, changed, replaced = rows.new("boxes", len(boxes)), set(), []
    rows.used("tracks", max((box["track"] for box in boxes), default=0))
    for offset, box in enumerate(boxes):
        old = there.pop((box["track"], box["frame"]), None)
        if old is None or any(old[name] != box[name] for name in _COMPARED):
            rows.put("boxes", {"id": number + offset if old is None else old["id"], **box}, old)
            changed.add(box["frame"])
            replaced += [] if old is None else [old["frame"]]
    for old in there.values():
        rows.drop("boxes", old)
        changed.add(old["frame"])
        replaced.append(old["frame"])
    return changed, replaced


def _confirm(rows: Rows, changed: set[int], confirmed: set[int]) -> int:
    """Confirm the file's confirmed frames; returns the number of changed frames that are no longer confirmed."""
    there = {row["id"]: row for row in rows.select("confirmed")}
    reopened = changed & set(there) - confirmed
    for frame in reopened:
        rows.drop("confirmed", there[frame])
    for frame in confirmed - set(there):
        rows.put("confirmed", {"id": frame, "author": rows.author, "t_unix_ms": rows.t_unix_ms}, None)
    return len(reopened)


def _answer(rows: Rows, answer: Any) -> bool:
    """Write an answer; returns whether it replaces another one."""
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
        return old is not None
    return False
