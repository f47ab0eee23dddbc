"""Screen geometry: pixels, degrees of visual angle, boxes.

The only module that handles centimetres. Points are (x, y) with x to the right, y down and the origin at
the top-left corner; boxes are half-open `x_min, y_min, x_max, y_max` in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Screen", "assign_objects", "box_centres", "check_boxes"]


@dataclass(frozen=True)
class Screen:
    """A flat display seen from a fixed distance on the axis through its centre.

    Args:
        width_px, height_px: resolution.
        width_cm: physical width of the picture area; pixels are assumed square.
        distance_cm: eye to screen centre.
    Raises:
        ValueError: a size or the distance is not a positive finite number.
    """

    width_px: int
    height_px: int
    width_cm: float
    distance_cm: float

    def __post_init__(self) -> None:
        for name in ("width_px", "height_px", "width_cm", "distance_cm"):
            value = getattr(self, name)
            if not np.isfinite(value) or value <= 0:
                raise ValueError(f"Screen.{name} must be positive and finite, got {value!r}")

    @property
    def distance_px(self) -> float:
        """Viewing distance in units of one pixel's width."""
        return self.distance_cm * self.width_px / self.width_cm

    @property
    def centre_px(self) -> np.ndarray:
        """[2] centre of the pixel grid, (size - 1) / 2."""
        return np.array([(self.width_px - 1) / 2, (self.height_px - 1) / 2])

    @property
    def px_per_dva(self) -> float:
        """Pixels per degree at the screen's centre."""
        return float(np.tan(np.deg2rad(1.0)) * self.distance_px)

    def px_to_dva(self, xy_px: np.ndarray) -> np.ndarray:
        """[..., 2] pixels to degrees from the centre, arctan(offset / distance) on each axis."""
        return np.rad2deg(np.arctan((np.asarray(xy_px, float) - self.centre_px) / self.distance_px))

    def dva_to_px(self, xy_dva: np.ndarray) -> np.ndarray:
        """Inverse of `px_to_dva`."""
        return np.tan(np.deg2rad(np.asarray(xy_dva, float))) * self.distance_px + self.centre_px

    def px_to_dva_linear(self, xy_px: np.ndarray) -> np.ndarray:
        """[..., 2] pixels to degrees by the constant `px_per_dva`: exact at the centre, too large off-centre."""
        return (np.asarray(xy_px, float) - self.centre_px) / self.px_per_dva


def box_centres(boxes_px: np.ndarray) -> np.ndarray:
    """[..., 4] boxes `x_min, y_min, x_max, y_max` to [..., 2] centres."""
    boxes_px = np.asarray(boxes_px, float)
    return (boxes_px[..., :2] + boxes_px[..., 2:]) / 2


def check_boxes(boxes_px: np.ndarray, size_px: tuple[int, int], where: str) -> np.ndarray:
    """Return boxes as float64 [N, 4] after checking them against the picture.

    Args:
        boxes_px: [N, 4] `x_min, y_min, x_max, y_max`; N may be 0.
        size_px: (width, height) of the picture.
        where: prefix of the error, for instance "trials.json, image 'a.jpg'".
    Raises:
        ValueError: wrong shape, a non-finite value, an empty box, or a box that extends beyond the picture.
    """
    boxes = (
        np.asarray(boxes_px, float).reshape(-1, 4) if np.size(boxes_px) == 0 else np.asarray(boxes_px, float)
    )
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"{where}: boxes must have shape [N, 4], got {list(boxes.shape)}")
    width, height = size_px
    for index, box in enumerate(boxes):
        x0, y0, x1, y1 = box
        if not np.isfinite(box).all():
            raise ValueError(f"{where}: box {index} has a value that is not finite: {box.tolist()}")
        if x1 <= x0 or y1 <= y0:
            raise ValueError(
                f"{where}: box {index} is empty: {box.tolist()}, expected x_min < x_max and y_min < y_max"
            )
        if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
            raise ValueError(
                f"{where}: box {index} {box.tolist()} lies outside the {width} x {height} px picture"
            )
    return boxes


def assign_objects(xy_px: np.ndarray, boxes_px: np.ndarray) -> np.ndarray:
    """Index of the object each point belongs to: the box that contains it, else the nearest centre.

    If several boxes contain a point, the one with the nearest centre wins, the first on an exact tie.
    Boxes are half-open: a point on the right or lower edge is outside.

    Args:
        xy_px: [T, 2] points.
        boxes_px: [N, 4] boxes, N >= 1.
    Returns:
        [T] int64.
    Raises:
        ValueError: no boxes.
    """
    xy = np.asarray(xy_px, float).reshape(-1, 2)
    boxes = np.asarray(boxes_px, float)
    if len(boxes) == 0:
        raise ValueError("assign_objects needs at least one box, got none")
    distance = np.linalg.norm(xy[:, None] - box_centres(boxes)[None], axis=-1)  # [T, N]
    inside = ((xy[:, None] >= boxes[None, :, :2]) & (xy[:, None] < boxes[None, :, 2:])).all(-1)
    held = np.where(inside, distance, np.inf).argmin(1)
    return np.where(inside.any(1), held, distance.argmin(1))
