"""The box that a gaze position lies in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["area_at"]


def area_at(
    xy_px: Sequence[float], boxes: np.ndarray, labels: Sequence[int], ring_px: float
) -> tuple[int, bool]:
    """The area of interest of one gaze position, and whether it is near another one.

    Args:
        xy_px: gaze; NaN lies in nothing.
        boxes: [N, 4] half-open pixels.
        labels: [N] label of each.
        ring_px: radius of gaze accuracy.
    Returns:
        (index, near): the smallest box that holds the point, the first on a tie, -1 for none; whether the ring touches
        boxes of two labels, or one box's border from outside.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    if len(boxes) == 0 or not np.isfinite(xy_px).all():
        return -1, False
    x, y = xy_px
    inside = (boxes[:, 0] <= x) & (x < boxes[:, 2]) & (boxes[:, 1] <= y) & (y < boxes[:, 3])
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    index = int(np.where(inside, area, np.inf).argmin()) if inside.any() else -1
    gap_x = np.maximum(np.maximum(boxes[:, 0] - x, x - boxes[:, 2]), 0)
    gap_y = np.maximum(np.maximum(boxes[:, 1] - y, y - boxes[:, 3]), 0)
    touched = {labels[i] for i in np.flatnonzero(np.hypot(gap_x, gap_y) <= ring_px)}
    return index, len(touched) > 1 or (index < 0 and bool(touched))
