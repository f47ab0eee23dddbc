"""Boxes propagated from a frame to its neighbours by the motion of points in them, with a confidence for each.

Corners (Shi and Tomasi 1994) and a grid of points inside a box are followed by pyramidal Lucas-Kanade (Bouguet
2000) to the next frame and back again; those that come back to where they started (Kalal, Mikolajczyk and Matas 2010,
forward-backward error) say how the box moves: a shift, a turn and a zoom, found by RANSAC. No weights are needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from gazekit.annotate.project.pictures import Pictures

__all__ = ["Propagated", "Tracker", "journey", "propagate"]

LONG_SIDE_PX = 640  # points are followed in pictures no larger
_LUCAS_KANADE = {"winSize": (15, 15), "maxLevel": 4}


class Propagated(NamedTuple):
    """A frame that boxes were propagated to.

    Args:
        frame: its number.
        boxes: [M, 4] half-open pixels, one for each box given, cut at the picture's edge; NaN where a box was lost.
        confidence: [M] 0 to 1; 0 where lost, and it stays lost.
    """

    frame: int
    boxes: np.ndarray
    confidence: np.ndarray


@dataclass(frozen=True)
class Tracker:
    """Limits of the tracker.

    Args:
        max_error_px: a point whose forward-backward error is larger is dropped.
        min_points: with fewer points that agree on the motion, the box is lost.
        min_confidence: a box below it is lost.
        min_visible: share of a box's area that must be in the picture.
        points: maximum number of corners tracked in a box.
    """

    max_error_px: float = 2.0
    min_points: int = 6
    min_confidence: float = 0.3
    min_visible: float = 0.35
    points: int = 60


def propagate(
    video: Pictures,
    frame: int,
    boxes: np.ndarray,
    stop_frame: int,
    step: int = 1,
    tracker: Tracker | None = None,
) -> Iterator[Propagated]:
    """Propagate the boxes of one frame to the frames after it, or before it.

    From frame to frame a box follows its points. Then its picture in `frame`, moved the same way, is aligned with the
    new frame, which corrects the remaining difference, so that errors do not add up. Confidence is

        sqrt(share of its points that came back and agree x similarity of both pictures),

    and never rises again. Similarity is the normalised cross-correlation at 24 x 24 px, 0 if negative: it falls when
    something covers the object. A box moves and scales with its object, and stays upright when that rolls.

    Args:
        video: `SceneVideo`, or anything with `read` and `len`.
        frame: the frame of the boxes.
        boxes: [M, 4] half-open pixels.
        stop_frame: as in `range`, the first frame that is not computed.
        step: frames from one that is computed to the next; negative to go back.
        tracker: other limits.
    Yields:
        A `Propagated` for each frame of `range(frame + step, stop_frame, step)`, until all boxes are lost.
    Raises:
        ValueError: boxes that are empty or not finite, a step of 0. IndexError: frames outside the video.
    """
    boxes, way = journey(video, frame, boxes, stop_frame, step)
    return _follow(video, frame, boxes, way, tracker or Tracker())


def journey(
    video: Pictures, frame: int, boxes: np.ndarray, stop_frame: int, step: int
) -> tuple[np.ndarray, range]:
    """[M, 4] boxes and the frames to propagate them to, checked; raises as `propagate`."""
    boxes = np.array(boxes, np.float64).reshape(-1, 4)
    if not (np.isfinite(boxes).all() and (boxes[:, :2] < boxes[:, 2:]).all()):
        raise ValueError(f"boxes must be finite, x_min < x_max and y_min < y_max, got {boxes.tolist()}")
    if step == 0:
        raise ValueError("step must not be 0")
    way = range(frame + step, stop_frame, step)
    for number in (frame, *way[-1:]):
        if not 0 <= number < len(video):
            raise IndexError(f"the video has frames 0 to {len(video) - 1}, got {number}")
    return boxes, way


def _follow(
    video: Pictures, frame: int, boxes: np.ndarray, way: range, tracker: Tracker
) -> Iterator[Propagated]:
    before, scale = _grey(video.read(frame))
    tracks = [_Track(before, box * scale, tracker) for box in boxes]
    for number in way:
        if not any(track.confidence for track in tracks):
            return
        after, _ = _grey(video.read(number))
        for track in tracks:
            if track.confidence:
                track.advance(before, after)
        if any(track.confidence for track in tracks):
            carried = np.stack([track.box(after.shape) for track in tracks]) / scale
            yield Propagated(number, carried, np.array([track.confidence for track in tracks]))
        before = after


class _Track:
    """One box: its picture in the first frame, and how it has moved since.

    Pixels are OpenCV's here: the middle of the first is 0.
    """

    def __init__(self, picture: np.ndarray, box: np.ndarray, tracker: Tracker) -> None:
        self.picture, self.first, self.tracker = picture, box - 0.5, tracker
        self.moved = np.eye(2, 3)
        self.confidence = 1.0

    def advance(self, before: np.ndarray, after: np.ndarray) -> None:
        """Follow to the next frame; lost is confidence 0."""
        step, agree = _motion(before, after, self._box(), self.tracker)
        if step is None:
            self.confidence = 0.0
            return
        self.moved = _then(self.moved, step)
        expected = cv2.warpAffine(
            self.picture, self.moved, after.shape[::-1], borderMode=cv2.BORDER_REPLICATE
        )
        rest, _ = _motion(expected, after, self._box(), self.tracker)
        if rest is not None:
            self.moved = _then(self.moved, rest)
            expected = cv2.warpAffine(
                self.picture, self.moved, after.shape[::-1], borderMode=cv2.BORDER_REPLICATE
            )
        alike = _similarity(expected, after, self._box())
        self.confidence = min(self.confidence, float(np.sqrt(agree * alike)))
        if (
            self.confidence < self.tracker.min_confidence
            or self._visible(after.shape) < self.tracker.min_visible
        ):
            self.confidence = 0.0

    def _box(self) -> np.ndarray:
        """[4] in the present frame, not clipped to it."""
        middle, half = (self.first[:2] + self.first[2:]) / 2, (self.first[2:] - self.first[:2]) / 2
        middle = self.moved[:, :2] @ middle + self.moved[:, 2]
        half = half * np.sqrt(np.linalg.det(self.moved[:, :2]))
        return np.concatenate([middle - half, middle + half])

    def _visible(self, shape: tuple[int, ...]) -> float:
        whole = self._box()
        cut = _cut(whole, shape)
        return float(np.prod(np.maximum(cut[2:] - cut[:2], 0)) / np.prod(whole[2:] - whole[:2]))

    def box(self, shape: tuple[int, ...]) -> np.ndarray:
        """[4] half-open pixels in the picture, NaN if lost."""
        return _cut(self._box() + 0.5, shape) if self.confidence else np.full(4, np.nan)


def _grey(picture: np.ndarray) -> tuple[np.ndarray, float]:
    """The picture in grey, its longer side at most 640 px, and the scale factor."""
    scale = min(1.0, LONG_SIDE_PX / max(picture.shape[:2]))
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return grey, scale


def _motion(
    before: np.ndarray, after: np.ndarray, box: np.ndarray, tracker: Tracker
) -> tuple[np.ndarray | None, float]:
    """[2, 3] shift, rotation and scale of the content of a box, and the share of points that agree; None if too few do.

    Points are corners, and 6 x 6 of a grid: things with few corners are followed by these.
    """
    x0, y0, x1, y1 = np.round(_cut(box, before.shape)).astype(int)
    part = before[y0 : y1 + 1, x0 : x1 + 1]
    if min(part.shape) < 8:
        return None, 0.0
    corners = cv2.goodFeaturesToTrack(part, tracker.points, 0.01, 3)
    grid = np.stack(np.meshgrid(*(np.linspace(0.1, 0.9, 6) * side for side in part.shape[::-1])), -1)
    points = [grid.reshape(-1, 1, 2), *([] if corners is None else [corners])]
    start = (np.concatenate(points) + np.array([x0, y0])).astype(np.float32)
    there, found, _ = cv2.calcOpticalFlowPyrLK(before, after, start, None, **_LUCAS_KANADE)
    back, returned, _ = cv2.calcOpticalFlowPyrLK(after, before, there, None, **_LUCAS_KANADE)
    error = np.linalg.norm((back - start)[:, 0], axis=1)
    good = (found[:, 0] == 1) & (returned[:, 0] == 1) & (error <= tracker.max_error_px)
    if good.sum() < tracker.min_points:
        return None, 0.0
    motion, agree = cv2.estimateAffinePartial2D(start[good], there[good], ransacReprojThreshold=1.5)
    if motion is None or agree.sum() < tracker.min_points or not 0.5 < np.linalg.det(motion[:, :2]) < 2:
        return None, 0.0
    return motion, float(agree.sum() / len(start))


def _similarity(expected: np.ndarray, after: np.ndarray, box: np.ndarray) -> float:
    """Normalised cross-correlation of two pictures in a box, at 24 x 24 px; 0 if negative."""
    x0, y0, x1, y1 = np.round(_cut(box, after.shape)).astype(int)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return 0.0
    one, two = (
        cv2.resize(p[y0:y1, x0:x1], (24, 24), interpolation=cv2.INTER_AREA).astype(float)
        for p in (expected, after)
    )
    one, two = one - one.mean(), two - two.mean()
    norm = np.sqrt((one**2).sum() * (two**2).sum())
    return max(0.0, float((one * two).sum() / norm)) if norm > 0 else 0.0


def _then(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """[2, 3] the first motion and then the second."""
    return np.column_stack([second[:, :2] @ first[:, :2], second[:, :2] @ first[:, 2] + second[:, 2]])


def _cut(box: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.clip(box, 0, [shape[1], shape[0]] * 2)
