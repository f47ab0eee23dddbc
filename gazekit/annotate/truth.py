"""What people have said of each frame, in the form that the model learns from.

The column of a label is its id - 1: ids are never given twice, so that columns are only ever appended.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from gazekit.annotate.labels import BACKGROUND_ID, CANNOT_TELL_ID
from gazekit.annotate.review import looked_at
from gazekit.models.impn.detections import BACKGROUND, CANNOT_TELL, Detections, LabelledFrame

__all__ = ["FrameTruth", "column_of", "label_of", "labelled", "truth_of"]

WEIGHT = {"manual": 1.0, "confirmed": 1.0, "imported": 1.0, "propagated": 0.5}
ANSWERS = ("manual", "confirmed", "imported")  # of fixations, by people
MOST_PROPAGATED = 200  # frames whose boxes a tracker made: neighbours teach little more


@dataclass(frozen=True)
class FrameTruth:
    """One frame.

    Args:
        frame: its number. origin: the keyframe that it was made from, itself if by hand.
        version: of the frame in the store.
        boxes: [M, 4]. columns: [M]. weights: [M].
        complete: somebody has confirmed that nothing is missing.
        answers: (x, y, column) of fixations that people labelled.
    """

    frame: int
    origin: int
    version: int
    boxes: np.ndarray
    columns: np.ndarray
    weights: np.ndarray
    complete: bool
    answers: list[tuple[float, float, int]] = field(default_factory=list)


def column_of(label: int) -> int:
    """Of a label's id."""
    return {BACKGROUND_ID: BACKGROUND, CANNOT_TELL_ID: CANNOT_TELL}.get(label, label - 1)


def label_of(column: int) -> int:
    """The id of a column's label."""
    return column + 1


def truth_of(store: Any) -> list[FrameTruth]:
    """All frames with boxes that are more than predictions, confirmed ones, and those with answered fixations.

    Args:
        store: `gazekit.annotate.store.Store`.
    Returns:
        In order of frames; of those with propagated boxes only, at most 200, evenly.
    """
    boxes: dict[int, list[dict[str, Any]]] = {}
    for row in store.boxes():
        if row["source"] in WEIGHT:
            boxes.setdefault(row["frame"], []).append(row)
    confirmed, versions = set(store.confirmed_frames()), store.versions()
    answers = _answers(store.fixations())
    by_hand = sorted(f for f, rows in boxes.items() if any(row["source"] != "propagated" for row in rows))
    tracked = [f for f in sorted(boxes) if f not in set(by_hand) and f not in confirmed and f not in answers]
    some = np.unique(np.linspace(0, len(tracked) - 1, MOST_PROPAGATED).astype(int)) if tracked else []
    kept = [tracked[i] for i in some]
    frames = sorted({*by_hand, *confirmed, *answers, *kept})
    return [
        _one(f, boxes.get(f, []), f in confirmed, versions.get(f, 0), by_hand, answers.get(f, []))
        for f in frames
    ]


def labelled(one: FrameTruth, found: Detections, recency: int) -> LabelledFrame:
    """What the learner takes. An answered fixation says what the detection is that it lies on, unless it lies on a box.

    Args:
        found: in this frame.
        recency: updates since it last changed.
    """
    boxes, columns, weights = [*one.boxes], one.columns.tolist(), one.weights.tolist()
    detected = found.boxes.numpy()
    for x, y, column in one.answers:
        on_box, _ = looked_at((x, y), one.boxes, one.columns.tolist(), 0.0)
        on, _ = looked_at((x, y), detected, range(len(detected)), 0.0)
        if on_box < 0 and on >= 0:
            boxes.append(detected[on])
            columns.append(column)
            weights.append(1.0)
    return LabelledFrame(
        one.origin,
        found,
        torch.as_tensor(np.array(boxes, np.float32).reshape(-1, 4)),
        torch.tensor(columns, dtype=torch.long),
        torch.tensor(weights),
        recency,
        one.complete,
    )


def _one(
    frame: int,
    rows: list[dict[str, Any]],
    complete: bool,
    version: int,
    by_hand: list[int],
    answers: list[tuple[float, float, int]],
) -> FrameTruth:
    sides = ("x_min", "y_min", "x_max", "y_max")
    made = bool(rows) and not complete and all(row["source"] == "propagated" for row in rows)
    return FrameTruth(
        frame,
        _nearest(by_hand, frame) if made else frame,
        version,
        np.array([[row[side] for side in sides] for row in rows], np.float32).reshape(-1, 4),
        np.array([column_of(row["label"]) for row in rows], np.int64),
        np.array([WEIGHT[row["source"]] for row in rows], np.float32),
        complete,
        answers,
    )


def _answers(fixations: dict[str, list[Any]]) -> dict[int, list[tuple[float, float, int]]]:
    found: dict[int, list[tuple[float, float, int]]] = {}
    names = ("frame", "x_px", "y_px", "label", "source")
    for frame, x, y, label, source in zip(*(fixations[name] for name in names), strict=True):
        if source in ANSWERS and frame >= 0 and x is not None and y is not None:
            found.setdefault(frame, []).append((x, y, column_of(label)))
    return found


def _nearest(frames: list[int], frame: int) -> int:
    at = bisect_left(frames, frame)
    return min(frames[max(at - 1, 0) : at + 1], key=lambda f: abs(f - frame), default=frame)
