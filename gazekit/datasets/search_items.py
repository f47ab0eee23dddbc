"""The items of search displays: pictures of targets and distractors of every condition.

Sizes are those of the published generators (`search_tasks`), drawn anew. `looks` gives them; how distractors are
chosen from their kinds is in `search_displays`.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from gazekit.datasets.search_tasks import TASKS, task_of

__all__ = ["looks"]

_INK = 255  # of masks; colours come afterwards
_TURNS_DEG = (-45, -90, -135, 180)  # as OpenCV turns: counterclockwise
_TILTS_DEG = (-80, -60, -40, 20, 40, 60, 80)  # of distractors beside 0 and -20
_RED, _GREEN, _LIGHT = (255, 0, 0), (0, 255, 0), (255, 255, 255)


@cache
def looks(condition: str) -> tuple[np.ndarray, np.ndarray]:
    """Kinds of target and of distractors.

    Returns:
        uint8 [V, h, w, 3] variants of the target, and uint8 [D, h, w, 3] kinds of distractors; read only.
    Raises:
        ValueError: an unknown condition.
    """
    task = task_of(condition).name
    targets, distractors = _FAMILIES[task](condition)
    pictures = tuple(np.stack([_rgb(item) for item in kind]) for kind in (targets, distractors))
    for kind in pictures:
        kind.setflags(write=False)
    return pictures


def _rgb(item: np.ndarray) -> np.ndarray:
    return item if item.ndim == 3 else np.repeat(item[..., None], 3, -1)


def _turned(item: np.ndarray, angle_deg: float) -> np.ndarray:
    """Turned about the middle, as OpenCV counts it (half a pixel off the exact one, as published)."""
    side = item.shape[0]
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), angle_deg, 1)
    return cv2.warpAffine(item, turn, (side, side))


def _curvature(condition: str) -> tuple[list, list]:
    """Arcs of a circle of radius 1 degree, and bars, in four orientations."""
    side = TASKS["curvature"].item_px
    curve = cv2.ellipse(np.zeros((side, side), np.uint8), (24, -2), (30, 30), 0, 52, 127, _INK, 5)
    line = np.zeros((side, side), np.uint8)
    line[21:27, 6:42] = _INK
    curves, lines = ([_turned(item, turn) for turn in _TURNS_DEG] for item in (curve, line))
    return (curves, lines) if condition == "curve_in_lines" else (lines, curves)


def _lighting(condition: str) -> tuple[list, list]:
    """Discs with a ramp of 16 grey levels, 2 px each; the target's is upside down (left to right)."""
    task = TASKS["lighting"]
    y, x = np.mgrid[: task.item_px, : task.item_px]
    disc = (y - 15) ** 2 + (x - 15) ** 2 < 15**2
    distractor = np.where(disc, 17 * (y // 2), task.background).astype(np.uint8)
    target = distractor[::-1]
    if condition == "lighting_horizontal":
        target, distractor = target.T, distractor.T
    return [target], [distractor]


def _strokes(*strokes: tuple[slice, slice]) -> list[np.ndarray]:
    """Black strokes on white, border 6 px: as is, upside down, transposed, transposed and mirrored."""
    item = np.full((177, 177), 255, np.uint8)
    for rows, columns in strokes:
        item[6:171, 6:171][rows, columns] = 0
    return [item, item[::-1], item.T, item.T[:, ::-1]]


_ANY, _MIDDLE, _BAR = slice(None), slice(74, 90), slice(49, 66)


def _intersection(condition: str) -> tuple[list, list]:
    cross = _strokes((_ANY, _MIDDLE), (_BAR, _ANY))
    apart = _strokes((_ANY, _MIDDLE), (_BAR, slice(0, 82)), (slice(99, 115), slice(82, None)))
    return (cross, apart) if condition == "cross" else (apart, cross)


def _t_l(condition: str) -> tuple[list, list]:
    letter_l = _strokes((_ANY, slice(0, 16)), (slice(148, None), _ANY))
    letter_t = _strokes((_ANY, _MIDDLE), (slice(0, 16), _ANY))
    return (letter_l, letter_t) if condition == "l_in_ts" else (letter_t, letter_l)


def _orientation(condition: str) -> tuple[list, list]:
    """Bars of 2 x 0.3 degrees, black on white; tilts are clockwise where negative."""
    bar = np.zeros((69, 69), np.uint8)
    bar[4:64, 30:39] = _INK
    kind, tilt = condition.split("_")
    target, other = (0, -20) if tilt == "0" else (-20, 0)
    tilts = (other,) if kind == "homogeneous" else (*_TILTS_DEG, other)
    return [255 - _turned(bar, target)], [255 - _turned(bar, tilt) for tilt in tilts]


def _coloured(mask: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.where(mask[..., None], np.uint8(colour), np.uint8(0))


def _classical(condition: str) -> tuple[list, list]:
    """Bars of 1 x 3.5 degrees, digits of 1.5 x 2.7 degrees with strokes of 0.3, on black."""
    side = TASKS[condition].item_px
    if condition == "spatial_configuration":
        two = np.zeros((side, side), bool)
        digit = two[12:93, 30:75]
        digit[[*range(9), *range(36, 45), *range(72, 81)]] = True
        digit[:40, -9:] = digit[40:, :9] = True
        return [_coloured(two, _LIGHT)], [_coloured(two[:, ::-1], _LIGHT)]
    upright = np.zeros((side, side), bool)
    upright[:, 37:67] = True
    red, green = _coloured(upright, _RED), _coloured(upright, _GREEN)
    return [red], [green] if condition == "feature" else [_coloured(upright.T, _RED), green]


_FAMILIES = {
    "curvature": _curvature,
    "lighting": _lighting,
    "intersection": _intersection,
    "t_l": _t_l,
    "orientation_homogeneous": _orientation,
    "orientation_heterogeneous": _orientation,
    "feature": _classical,
    "conjunction": _classical,
    "spatial_configuration": _classical,
}
