"""Gaze of people drawn over a picture: heads, rays to what they look at, heat maps. Fast enough for videos."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

__all__ = ["DrawnGaze", "draw_gaze"]

COLOURS = (
    (255, 183, 0),
    (56, 189, 248),
    (244, 114, 182),
    (74, 222, 128),
    (251, 113, 70),
    (167, 139, 250),
    (250, 240, 110),
)
SHARED_COLOUR = (255, 255, 255)
DARK = (24, 24, 27)
CONE_DEG = 11.0
"""Half of the angle of a cone, which stands for a direction without target."""
HEAT_ALPHA = 0.6
HEAT_FROM = 0.25  # of a map's range: less is not drawn
SUBPIXEL_BITS = 4


class DrawnGaze(NamedTuple):
    """One person in a picture; all positions are pixels of it.

    Args:
        head_px: [4] x_min, y_min, x_max, y_max.
        eye_px: [2] where the ray begins.
        direction_xy: [2] in the picture's plane, any length; NaN or 0 draws no cone.
        target_px: [2]; NaN if it is outside: a cone is drawn instead of a ray.
        inside: probability that the target is in the picture.
        name: of the person.
        colour: number of the person's colour.
        heatmap: [h, w] over the whole picture; drawn if the target is in it. None draws none.
        shared_with: places in the list of people who look at the same.
    """

    head_px: np.ndarray
    eye_px: np.ndarray
    direction_xy: np.ndarray
    target_px: np.ndarray
    inside: float
    name: str
    colour: int
    heatmap: np.ndarray | None = None
    shared_with: tuple[int, ...] = ()


def draw_gaze(picture: np.ndarray, people: Sequence[DrawnGaze]) -> np.ndarray:
    """The picture with everybody's gaze.

    Each person has a colour: head box and label, heat map, and a ray to the target, or a cone to the picture's border
    if the target is outside. A white ring is drawn around what several people look at.

    Args:
        picture: [H, W, 3] uint8 RGB; it stays as it is.
        people: may be empty.
    Returns:
        [H, W, 3] uint8 RGB.
    """
    canvas = np.ascontiguousarray(picture).copy()
    unit = max(1.0, max(canvas.shape[:2]) / 640)
    inside = [not np.isnan(person.target_px).any() for person in people]
    _blend_heat(canvas, [person for person, is_in in zip(people, inside, strict=True) if is_in])
    _blend_cones(canvas, [person for person, is_in in zip(people, inside, strict=True) if not is_in], unit)
    for person, is_in in zip(people, inside, strict=True):
        if is_in:
            _ray(canvas, person, unit)
    for person in people:
        _head(canvas, person, unit)
    for group in _groups(people):
        _ring(canvas, [people[k] for k in group], unit)
    taken: list[np.ndarray] = []
    for person in people:
        _label(canvas, person, unit, taken)
    return canvas


def _colour(person: DrawnGaze) -> tuple[int, int, int]:
    return COLOURS[person.colour % len(COLOURS)]


def _blend(part: np.ndarray, alpha: np.ndarray, colour: np.ndarray) -> None:
    """Paint over a part of the canvas; alpha [h, w], colour [3] or [h, w, 3]."""
    alpha = alpha[..., None].astype(np.float32)
    part[:] = (part + alpha * (np.asarray(colour, np.float32) - part)).round().astype(np.uint8)


def _blend_heat(canvas: np.ndarray, people: Sequence[DrawnGaze]) -> None:
    """Each map in the person's colour."""
    height, width = canvas.shape[:2]
    for person in people:
        if person.heatmap is None or not np.ptp(person.heatmap) > 0:
            continue
        heat = ((person.heatmap - person.heatmap.min()) / np.ptp(person.heatmap)).astype(np.float32)
        strength = cv2.resize(heat, (width, height), interpolation=cv2.INTER_CUBIC)
        rows, columns = (np.flatnonzero(strength.max(axis) > HEAT_FROM) for axis in (1, 0))
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        alpha = HEAT_ALPHA * np.clip((strength[box] - HEAT_FROM) / (1 - HEAT_FROM), 0, 1)
        _blend(canvas[box], alpha, _colour(person))


