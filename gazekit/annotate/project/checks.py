"""Checks of an action's values: each is checked once; the error says what was expected and what was received."""

from __future__ import annotations

import math
from typing import Any

from gazekit.annotate.project.labels import BACKGROUND_ID
from gazekit.annotate.project.rows import Row, Rows

__all__ = [
    *("SIDES", "SOURCES", "box_of", "checked_box", "checked_boxes", "checked_frame", "checked_frames"),
    *("checked_label", "checked_score", "fixation_of", "sides", "text_of", "whole"),
]

SOURCES = ("manual", "confirmed", "propagated", "predicted", "imported")
SIDES = ("x_min", "y_min", "x_max", "y_max")
_LONGEST = 200
_FARTHEST_PX = 10**9


def whole(action: Row, name: str, least: int = 0) -> int:
    """A whole number of an action."""
    value = action.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**53:
        raise ValueError(f"{action.get('op')}: {name} must be a whole number >= {least}, got {value!r:.80}")
    return value


def text_of(action: Row, name: str, least: int = 0) -> str:
    """A line of text of an action, without space around it."""
    value = action.get(name)
    if not isinstance(value, str) or not least <= len(value.strip()) <= _LONGEST or not value.isprintable():
        raise ValueError(
            f"{action.get('op')}: {name} must be {least} to {_LONGEST} characters on one line, got {value!r:.80}"
        )
    return value.strip()


def checked_box(rows: Rows, value: Any) -> dict[str, float]:
    """`[x_min, y_min, x_max, y_max]` by name, rounded to 0.01 px.

    CVAT's files have this precision, so boxes stay the same after any export and import.
    """
    numbers = isinstance(value, list | tuple) and len(value) == 4
    if not numbers or any(isinstance(v, bool) or not isinstance(v, int | float) for v in value):
        raise ValueError(f"a box is [x_min, y_min, x_max, y_max] in pixels, got {value!r:.120}")
    if any(isinstance(v, int) and abs(v) > _FARTHEST_PX for v in value):  # float() may not have such a number
        raise ValueError(f"sides of a box are at most {_FARTHEST_PX} px, got {str(value)[:120]}")
    box = [round(float(v), 2) + 0.0 for v in value]
    if not all(map(math.isfinite, box)) or box[0] >= box[2] or box[1] >= box[3]:
        raise ValueError(f"a box needs x_min < x_max and y_min < y_max, at least 0.01 px apart, got {value}")
    size = rows.meta("size_px")
    if size and (box[0] >= size[0] or box[1] >= size[1] or box[2] <= 0 or box[3] <= 0):
        raise ValueError(f"box {value} lies outside the picture of {size[0]} x {size[1]} px")
    return dict(zip(SIDES, box, strict=True))


def checked_label(rows: Rows, value: Any, box: bool = False) -> Row:
    """The label with this id or name.

    Args:
        box: whether it is for a box, which cannot be background.
    """
    known = isinstance(value, str) or (
        isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53
    )
    if not known or not str(value).isprintable():
        raise ValueError(f"a label is an id or a name, got {value!r:.80}")
    found = rows.select("labels", "id = ?" if isinstance(value, int) else "name = ?", (value,))
    if not found:
        known = ", ".join(f"{row['id']} {row['name']!r}" for row in rows.select("labels"))
        raise ValueError(f"no label {value!r:.80}; there are {known:.500}")
    if box and found[0]["id"] == BACKGROUND_ID:
        raise ValueError("a box can't be background: delete it instead")
    return found[0]


def checked_score(value: Any) -> float | None:
    """A score or a confidence, from 0 to 1, or None."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (number and 0 <= value <= 1):
        raise ValueError(f"a score is from 0 to 1 or absent, got {value!r:.80}")
    return None if value is None else float(value)


def checked_boxes(rows: Rows, action: Row, source: str | None = None) -> list[Row]:
    """A list of boxes, `{frame, label, box, track?, score?, source?, keyframe?}`, as rows without ids.

    Args:
        source: of all boxes; None: each box has its own.
    """
    boxes, op = action.get("boxes"), action["op"]
    if not isinstance(boxes, list) or not all(isinstance(box, dict) for box in boxes):
        raise ValueError(f"{op}: boxes must be a list of objects {{frame, label, box, track, score}}")
    labels = {key: row for row in rows.select("labels") for key in (row["id"], row["name"])}
    stamp = {"author": rows.author, "t_unix_ms": rows.t_unix_ms}
    made = []
    for box in boxes:
        label = labels.get(box.get("label")) if isinstance(box.get("label"), int | str) else None
        label = label or checked_label(rows, box.get("label"))
        if label["id"] == BACKGROUND_ID:
            raise ValueError(f"{op}: a box can't be background")
        if (origin := source or box.get("source")) not in SOURCES:
            raise ValueError(f"{op}: source must be one of {', '.join(SOURCES)}, got {origin!r:.80}")
        if not isinstance(keyframe := box.get("keyframe", False), bool):
            raise ValueError(f"{op}: keyframe must be true or false, got {keyframe!r:.80}")
        named = {"op": op, **box}
        track = None if box.get("track") is None else whole(named, "track", 1)
        place = {"frame": checked_frame(rows, named), "track": track, "label": label["id"]}
        how = {"source": origin, "score": checked_score(box.get("score")), "keyframe": int(keyframe)}
        made.append(place | checked_box(rows, box.get("box")) | how | stamp)
    return made


def checked_frame(rows: Rows, action: Row) -> int:
    """The frame of an action, checked against the video."""
    frame, count = whole(action, "frame"), rows.meta("n_frames")
    if count is not None and frame >= count:
        raise ValueError(f"{action['op']}: the video has frames 0 to {count - 1}, got {frame}")
    return frame


def checked_frames(rows: Rows, action: Row, name: str) -> set[int]:
    """A list of frames of an action; empty if absent."""
    value = action.get(name)
    if not isinstance(value, list | None):
        raise ValueError(f"{action['op']}: {name} must be a list of frames, got {value!r:.80}")
    return {checked_frame(rows, {"op": f"{action['op']}, {name}", "frame": frame}) for frame in value or ()}


def fixation_of(rows: Rows, action: Row) -> Row:
    """The fixation of an action."""
    found = rows.select("fixations", "id = ?", (whole(action, "fixation"),))
    if not found:
        raise ValueError(f"{action['op']}: no fixation {action['fixation']}")
    return found[0]


def box_of(rows: Rows, key: Any) -> Row:
    """The box with this id."""
    known = isinstance(key, int) and not isinstance(key, bool) and abs(key) < 2**53
    row = rows.get("boxes", key) if known else None
    if row is None:
        raise ValueError(f"no box {key!r:.80}: it may have been deleted")
    return row


def sides(row: Row) -> list[float]:
    """The four sides of a box."""
    return [row[name] for name in SIDES]
