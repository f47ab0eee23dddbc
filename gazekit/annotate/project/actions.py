"""Actions on boxes, tracks, frames and fixations; `bulk_actions` has those on labels and on many boxes.

Each function takes the rows of one transaction and the action, changes rows, and returns the answer without the event:
at least the frame. A ValueError says what is wrong with the action; the transaction is then rolled back.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gazekit.annotate.project.checks import (
    SIDES,
    box_of,
    checked_box,
    checked_boxes,
    checked_frame,
    checked_label,
    checked_score,
    fixation_of,
    whole,
)
from gazekit.annotate.project.rows import Row, Rows

__all__ = ["BY_HAND"]

BY_HAND = ("manual", "confirmed", "imported")  # sources that a machine never overwrites


def box_add(rows: Rows, action: Row) -> Row:
    """{frame, label, box, track?}: a new box, on a new track unless one is given.

    track: "same" is the only track with this label in the video, if it has no box in this frame; else a new one.
    """
    frame, label = checked_frame(rows, action), checked_label(rows, action.get("label"), box=True)["id"]
    track = _track_of(rows, action, label, frame)
    place = {"frame": frame, "track": track, "label": label, **checked_box(rows, action.get("box"))}
    return {"frame": frame, "box": by_hand(rows, {"id": rows.new("boxes"), **place})}


def _track_of(rows: Rows, action: Row, label: int, frame: int) -> int:
    """The track that a new box goes on."""
    track, at = action.get("track"), "track = ? AND frame = ?"
    if track == "same":
        query = "SELECT min(track), max(track) FROM boxes WHERE label = ?"
        track, last = rows.db.execute(query, (label,)).fetchone()
        if track != last or rows.select("boxes", at, (track, frame)):
            track = None
    elif track is not None:
        query, key = "SELECT 1 FROM boxes WHERE track = ? LIMIT 1", whole(action, "track", 1)
        if rows.db.execute(query, (key,)).fetchone() is None:
            raise ValueError(f"box.add: no track {track}; leave track out for a new one")
        if there := rows.select("boxes", at, (track, frame)):
            raise ValueError(
                f"box.add: track {track} already has a box in frame {frame}, box {there[0]['id']}"
            )
    return rows.new("tracks") if track is None else track


def box_update(rows: Rows, action: Row) -> Row:
    """{id, box?, label?, keyframe?}: moved or relabelled by hand, which makes it a keyframe unless `keyframe` is given.

    If another box of the frame has the new label, and new and old label are in one group (left and right confused),
    the two boxes swap labels.
    """
    row = box_of(rows, action.get("id"))
    keyframe = action.get("keyframe")
    if not isinstance(keyframe, bool | None):
        raise ValueError(f"box.update: keyframe must be true or false, got {keyframe!r:.80}")
    if action.get("box") is None and action.get("label") is None and keyframe is None:
        raise ValueError("box.update: give box, label or keyframe")
    new = dict(row)
    if action.get("box") is not None:
        new |= checked_box(rows, action["box"])
    if action.get("label") is not None:
        label = checked_label(rows, action["label"], box=True)
        _swap(rows, row, label)
        new["label"] = label["id"]
    by_hand(rows, new, keyframe is not False)
    return {"frame": row["frame"]}


def _swap(rows: Rows, row: Row, label: Row) -> None:
    old = rows.get("labels", row["label"])
    if label["group"] and label["group"] == old["group"] and label["id"] != old["id"]:
        for twin in rows.select("boxes", "frame = ? AND label = ?", (row["frame"], label["id"])):
            by_hand(rows, twin | {"label": old["id"]})


def box_delete(rows: Rows, action: Row) -> Row:
    """{id}: deletes this box, in this frame only."""
    row = box_of(rows, action.get("id"))
    rows.drop("boxes", row)
    return {"frame": row["frame"]}


def boxes_copy_next(rows: Rows, action: Row) -> Row:
    """{frame, ids?}: copies boxes of a frame to the next one; boxes made by hand there stay as they are."""
    frame = checked_frame(rows, action)
    checked_frame(rows, {"op": action["op"], "frame": frame + 1})
    copied = rows.select("boxes", "frame = ?", (frame,))
    if action.get("ids") is not None:
        copied = [box_of(rows, key) for key in _list(action, "ids")]
    if strange := [row["id"] for row in copied if row["frame"] != frame]:
        raise ValueError(f"boxes.copy_next: boxes {strange} are not in frame {frame}")
    next_frame = {row["track"]: row for row in rows.select("boxes", "frame = ?", (frame + 1,))}
    for row in copied:
        there = next_frame.get(row["track"])
        if there is None or there["source"] not in BY_HAND:
            by_hand(rows, row | {"id": there["id"] if there else rows.new("boxes"), "frame": frame + 1})
    return {"frame": frame + 1}


def track_delete(rows: Rows, action: Row) -> Row:
    """{track}: deletes its boxes in all frames."""
    boxes = rows.select("boxes", "track = ?", (whole(action, "track", 1),))
    if not boxes:
        raise ValueError(f"track.delete: no track {action['track']}")
    for row in boxes:
        rows.drop("boxes", row)
    return {"frame": action.get("frame"), "deleted": len(boxes)}


def track_interpolate(rows: Rows, action: Row) -> Row:
    """{track, first, last}: interpolates boxes linearly in the frame number from keyframe to keyframe.

    A box gets the label and the source of the keyframe before it. Confirmed frames stay as they are.
    """
    track, first, last = (whole(action, name) for name in ("track", "first", "last"))
    there = rows.select("boxes", "track = ? AND frame BETWEEN ? AND ?", (track, first, last))
    there = {row["frame"]: row for row in there}
    if first >= last:
        raise ValueError(f"track.interpolate: last must be a later frame than first, got {first} and {last}")
    if missing := [frame for frame in (first, last) if frame not in there]:
        raise ValueError(
            f"track.interpolate: track {track} has no box in frame {missing[0]}. Interpolation needs two boxes of one "
            "track, an earlier and a later one: draw the object with the same label in both frames, or copy its box, "
            "and interpolate then"
        )
    keys = [there[f] for f in sorted(there) if there[f]["keyframe"] or f in (first, last)]
    skipped = {row["id"] for row in rows.select("confirmed", "id BETWEEN ? AND ?", (first, last))}
    key_frames = [key["frame"] for key in keys]
    frames = [f for f in range(first, last) if f not in key_frames and f not in skipped]
    between = np.column_stack([np.interp(frames, key_frames, [key[side] for key in keys]) for side in SIDES])
    before = np.searchsorted(key_frames, frames, side="right") - 1
    for frame, box, key in zip(frames, between.round(2).tolist(), before, strict=True):
        here = there.get(frame)
        number = here["id"] if here else rows.new("boxes")
        made = {"id": number, "frame": frame, "keyframe": 0, **dict(zip(SIDES, box, strict=True))}
        rows.put("boxes", keys[key] | made | {"author": rows.author, "t_unix_ms": rows.t_unix_ms}, here)
    return {"frame": first}


def frame_confirm(rows: Rows, action: Row) -> Row:
    """{frame, boxes?}: all boxes of the frame are right and none is missing; boxes of a machine become "confirmed".

    boxes: [{label, box, score?}], predictions shown with the frame: they are added on new tracks, confirmed.
    A second person may confirm the frame too: the first one's undo then leaves it confirmed.
    """
    frame = checked_frame(rows, action)
    stamp = {"author": rows.author, "t_unix_ms": rows.t_unix_ms}
    there = rows.get("confirmed", frame)
    if there is None or there["author"] != rows.author:
        rows.put("confirmed", {"id": frame, **stamp}, there)
    if action.get("boxes") is not None:
        _put_shown(rows, action, frame)
    for row in rows.select(
        "boxes", "frame = ? AND (source NOT IN ('manual', 'confirmed') OR NOT keyframe)", (frame,)
    ):
        source = row["source"] if row["source"] == "manual" else "confirmed"
        rows.put("boxes", row | {"source": source, "keyframe": 1, **stamp}, row)
    return {"frame": frame}


def _put_shown(rows: Rows, action: Row, frame: int) -> None:
    boxes = _list(action, "boxes")
    if strange := [box for box in boxes if isinstance(box, dict) and box.get("frame", frame) != frame]:
        raise ValueError(f"frame.confirm: box {strange[0]!r:.120} is not in frame {frame}")
    boxes = [box | {"frame": frame, "track": None} if isinstance(box, dict) else box for box in boxes]
    for box in checked_boxes(rows, action | {"boxes": boxes}, "confirmed"):
        place = {"id": rows.new("boxes"), "track": rows.new("tracks"), "keyframe": 1}
        rows.put("boxes", box | place, None)


def fixation_label(rows: Rows, action: Row) -> Row:
    """{fixation, label}: labels a fixation; "background" and "cannot tell" are labels too."""
    label = checked_label(rows, action.get("label"))["id"]
    return _answer(rows, action, label, "manual", 1.0)


def fixation_confirm(rows: Rows, action: Row) -> Row:
    """{fixation, label?, confidence?}: confirms `label`, or else the present answer or the label of the box there."""
    fixation = fixation_of(rows, action)
    if action.get("label") is not None:
        label = checked_label(rows, action["label"])["id"]
    elif there := rows.get("answers", fixation["id"]):
        label = there["label"]
    elif box := rows.held(fixation["id"]):
        label = box[fixation["id"]]["label"]
    else:
        raise ValueError(
            f"fixation.confirm: fixation {fixation['id']} has no answer and lies in no box: give label"
        )
    confidence = checked_score(action.get("confidence"))
    return _answer(rows, action, label, "confirmed", 1.0 if confidence is None else confidence)


def _answer(rows: Rows, action: Row, label: int, source: str, confidence: float) -> Row:
    fixation = fixation_of(rows, action)
    stamp = {"author": rows.author, "t_unix_ms": rows.t_unix_ms}
    answer = {"id": fixation["id"], "label": label, "source": source, "confidence": confidence}
    rows.put("answers", {**answer, **stamp})
    return {"frame": fixation["frame"] if fixation["frame"] >= 0 else None, "fixation": fixation["id"]}


def by_hand(rows: Rows, box: Row, keyframe: bool = True) -> int:
    """Write a box made by a person; returns its id."""
    stamp = {"author": rows.author, "t_unix_ms": rows.t_unix_ms}
    rows.put("boxes", box | {"source": "manual", "score": None, "keyframe": int(keyframe)} | stamp)
    return box["id"]


def _list(action: Row, name: str) -> list[Any]:
    value = action.get(name)
    if not isinstance(value, list):
        raise ValueError(f"{action.get('op')}: {name} must be a list, got {value!r:.80}")
    return value