def _blend_cones(canvas: np.ndarray, people: Sequence[DrawnGaze], unit: float) -> None:
    """Cones that fade from the eyes to the border."""
    height, width = canvas.shape[:2]
    for person in people:
        length = np.linalg.norm(person.direction_xy)
        if not length > 0:
            continue
        way = person.direction_xy / length
        sides = [_turned(way, angle) for angle in (-CONE_DEG, CONE_DEG)]
        far = np.linalg.norm(person.eye_px - [width / 2, height / 2]) + width + height
        corners = np.array([person.eye_px, *(person.eye_px + far * side for side in sides)])
        low = np.clip(np.floor(corners.min(0)), 0, [width, height]).astype(int)
        high = np.clip(np.ceil(corners.max(0)) + 1, 0, [width, height]).astype(int)
        if not (high > low).all():
            continue
        part = canvas[low[1] : high[1], low[0] : high[0]]
        mask = np.zeros(part.shape[:2], np.uint8)
        cv2.fillPoly(
            mask, [np.array([_point(corner - low) for corner in corners])], 255, cv2.LINE_AA, SUBPIXEL_BITS
        )
        x, y = (np.arange(low[k], high[k], dtype=np.float32) - person.eye_px[k] for k in (0, 1))
        fading = 0.12 + 0.43 * np.exp(-np.hypot(x, y[:, None]) / (0.35 * max(height, width)))
        _blend(part, mask * fading / 255, _colour(person))
        _arrow(canvas, person.eye_px, _border(person.eye_px, way, (width, height)), _colour(person), unit)


def _turned(way: np.ndarray, angle_deg: float) -> np.ndarray:
    cosine, sine = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    return np.array([cosine * way[0] - sine * way[1], sine * way[0] + cosine * way[1]])


