"""Placement of circles and labels so that they do not overlap.

Everything here is in points (1/72 inch) with x to the right and y down, and independent of drawing. Circles
with a wide number are pills: a horizontal core of half-length `core_pt` widened by `radius_pt`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from matplotlib.textpath import TextPath

__all__ = ["edge_fraction", "merge_runs", "place_label", "spread", "text_width_pt"]


@lru_cache(maxsize=4096)
def text_width_pt(text: str, size_pt: float) -> float:
    """Width of `text` in the default font; 0 for an empty text."""
    return float(TextPath((0, 0), text, size=size_pt).get_extents().width) if text.strip() else 0.0


def merge_runs(xy_pt: np.ndarray, reach_pt: float) -> list[tuple[int, int]]:
    """Split a sequence into runs of consecutive points that stay within `reach_pt` of the run's mean.

    Args:
        xy_pt: [T, 2] points; T may be 0.
        reach_pt: largest distance of a point from the mean of its run so far.
    Returns:
        (first, last) of each run, both inclusive, in order.

    Example:
        >>> merge_runs(np.array([[0.0, 0.0], [30.0, 0.0], [31.0, 0.0], [29.0, 1.0], [0.0, 0.0]]), 5.0)
        [(0, 0), (1, 3), (4, 4)]
    """
    runs: list[tuple[int, int]] = []
    for index, point in enumerate(xy_pt):
        if runs:
            first, last = runs[-1]
            if np.hypot(*(point - xy_pt[first : last + 1].mean(0))) <= reach_pt:
                runs[-1] = (first, index)
                continue
        runs.append((index, index))
    return runs


def spread(
    anchors_pt: np.ndarray,
    core_pt: np.ndarray,
    radius_pt: np.ndarray,
    bounds_pt: tuple[float, float],
    n_fixed: int = 0,
    gap_pt: float = 1.0,
    n_rounds: int = 400,
) -> np.ndarray:
    """Push overlapping circles and pills apart, as little as necessary.

    In each round, overlapping pairs are pushed apart by half their overlap each, while a weak spring pulls every
    circle to its anchor; the last rounds omit the spring. Deterministic.

    Args:
        anchors_pt: [K, 2] preferred centres.
        core_pt, radius_pt: [K] half-length of the core and radius, 0 or more.
        bounds_pt: (width, height) in which whole circles should stay.
        n_fixed: number of leading circles that do not move.
        gap_pt: free space between any two.
        n_rounds: maximum number of rounds; it stops as soon as nothing overlaps.
    Returns:
        [K, 2] centres. If there is not enough room, some overlap remains.
    """
    place = np.asarray(anchors_pt, float).copy()
    n = len(place)
    if n < 2:
        return place
    reach = radius_pt[:, None] + radius_pt[None] + gap_pt
    cores = core_pt[:, None] + core_pt[None]
    # equal anchors have no direction of separation: the golden angle gives each pair its own
    order = np.arange(n)
    angle = 2.39996 * (order[:, None] * n + order[None])
    tie = np.stack([np.cos(angle), np.sin(angle)], -1)
    tie = np.where((order[:, None] > order)[..., None], tie, -tie.transpose(1, 0, 2))
    movable = (order >= n_fixed)[:, None]
    low = np.stack([core_pt + radius_pt, radius_pt], -1)
    high = np.maximum(np.asarray(bounds_pt, float) - low, low)
    for round_ in range(n_rounds):
        apart = place[:, None] - place[None]  # [K, K, 2]
        apart[..., 0] = np.sign(apart[..., 0]) * np.maximum(np.abs(apart[..., 0]) - cores, 0)
        distance = np.hypot(apart[..., 0], apart[..., 1])
        overlap = np.maximum(reach - distance, 0)
        np.fill_diagonal(overlap, 0)
        if round_ and overlap.max() < 0.05:
            break
        direction = np.where((distance > 1e-6)[..., None], apart / np.maximum(distance, 1e-6)[..., None], tie)
        push = (direction * overlap[..., None]).sum(1) / 2
        pull = 0.03 * (anchors_pt - place) if round_ < n_rounds // 2 else 0.0
        place = np.where(movable, np.clip(place + 0.8 * push + pull, low, high), place)
    return place


def edge_fraction(start: np.ndarray, end: np.ndarray, core_pt: float, radius_pt: float) -> float:
    """Fraction of the segment from `start`, a pill's centre, to `end` at which it crosses the pill's outline.

    Returns:
        From 0 to 1; 1 when `end` is inside the pill.
    """
    steps = np.linspace(0, 1, 257)
    away = np.abs(steps[:, None] * (np.asarray(end) - start))  # [257, 2]
    outside = np.hypot(np.maximum(away[:, 0] - core_pt, 0), away[:, 1]) > radius_pt
    return float(steps[outside.argmax()]) if outside.any() else 1.0


def _candidates(size: tuple[float, float], box: np.ndarray, gap: float) -> Iterator[tuple[float, float]]:
    """Top-left corners around a box, the most readable first."""
    (w, h), (x0, y0, x1, y1) = size, box
    middle = (x0 + x1 - w) / 2
    for x in (middle, x0, x1 - w):
        yield x, y0 - gap - h
        yield x, y1 + gap
    for y in ((y0 + y1 - h) / 2, y0, y1 - h):
        yield x1 + gap, y
        yield x0 - gap - w, y


def place_label(
    size_pt: tuple[float, float],
    box_pt: np.ndarray,
    obstacles_pt: np.ndarray,
    bounds_pt: tuple[float, float],
    gap_pt: float = 2.0,
) -> np.ndarray | None:
    """A free position beside a box for a label.

    Args:
        size_pt: (width, height) of the label.
        box_pt: [4] the box it belongs to.
        obstacles_pt: [M, 4] boxes that it must not overlap; M may be 0.
        bounds_pt: (width, height) of the picture, in which it must stay.
        gap_pt: distance from the box.
    Returns:
        [4] box of the label, or None if it fits neither above, below, right nor left.

    Example:
        >>> place_label((20, 8), np.array([40, 40, 60, 60]), np.array([[30, 20, 50, 39]]), (99, 99)).tolist()
        [40.0, 62.0, 60.0, 70.0]
    """
    w, h = size_pt
    for x, y in _candidates(size_pt, box_pt, gap_pt):
        if x < 0 or y < 0 or x + w > bounds_pt[0] or y + h > bounds_pt[1]:
            continue
        x0, y0, x1, y1 = np.asarray(obstacles_pt, float).reshape(-1, 4).T
        if not ((x < x1) & (x + w > x0) & (y < y1) & (y + h > y0)).any():
            return np.array([x, y, x + w, y + h], float)
    return None
