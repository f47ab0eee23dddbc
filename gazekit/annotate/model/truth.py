"""What people labelled in each frame, in the form that the model learns from.

The column of a label is its id - 1. Ids are never reused, so that columns are only ever appended.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gazekit.annotate.project.gaze_area import area_at
from gazekit.annotate.project.labels import BACKGROUND_ID, CANNOT_TELL_ID
from gazekit.models.impn.detections import BACKGROUND, CANNOT_TELL, Detections, LabelledFrame

if TYPE_CHECKING:
    from gazekit.annotate.project.store import Store

__all__ = ["FrameTruth", "column_of", "label_of", "labelled", "truth_of"]

WEIGHT = {"manual": 1.0, "confirmed": 1.0, "imported": 1.0, "propagated": 0.5}
ANSWERS = ("manual", "confirmed", "imported")  # of fixations, by people
DRAWN = ("manual", "imported")  # boxes that were carried from nowhere
MOST_PROPAGATED = 200  # frames whose boxes a tracker made: neighbours teach little more


@dataclass(frozen=True)
class FrameTruth:
    """One frame.

    Args:
        frame: its number. origin: the frame that its boxes were carried from, confirmed since or not; itself if one was
            made by hand.
        version: of the frame in the store.
        boxes: [M, 4]. columns: [M]. weights: [M].
        complete: a person has confirmed that no box is missing.
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


def truth_of(store: Store) -> list[FrameTruth]:
    """All frames with boxes that are more than predictions, confirmed ones, and those with answered fixations.

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
    tracked = sorted(set(boxes) - set(by_hand) - confirmed - set(answers))
    some = np.unique(np.linspace(0, len(tracked) - 1, MOST_PROPAGATED).astype(int)) if tracked else []
    kept = [tracked[i] for i in some]
    frames = sorted({*by_hand, *confirmed, *answers, *kept})
    origins = _Origins(boxes, by_hand)
    return [
        _one(f, boxes.get(f, []), f in confirmed, versions.get(f, 0), origins.of(f), answers.get(f, []))
        for f in frames
    ]


def labelled(one: FrameTruth, found: Detections, recency: int) -> LabelledFrame:
    """A frame as the learner takes it. An answered fixation labels the detection it lies on, unless it lies on a box.

    Args:
        found: in this frame.
        recency: updates since it last changed.
    """
    boxes, columns, weights = [*one.boxes], one.columns.tolist(), one.weights.tolist()
    detected = found.boxes.numpy()
    for x, y, column in one.answers:
        on_box, _ = area_at((x, y), one.boxes, one.columns.tolist(), 0.0)
        on, _ = area_at((x, y), detected, range(len(detected)), 0.0)
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
    origin: int,
    answers: list[tuple[float, float, int]],
) -> FrameTruth:
    sides = ("x_min", "y_min", "x_max", "y_max")
    return FrameTruth(
        frame,
        origin,
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


class _Origins:
    """Where the boxes of frames come from: neighbours of a keyframe must not judge what has learnt it.

    A carried box is on the track of the box that it was carried from, and stays on it when it is confirmed; a
    prediction has a track of its own.

    Args:
        boxes: of each frame.
        by_hand: frames with more than propagated boxes, in order.
    """

    def __init__(self, boxes: dict[int, list[dict[str, Any]]], by_hand: list[int]) -> None:
        self._boxes, self._by_hand = boxes, by_hand
        self._drawn: dict[int, list[int]] = {}  # frames of a track's boxes that were made by hand, in order
        self._confirmed: dict[int, int] = {}  # first frame of a track's confirmed boxes
        for frame in sorted(boxes):
            for row in boxes[frame]:
                if row["source"] in DRAWN:
                    self._drawn.setdefault(row["track"], []).append(frame)
                elif row["source"] == "confirmed":
                    self._confirmed.setdefault(row["track"], frame)

    def of(self, frame: int) -> int:
        """The nearest frame in which a track was drawn; without one the first in which it was confirmed."""
        rows = self._boxes.get(frame, [])
        if not rows or any(row["source"] in DRAWN for row in rows):
            return frame
        tracks = {row["track"] for row in rows}
        drawn = sorted({_nearest(self._drawn[track], frame) for track in tracks & set(self._drawn)})
        confirmed = [self._confirmed[track] for track in tracks & set(self._confirmed)]
        return _nearest(drawn, frame) if drawn else min(confirmed, default=_nearest(self._by_hand, frame))


def _nearest(frames: list[int], frame: int) -> int:
    at = bisect_left(frames, frame)
    return min(frames[max(at - 1, 0) : at + 1], key=lambda f: abs(f - frame), default=frame)