def _border(start: np.ndarray, way: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Where a ray leaves the picture; the start if it is outside already."""
    reach = [
        ((side if step > 0 else 0) - at) / step
        for at, step, side in zip(start, way, size, strict=True)
        if step
    ]
    return start + way * max(0.0, min(reach))


def _point(xy: np.ndarray) -> tuple[int, int]:
    x, y = np.clip(np.round(np.asarray(xy) * 2**SUBPIXEL_BITS), -(2**26), 2**26).astype(int)
    return int(x), int(y)


def _line(
    canvas: np.ndarray, start: np.ndarray, stop: np.ndarray, colour: tuple[int, ...], width: float
) -> None:
    cv2.line(canvas, _point(start), _point(stop), colour, max(1, round(width)), cv2.LINE_AA, SUBPIXEL_BITS)


def _circle(canvas: np.ndarray, xy: np.ndarray, radius: float, colour: tuple[int, ...], width: float) -> None:
    size = int(radius * 2**SUBPIXEL_BITS)
    cv2.circle(
        canvas,
        _point(xy),
        size,
        colour,
        -1 if width < 0 else max(1, round(width)),
        cv2.LINE_AA,
        SUBPIXEL_BITS,
    )


def _arrow(
    canvas: np.ndarray, start: np.ndarray, stop: np.ndarray, colour: tuple[int, int, int], unit: float
) -> None:
    way = stop - start
    length = np.linalg.norm(way)
    if length < 8 * unit:
        return
    way, side = way / length, np.array([-way[1], way[0]]) / length
    stop = stop - way * 4 * unit  # the tip stays in the picture
    neck = stop - way * 9 * unit
    tip = np.array([_point(p) for p in (stop, neck + side * 5 * unit, neck - side * 5 * unit)])
    for tone, more in ((DARK, 2.0), (colour, 0.0)):
        _line(canvas, start, neck, tone, (2 + more) * unit)
        if more:
            cv2.polylines(canvas, [tip], True, tone, max(1, round(more * unit)), cv2.LINE_AA, SUBPIXEL_BITS)
        else:
            cv2.fillPoly(canvas, [tip], tone, cv2.LINE_AA, SUBPIXEL_BITS)


def _ray(canvas: np.ndarray, person: DrawnGaze, unit: float) -> None:
    target = person.target_px
    _line(canvas, person.eye_px, target, DARK, 4 * unit)
    _line(canvas, person.eye_px, target, _colour(person), 2 * unit)
    for radius, colour in ((7.5, DARK), (6.0, (255, 255, 255)), (4.0, _colour(person))):
        _circle(canvas, target, radius * unit, colour, -1)


def _head(canvas: np.ndarray, person: DrawnGaze, unit: float) -> None:
    low, high = _point(person.head_px[:2]), _point(person.head_px[2:])
    for colour, width in ((DARK, 4 * unit), (_colour(person), 2 * unit)):
        cv2.rectangle(canvas, low, high, colour, max(1, round(width)), cv2.LINE_AA, SUBPIXEL_BITS)


def _groups(people: Sequence[DrawnGaze]) -> list[list[int]]:
    """People joined by shared attention, each once."""
    groups, left = [], {k for k, person in enumerate(people) if person.shared_with}
    while left:
        group, new = set(), {min(left)}
        while new:
            group |= new
            new = {other for k in new for other in people[k].shared_with} - group
        groups.append(sorted(group))
        left -= group
    return groups


def _ring(canvas: np.ndarray, people: Sequence[DrawnGaze], unit: float) -> None:
    targets = np.array([person.target_px for person in people])
    middle = targets.mean(0)
    radius = np.linalg.norm(targets - middle, axis=1).max() + 14 * unit
    _circle(canvas, middle, radius, DARK, 4 * unit)
    _circle(canvas, middle, radius, SHARED_COLOUR, 2 * unit)
    names = " + ".join(person.name for person in people)
    _paste(
        canvas,
        _chip(f"shared: {names}", round(11 * unit), SHARED_COLOUR),
        middle + np.array([0, radius + 3 * unit]),
        0.5,
    )


def _label(canvas: np.ndarray, person: DrawnGaze, unit: float, taken: list[np.ndarray]) -> None:
    """At the first free place above, below or beside the head; above if none is free."""
    inside = not np.isnan(person.target_px).any()
    said = (
        f"{person.name}  in {person.inside:.0%}" if inside else f"{person.name}  out {1 - person.inside:.0%}"
    )
    chip = _chip(said, round(11 * unit), _colour(person))
    height, width = chip.shape[:2]
    x_min, y_min, x_max, y_max = person.head_px
    above, below = y_min - height - unit, y_max + unit
    places = [
        (x_min - unit, above),
        (x_max + unit - width, above),
        (x_min - unit, below),
        (x_max + unit - width, below),
    ]
    places += [(x_min - unit, above - height), (x_max + 2 * unit, y_min), (x_min - 2 * unit - width, y_min)]
    limit = np.array([canvas.shape[1] - width, canvas.shape[0] - height])
    inner = np.clip(places, 0, np.maximum(limit, 0))
    at = next((at for at in inner if not _hits(at, chip, taken)), inner[0])
    taken.append(np.array([*at, at[0] + width, at[1] + height]))
    _paste(canvas, chip, at, 0.0)


def _hits(at: np.ndarray, chip: np.ndarray, taken: list[np.ndarray]) -> bool:
    high = at + np.array(chip.shape[1::-1])
    return any((at < other[2:]).all() and (high > other[:2]).all() for other in taken)


@lru_cache(maxsize=512)
def _chip(text: str, size: int, colour: tuple[int, int, int]) -> np.ndarray:
    """[h, w, 3] dark text on a plate of this colour."""
    font = _font(size)
    left, _, right, _ = font.getbbox(text)
    pad = max(2, size // 3)
    image = Image.new("RGB", (int(right - left) + 2 * pad, round(1.5 * size)), colour)
    ImageDraw.Draw(image).text((pad - left, image.height / 2), text, fill=DARK, font=font, anchor="lm")
    return np.asarray(image)


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(
        str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans-Bold.ttf"), size
    )


def _paste(canvas: np.ndarray, chip: np.ndarray, xy: np.ndarray, anchor: float) -> None:
    """The chip with its upper edge at y and `anchor` of its width at x, moved into the picture and cut if too large."""
    height, width = canvas.shape[:2]
    chip = chip[:height, :width]
    x = int(np.clip(xy[0] - anchor * chip.shape[1], 0, width - chip.shape[1]))
    y = int(np.clip(xy[1], 0, height - chip.shape[0]))
    canvas[y : y + chip.shape[0], x : x + chip.shape[1]] = chip
