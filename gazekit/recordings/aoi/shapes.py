"""Four kinds of areas of interest: still boxes, polygons and masks, and boxes that move over video frames.

All are half-open, like all boxes in gazekit: a point on a left or upper edge is inside, on a right or lower edge
outside, so that adjacent areas share no point. `area_at` says whether an area contains a point, and how large it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

__all__ = ["AOI", "BACKGROUND", "Box", "Mask", "MovingBox", "Polygon", "masks"]

BACKGROUND = "background"


@dataclass(frozen=True, eq=False)
class Box:
    """A box that doesn't move.

    Args:
        label: its name; areas with the same name form one AOI.
        xyxy_px: `x_min, y_min, x_max, y_max`.
    Raises:
        ValueError: a label that is empty or "background", an empty box, non-finite values.
    """

    label: str
    xyxy_px: np.ndarray

    def __post_init__(self) -> None:
        box = np.asarray(self.xyxy_px, np.float64)
        _check_label(self.label)
        if box.shape != (4,):
            raise ValueError(f"AOI {self.label!r}: a box must have 4 values, got shape {list(box.shape)}")
        _check_sides(self.label, box[None])
        object.__setattr__(self, "xyxy_px", box)

    def area_at(self, xy_px: np.ndarray, frame: np.ndarray | None = None) -> np.ndarray:
        """[T] area in px² where it holds the point, infinite elsewhere."""
        return _box_area(self.xyxy_px, xy_px)


@dataclass(frozen=True, eq=False)
class Polygon:
    """An area inside a closed line; where the line crosses itself, the even-odd rule says what is inside.

    Args:
        label: its name.
        xy_px: [K, 2] corners in order, K >= 3; the last need not repeat the first.
    Raises:
        ValueError: as `Box`; fewer than three corners, or no area.
    """

    label: str
    xy_px: np.ndarray

    def __post_init__(self) -> None:
        xy = np.asarray(self.xy_px, np.float64)
        _check_label(self.label)
        if xy.ndim != 2 or xy.shape[1:] != (2,) or len(xy) < 3 or not np.isfinite(xy).all():
            raise ValueError(
                f"AOI {self.label!r}: a polygon must be [K >= 3, 2] finite corners, got {xy.tolist()}"
            )
        object.__setattr__(self, "xy_px", xy)
        if self.area_px2 == 0:
            raise ValueError(f"AOI {self.label!r}: the polygon has no area: {xy.tolist()}")

    @property
    def area_px2(self) -> float:
        """Area by the shoelace formula; if the line crosses itself, parts with the opposite orientation are
        subtracted.
        """
        x, y = (self.xy_px - self.xy_px[0]).T
        return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)

    def area_at(self, xy_px: np.ndarray, frame: np.ndarray | None = None) -> np.ndarray:
        """[T] area in px² where it holds the point, infinite elsewhere."""
        x, y = np.asarray(xy_px, np.float64).T
        inside = np.zeros(len(x), bool)
        for (x0, y0), (x1, y1) in zip(self.xy_px, np.roll(self.xy_px, -1, 0), strict=True):
            if y0 != y1:  # a ray to the right crosses this side
                inside ^= ((y0 <= y) != (y1 <= y)) & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
        return np.where(inside, self.area_px2, np.inf)


@dataclass(frozen=True, eq=False)
class Mask:
    """An area of any shape, as a binary image.

    Args:
        label: its name.
        mask: [H, W] bool; pixel (0, 0) covers the points with 0 <= x < 1 and 0 <= y < 1.
    Raises:
        ValueError: as `Box`; another shape or dtype, or no pixel set.
    """

    label: str
    mask: np.ndarray

    def __post_init__(self) -> None:
        _check_label(self.label)
        mask = np.asarray(self.mask)
        if mask.ndim != 2 or mask.dtype != bool or not mask.any():
            raise ValueError(
                f"AOI {self.label!r}: a mask must be [H, W] bool with a pixel set, got {mask.dtype} {list(mask.shape)}"
            )

    def area_at(self, xy_px: np.ndarray, frame: np.ndarray | None = None) -> np.ndarray:
        """[T] area in px² where it holds the point, infinite elsewhere."""
        xy = np.asarray(xy_px, np.float64)
        height, width = self.mask.shape
        within = ((xy >= 0) & (xy < (width, height))).all(1)
        column, row = np.where(within[:, None], xy, 0).astype(np.int64).T
        return np.where(within & self.mask[row, column], float(self.mask.sum()), np.inf)


@dataclass(frozen=True, eq=False)
class MovingBox:
    """A box that moves over the frames of a video.

    There is no box before the first keyframe, nor from an invisible keyframe to the next visible one. Between
    two visible keyframes each side moves linearly with the frame number; before an invisible keyframe and
    after the last one, the box stays in place.

    Args:
        label: its name; several tracks with the same name form one AOI.
        frames: [K] increasing frame numbers from 0, K >= 1.
        boxes_px: [K, 4] `x_min, y_min, x_max, y_max`; ignored where invisible.
        visible: [K] bool, False from where the object is hidden or outside the picture; None: always visible.
        interpolate: False: a box only in the listed frames.
    Raises:
        ValueError: as `Box`; lengths that differ, frames that don't increase.
    """

    label: str
    frames: np.ndarray
    boxes_px: np.ndarray
    visible: np.ndarray | None = None
    interpolate: bool = True

    def __post_init__(self) -> None:
        _check_label(self.label)
        frames, boxes = np.asarray(self.frames), np.asarray(self.boxes_px, np.float64)
        visible = np.ones(len(frames), bool) if self.visible is None else np.asarray(self.visible, bool)
        if len(frames) == 0 or boxes.shape != (len(frames), 4) or visible.shape != frames.shape:
            raise ValueError(
                f"AOI {self.label!r}: expected frames [K >= 1], boxes_px [K, 4] and visible [K], got "
                f"{list(frames.shape)}, {list(boxes.shape)} and {list(visible.shape)}"
            )
        if frames.dtype.kind not in "iu" or frames[0] < 0 or (np.diff(frames) <= 0).any():
            raise ValueError(
                f"AOI {self.label!r}: frames must be increasing whole numbers >= 0, got {frames}"
            )
        _check_sides(self.label, boxes[visible])
        for name, value in (("frames", frames), ("boxes_px", boxes), ("visible", visible)):
            object.__setattr__(self, name, value)

    def boxes_at(self, frame: np.ndarray) -> np.ndarray:
        """[T] frame numbers to [T, 4] boxes, NaN where there is none."""
        frame = np.asarray(frame)
        key = np.searchsorted(self.frames, frame, side="right") - 1
        first = np.maximum(key, 0)
        there = (key >= 0) & self.visible[first]
        if not self.interpolate:
            there &= self.frames[first] == frame
        after = np.minimum(first + 1, len(self.frames) - 1)
        after = np.where(self.visible[after], after, first)
        step = np.maximum(self.frames[after] - self.frames[first], 1)
        along = ((frame - self.frames[first]) / step * (after > first))[:, None]
        boxes = self.boxes_px[first]
        boxes = np.where(along > 0, (1 - along) * boxes + along * self.boxes_px[after], boxes)
        return np.where(there[:, None], boxes, np.nan)

    def area_at(self, xy_px: np.ndarray, frame: np.ndarray | None = None) -> np.ndarray:
        """[T] area in px² where the box of that frame holds the point, infinite elsewhere."""
        if frame is None:
            raise ValueError(
                f"AOI {self.label!r} moves: it needs the frame of each point (frame_t_ms or frame)"
            )
        frames, which = np.unique(frame, return_inverse=True)  # many samples share a frame
        return _box_area(self.boxes_at(frames)[which].T, xy_px)


AOI = Box | Polygon | Mask | MovingBox


def masks(label_image: np.ndarray, labels: Mapping[int, str]) -> list[Mask]:
    """Areas of a label image.

    Args:
        label_image: [H, W] integers.
        labels: value to name; values without a name are background.
    Raises:
        ValueError: another shape or dtype, a value that no pixel has.
    """
    image = np.asarray(label_image)
    if image.ndim != 2 or image.dtype.kind not in "iu":
        raise ValueError(f"a label image must be [H, W] integers, got {image.dtype} {list(image.shape)}")
    return [Mask(label, image == value) for value, label in labels.items()]


def _box_area(box: np.ndarray, xy_px: np.ndarray) -> np.ndarray:
    x0, y0, x1, y1 = box
    x, y = np.asarray(xy_px, np.float64).T
    return np.where((x0 <= x) & (x < x1) & (y0 <= y) & (y < y1), (x1 - x0) * (y1 - y0), np.inf)


def _check_label(label: str) -> None:
    if not isinstance(label, str) or label in ("", BACKGROUND):
        raise ValueError(
            f"an AOI's label must be a non-empty string other than {BACKGROUND!r}, which is reserved; got {label!r}"
        )


def _check_sides(label: str, boxes: np.ndarray) -> None:
    bad = ~(np.isfinite(boxes).all(1) & (boxes[:, 0] < boxes[:, 2]) & (boxes[:, 1] < boxes[:, 3]))
    if bad.any():
        raise ValueError(
            f"AOI {label!r}: box {boxes[bad.argmax()].tolist()} is empty or not finite, "
            "expected x_min < x_max and y_min < y_max"
        )
