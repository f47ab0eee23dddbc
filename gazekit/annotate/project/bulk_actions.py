"""Actions on labels, and actions that write many boxes at once: propagation and prediction."""

from __future__ import annotations

import re

from gazekit.annotate.project.actions import BY_HAND
from gazekit.annotate.project.checks import checked_boxes, checked_frames, checked_label, text_of
from gazekit.annotate.project.labels import BACKGROUND_ID, CANNOT_TELL_ID, colour_of, free_key, stem
from gazekit.annotate.project.rows import Row, Rows

__all__ = ["boxes_put", "label_add", "label_merge", "label_update"]

_ALWAYS = (BACKGROUND_ID, CANNOT_TELL_ID)


def boxes_put(rows: Rows, action: Row) -> Row:
    """{boxes: [{frame, label, box, track?, score?}], source, frames?}: boxes of a tracker or a model.

    Boxes made by hand and confirmed frames stay as they are, and a second box of an exclusive label is skipped: the
    answer counts these as `skipped`. Each box without a track gets a new one. Predictions replace all earlier
    predictions in their frames and in `frames`.
    """
    source = action.get("source")
    if source not in ("propagated", "predicted"):
        raise ValueError(f'boxes.put: source must be "propagated" or "predicted", got {source!r:.80}')
    entries = checked_boxes(rows, action, source)
    frames = {entry["frame"] for entry in entries} | checked_frames(rows, action, "frames")
    confirmed = {row["id"] for row in rows.select("confirmed")} & frames
    alone = {row["id"] for row in rows.select("labels") if row["group"]}
    if source == "predicted":
        _clear_predicted(rows, frames - confirmed)
    skipped = sum(
        entry["frame"] in confirmed or not _put(rows, entry, entry["label"] in alone) for entry in entries
    )
    frame = action.get("frame")
    return {"frame": min(frames, default=None) if frame is None else frame, "skipped": skipped}


def _clear_predicted(rows: Rows, frames: set[int]) -> None:
    for frame in sorted(frames):
        for row in rows.select("boxes", "frame = ? AND source = 'predicted'", (frame,)):
            rows.drop("boxes", row)


def _put(rows: Rows, entry: Row, alone: bool) -> bool:
    there = None
    if entry["track"] is not None:
        rows.used("tracks", entry["track"])
        found = rows.select("boxes", "track = ? AND frame = ?", (entry["track"], entry["frame"]))
        there = found[0] if found else None
    if there is not None and there["source"] in BY_HAND:
        return False
    if alone:
        same = rows.select("boxes", "frame = ? AND label = ?", (entry["frame"], entry["label"]))
        if any(there is None or row["id"] != there["id"] for row in same):
            return False
    track = rows.new("tracks") if entry["track"] is None else entry["track"]
    number = there["id"] if there else rows.new("boxes")
    rows.put("boxes", {"id": number, **entry, "track": track}, there)
    return True


def label_add(rows: Rows, action: Row) -> Row:
    """{name, colour?, group?, key?}; a name with "left" or "right" is exclusive in its frame unless group is ""."""
    name = _free_name(rows, action)
    number = rows.new("labels")
    taken = [row["key"] for row in rows.select("labels")]
    colour = colour_of(number) if action.get("colour") is None else _colour(action)
    group = stem(name) if action.get("group") is None else text_of(action, "group")
    key = free_key(taken) if action.get("key") is None else _key(rows, action)
    label = {"id": number, "name": name, "colour": colour, "group": group, "key": key, "supercategory": ""}
    rows.put("labels", label, None)
    return {"frame": None, "label": number}


def label_update(rows: Rows, action: Row) -> Row:
    """{label, name?, colour?, group?, key?}: changes a label; boxes and answers keep it."""
    label = checked_label(rows, action.get("label"))
    new = dict(label)
    if action.get("name") is not None and action["name"] != label["name"]:
        if label["id"] in _ALWAYS:
            raise ValueError(f"label.update: {label['name']!r} cannot be renamed")
        new["name"] = _free_name(rows, action, label["id"])
    if action.get("colour") is not None:
        new["colour"] = _colour(action)
    if action.get("group") is not None:
        new["group"] = text_of(action, "group")
    if action.get("key") is not None and action["key"] != label["key"]:
        new["key"] = _key(rows, action)
    if label["id"] in _ALWAYS and new["group"]:
        raise ValueError(f"label.update: {label['name']!r} can't be exclusive")
    rows.put("labels", new, label)
    return {"frame": None, "label": label["id"]}


def label_merge(rows: Rows, action: Row) -> Row:
    """{label, into}: all boxes and answers of `label` move to `into`, and `label` is removed."""
    label, into = (checked_label(rows, action.get(name)) for name in ("label", "into"))
    if label["id"] in _ALWAYS or label["id"] == into["id"]:
        raise ValueError(f"label.merge: {label['name']!r} can't be merged into {into['name']!r}")
    boxes = rows.select("boxes", "label = ?", (label["id"],))
    if boxes and into["id"] == BACKGROUND_ID:
        raise ValueError(f"label.merge: {len(boxes)} boxes can't be background: delete them first")
    for table, found in (("boxes", boxes), ("answers", rows.select("answers", "label = ?", (label["id"],)))):
        for row in found:
            rows.put(table, row | {"label": into["id"]}, row)
    rows.drop("labels", label)
    return {"frame": None, "label": into["id"]}


def _free_name(rows: Rows, action: Row, own: int | None = None) -> str:
    name = text_of(action, "name", 1)
    if any(row["name"].casefold() == name.casefold() and row["id"] != own for row in rows.select("labels")):
        raise ValueError(f"{action['op']}: a label {name!r} exists already; label.merge merges two labels")
    return name


def _colour(action: Row) -> str:
    colour = text_of(action, "colour", 1)
    if not re.fullmatch("#[0-9a-fA-F]{6}", colour):
        raise ValueError(f"{action['op']}: colour must be #rrggbb, got {colour!r}")
    return colour.lower()


def _key(rows: Rows, action: Row) -> str:
    key = text_of(action, "key")
    if len(key) > 1 or (key and any(row["key"] == key for row in rows.select("labels"))):
        raise ValueError(
            f"{action['op']}: key must be one character that no label has, or empty, got {key!r}"
        )
    return key
