"""Random changes of training pictures that keep heads, eyes, targets, directions and masks consistent.

Each change takes a `GazePicture` and a generator and gives a `GazePicture`. What is random is drawn at once; pixels are
changed when the picture is read. A person keeps its label: nobody who looks at a target in the frame loses it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import torch

from gazekit.datasets.gaze_targets import GazePicture, mirrored

__all__ = [
    "PRESETS",
    "augmented",
    "cropped",
    "recoloured",
    "rotated",
    "shrunk",
    "with_grown_heads",
    "with_jittered_heads",
]

Change = Callable[[GazePicture, torch.Generator], GazePicture]


def augmented(picture: GazePicture, preset: str, generator: torch.Generator) -> GazePicture:
    """The picture after the changes of a preset, each made with probability 1/2.

    Args:
        preset: one of `PRESETS`.
        generator: source of all random numbers.
    """
    for change in PRESETS[preset]:
        if _uniform(generator, 0, 1) < 0.5:
            picture = change(picture, generator)
    return picture


def _uniform(generator: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator, dtype=torch.float64))


def recoloured(
    picture: GazePicture,
    generator: torch.Generator,
    brightness: float = 0.4,
    contrast: float = 0.4,
    saturation: float = 0.2,
    hue: float = 0.1,
) -> GazePicture:
    """Another light: brightness, contrast and saturation times 1 +- so much, hue turned by +- so many turns."""
    light, spread, colour = (
        _uniform(generator, 1 - most, 1 + most) for most in (brightness, contrast, saturation)
    )
    turn = _uniform(generator, -hue, hue)
    return replace(picture, read=lambda: _recoloured(picture.read(), light, spread, colour, turn))


def _recoloured(image: np.ndarray, light: float, spread: float, colour: float, turn: float) -> np.ndarray:
    image = np.ascontiguousarray(image)
    mean = float(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).mean()) * light
    levels = np.clip(np.arange(256) * light, 0, 255)
    levels = np.clip((levels - mean) * spread + mean, 0, 255).round().astype(np.uint8)
    hsv = cv2.cvtColor(cv2.LUT(image, levels), cv2.COLOR_RGB2HSV_FULL)
    hues = ((np.arange(256) + round(turn * 256)) % 256).astype(np.uint8)
    colours = np.clip(np.arange(256) * colour, 0, 255).round().astype(np.uint8)
    table = np.stack([hues, colours, np.arange(256, dtype=np.uint8)], -1)[None]
    return cv2.cvtColor(cv2.LUT(hsv, table), cv2.COLOR_HSV2RGB_FULL)


def with_grown_heads(picture: GazePicture, generator: torch.Generator, most: float = 0.2) -> GazePicture:
    """Head boxes grow at all sides, up to the border, by one share of their size, from 0 to `most`; each by its own."""
    return _with_heads(picture, [[_uniform(generator, 0, most)] * 4 for _ in picture.people])


def with_jittered_heads(picture: GazePicture, generator: torch.Generator, most: float = 0.2) -> GazePicture:
    """Each side of a head box moves out (no further than the border) or in by up to `most` of the size of the box."""
    return _with_heads(
        picture, [[_uniform(generator, -most, most) for _ in range(4)] for _ in picture.people]
    )


def _with_heads(picture: GazePicture, outwards: list[list[float]]) -> GazePicture:
    people = []
    for person, share in zip(picture.people, outwards, strict=True):
        size = np.tile(person.head_px[2:] - person.head_px[:2], 2)
        head_px = person.head_px + size * share * np.array([-1, -1, 1, 1])
        people.append(replace(person, head_px=_within(head_px, picture.size_px)))
    return replace(picture, people=tuple(people))


def _within(head_px: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """The part of a head box that is in the picture, at least 1 px wide and high."""
    size = np.array(size_px, float)
    low = np.clip(head_px[:2], 0, size - 1)
    return np.concatenate([low, np.clip(head_px[2:], low + 1, size)])


def cropped(picture: GazePicture, generator: torch.Generator) -> GazePicture:
    """A random part of the picture in which all heads and all targets in the frame remain, in whole pixels.

    A head that reaches over the border keeps what is inside the picture. Without people the picture stays as it is.
    """
    if not picture.people:
        return picture
    width, height = picture.size_px
    size = np.array(picture.size_px, float)
    corners = [person.head_px.reshape(2, 2) for person in picture.people]
    corners += [person.points_norm * size for person in picture.people]
    corners = np.clip(np.concatenate(corners), 0, size)
    low, high = np.floor(corners.min(0)), np.ceil(corners.max(0))
    low, high = np.minimum(low, size - 1), np.maximum(high, np.minimum(low, size - 1) + 1)
    left, top = (int(_uniform(generator, 0, edge + 1)) for edge in low)
    right, bottom = (
        int(np.ceil(_uniform(generator, edge - 1, end))) for edge, end in zip(high, size, strict=True)
    )
    right, bottom = max(right, int(high[0])), max(bottom, int(high[1]))
    assert 0 <= left < right <= width and 0 <= top < bottom <= height
    matrix = np.array([[1.0, 0, -left], [0, 1, -top]])
    return _moved(picture, matrix, (right - left, bottom - top), lambda image: image[top:bottom, left:right])


def rotated(picture: GazePicture, generator: torch.Generator, most_deg: float = 20.0) -> GazePicture:
    """Turned about its centre, on a canvas that grows to hold it; a head box becomes the box round its corners."""
    width, height = picture.size_px
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), _uniform(generator, -most_deg, most_deg), 1.0)
    grown = np.ceil(np.abs(matrix[:, :2]) @ (width, height) - 1e-6).astype(int)
    matrix[:, 2] += (grown - (width, height)) / 2
    new_size = (int(grown[0]), int(grown[1]))
    centres = matrix.copy()  # OpenCV counts from the centres of pixels, positions here from the corner
    centres[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    return _moved(picture, matrix, new_size, lambda image: _warped(image, centres, new_size))


def _warped(image: np.ndarray, matrix: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    how = cv2.INTER_NEAREST if image.ndim == 2 else cv2.INTER_LINEAR
    return cv2.warpAffine(np.ascontiguousarray(image), matrix, size_px, flags=how)


def shrunk(picture: GazePicture, generator: torch.Generator, least: float = 0.1) -> GazePicture:
    """Scaled by a factor from `least` to 1 in the upper left corner of a canvas of the same size, otherwise black."""
    size = picture.size_px
    factor = _uniform(generator, least, 1)
    inner = (max(1, round(size[0] * factor)), max(1, round(size[1] * factor)))
    matrix = np.array([[inner[0] / size[0], 0, 0], [0, inner[1] / size[1], 0]])
    return _moved(picture, matrix, size, lambda image: _padded(image, inner, size))


def _padded(image: np.ndarray, inner_px: tuple[int, int], size_px: tuple[int, int]) -> np.ndarray:
    canvas = np.zeros((size_px[1], size_px[0], *image.shape[2:]), image.dtype)
    how = cv2.INTER_NEAREST if image.ndim == 2 else cv2.INTER_AREA
    canvas[: inner_px[1], : inner_px[0]] = cv2.resize(
        np.ascontiguousarray(image), inner_px, interpolation=how
    )
    return canvas


def _moved(
    picture: GazePicture,
    matrix: np.ndarray,
    size_px: tuple[int, int],
    image_map: Callable[[np.ndarray], np.ndarray],
) -> GazePicture:
    """The picture after an affine map. Head boxes are clipped to the picture before and after it.

    Args:
        matrix: [2, 3] takes positions in pixels to new ones.
        size_px: new width and height.
        image_map: does the same to pixels, [H, W, 3] or a mask [H, W] uint8.
    """
    before, after = np.array(picture.size_px, float), np.array(size_px, float)

    def placed(points_norm: np.ndarray) -> np.ndarray:
        return (points_norm * before @ matrix[:, :2].T + matrix[:, 2]) / after

    people = []
    for person in picture.people:
        x_min, y_min, x_max, y_max = _within(person.head_px, picture.size_px)
        corners = np.array([[x_min, y_min], [x_max, y_min], [x_min, y_max], [x_max, y_max]])
        corners = corners @ matrix[:, :2].T + matrix[:, 2]
        people.append(
            replace(
                person,
                head_px=_within(np.concatenate([corners.min(0), corners.max(0)]), size_px),
                points_norm=np.clip(
                    placed(person.points_norm), 0, 1
                ),  # the border, give or take a rounding error
                eye_norm=placed(person.eye_norm),
                direction_xy=person.direction_xy @ matrix[:, :2].T,
                pose_xy=person.pose_xy @ matrix[:, :2].T,
            )
        )
    masks = None
    if picture.masks is not None:

        def masks() -> np.ndarray:
            moved = [image_map(mask.astype(np.uint8)) > 0 for mask in picture.masks()]
            return np.array(moved, bool).reshape(-1, size_px[1], size_px[0])

    read = partial(_read, picture.read, image_map)
    return replace(picture, size_px=size_px, people=tuple(people), read=read, masks=masks)


def _read(read: Callable[[], np.ndarray], image_map: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    return image_map(read())


def _mirrored(picture: GazePicture, generator: torch.Generator) -> GazePicture:
    return mirrored(picture)


PRESETS: dict[str, tuple[Change, ...]] = {
    "vitgaze": (recoloured, with_grown_heads, cropped, _mirrored, rotated, shrunk),
    "gazelle": (cropped, _mirrored, with_jittered_heads),
    "none": (),
}
"""Changes by name, in the order in which they are made: those of ViTGaze (Song et al. 2024) and of Gaze-LLE (Ryan et
al. 2025). ViTGaze's masking of patches belongs to its model, and its enlarged head boxes to `GazeTargets`."""
