"""Who is who from frame to frame: boxes are joined to tracks by where each person should be now."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

__all__ = ["Tracks"]

NEVER = 1e6
REACH = 1.0  # in sides of a box: how far from the expected place a person may be
MORE_REACH = 0.25  # for each frame in which the person was not seen
MOST_REACH = 2.5
MOST_SCALE = 2.0
NEW_VELOCITY = 0.4  # weight of the last step in the velocity of a track


@dataclass
class _Track:
    person: int
    box: np.ndarray  # [4] when last seen
    frame: int
    velocity: np.ndarray  # [2] of the centre, in pixels a frame

    def expected(self, frame: int) -> np.ndarray:
        return self.box + np.tile(self.velocity, 2) * (frame - self.frame)

    def see(self, box: np.ndarray, frame: int) -> None:
        step = (_centre(box) - _centre(self.box)) / (frame - self.frame)
        self.velocity = self.velocity + NEW_VELOCITY * (step - self.velocity)
        self.box, self.frame = box, frame


class Tracks:
    """Numbers people in a video, from 1.

    Each track is expected where its last box is if it went on with its velocity. The boxes of a frame are assigned to
    tracks so that the sum of (1 - IoU + distance in box sides) over pairs is smallest; pairs that are further apart
    than `REACH` grown by the gap, or differ in size by more than `MOST_SCALE`, are none. A box without a track begins
    one. Numbers do not depend on the order of the boxes of a frame.

    Args:
        max_gap: frames after which a person who was not seen is forgotten. Frame numbers may leave some out.
    """

    def __init__(self, max_gap: int = 15) -> None:
        self.max_gap = max_gap
        self._tracks: list[_Track] = []
        self._next = 1

    def update(self, boxes: np.ndarray, frame: int) -> list[int]:
        """The numbers of the people in these boxes [N, 4]; N may be 0.

        Args:
            frame: its number, which must increase from call to call.
        Raises:
            ValueError: a frame that is not later than the last one.
        """
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        if any(track.frame >= frame for track in self._tracks):
            raise ValueError(f"frame {frame} is not later than the frames before it")
        self._tracks = [track for track in self._tracks if frame - track.frame <= self.max_gap]
        order = np.lexsort(boxes.T[::-1])  # by x_min, then y_min, ...
        numbers = np.zeros(len(boxes), np.int64)
        for track, k in self._pairs(boxes[order], frame):
            track.see(boxes[order[k]], frame)
            numbers[order[k]] = track.person
        for k in order:
            if not numbers[k]:
                self._tracks.append(_Track(self._next, boxes[k], frame, np.zeros(2)))
                numbers[k] = self._next
                self._next += 1
        return numbers.tolist()

    def _pairs(self, boxes: np.ndarray, frame: int) -> list[tuple[_Track, int]]:
        if not len(boxes) or not self._tracks:
            return []
        cost = np.stack([_cost(track, boxes, frame) for track in self._tracks])
        rows, columns = linear_sum_assignment(cost)
        return [(self._tracks[i], int(k)) for i, k in zip(rows, columns, strict=True) if cost[i, k] < NEVER]


def _cost(track: _Track, boxes: np.ndarray, frame: int) -> np.ndarray:
    """[N] of giving each box to the track; `NEVER` where it cannot be."""
    box = track.expected(frame)
    area = np.prod(box[2:] - box[:2])
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], 1)
    overlap = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = np.prod(np.maximum(overlap, 0), 1)
    iou = shared / (area + areas - shared)
    far = np.linalg.norm(_centre(boxes) - _centre(box), axis=1) / np.sqrt(np.sqrt(area * areas))
    reach = min(REACH + MORE_REACH * (frame - track.frame - 1), MOST_REACH)
    scale = np.sqrt(np.maximum(area, areas) / np.minimum(area, areas))
    return np.where((far <= reach) & (scale <= MOST_SCALE), 1 - iou + far, NEVER)


def _centre(box: np.ndarray) -> np.ndarray:
    return (box[..., :2] + box[..., 2:]) / 2
