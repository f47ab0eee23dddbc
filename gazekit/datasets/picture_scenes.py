"""Scenes of a user's own pictures: a picture file, and a CSV file of the boxes of its objects."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from gazekit.datasets.pictures import with_crops
from gazekit.scene import Scene

__all__ = ["PictureScene", "pictures_and_boxes", "read_boxes", "scene_of_picture"]

COLUMNS = ("x_min", "y_min", "x_max", "y_max")
PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}


class PictureScene(NamedTuple):
    """The scene of a picture file."""

    scene: Scene
    path: Path


def pictures_and_boxes(input: Path, boxes: str) -> Iterator[tuple[Path, Path]]:
    """Each picture with its boxes file; those of a folder in order of name.

    Raises:
        FileNotFoundError: no picture, or a picture without boxes. ValueError: no boxes given.
    """
    if not boxes:
        raise ValueError("boxes=FILE (for a folder of pictures: boxes=FOLDER) must say where the objects are")
    if not input.is_dir():
        yield input, Path(boxes)
        return
    pictures = sorted(p for p in input.iterdir() if p.suffix.lower() in PICTURES)
    if not pictures:
        raise FileNotFoundError(
            f"input={input} has no picture, expected files that end in {', '.join(PICTURES)}"
        )
    stems = [picture.stem for picture in pictures]
    if double := next((stem for stem in stems if stems.count(stem) > 1), None):
        raise ValueError(
            f"input={input} has two pictures named {double}, which would share {double}.csv: rename one"
        )
    for picture in pictures:
        yield picture, Path(boxes) / f"{picture.stem}.csv"


def scene_of_picture(
    image: Path, boxes: Path, target: int | None, crop_size: tuple[int, int] | None
) -> Scene:
    """The scene of a picture file and a boxes file.

    Args:
        crop_size: (height, width) to which the objects' crops are resized; None makes no crops.
    Raises:
        FileNotFoundError: a file is absent.
        ValueError: not a picture, bad boxes, or a target that is no line of the boxes file.
    """
    for path, key in ((image, "input"), (boxes, "boxes")):
        if not path.is_file():
            raise FileNotFoundError(f"{key}={path} does not exist")
    picture = cv2.imread(str(image), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"input={image} is not a picture that OpenCV can read (PNG, JPEG, ...)")
    boxes_px, categories = read_boxes(boxes)
    if not isinstance(target, int | None):
        raise ValueError(f"target={target} must be the number of a line of {boxes}, from 0")
    if target is not None and not 0 <= target < len(boxes_px):
        raise ValueError(f"target={target} is unknown: {boxes} has the objects 0 to {len(boxes_px) - 1}")
    size_px = (picture.shape[1], picture.shape[0])
    scene = Scene(image.name, size_px, boxes_px, target, categories, image_path=image.resolve())
    return scene if crop_size is None else with_crops(scene, tuple(crop_size))


def read_boxes(path: Path) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """[N, 4] boxes in pixels and the categories, if the file has them.

    Raises:
        ValueError: a column is missing, a value is no number, or there is no line.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        lines = list(reader)
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or [])]
    if missing:
        raise ValueError(
            f"boxes={path} lacks the columns {', '.join(missing)}; expected a header with "
            f"{','.join(COLUMNS)} (pixels) and optionally category, found {reader.fieldnames}"
        )
    if not lines:
        raise ValueError(f"boxes={path} has no object, expected one a line")
    boxes = np.empty((len(lines), 4))
    for number, line in enumerate(lines):
        try:
            boxes[number] = [float(line[name]) for name in COLUMNS]
        except (TypeError, ValueError) as error:
            raise ValueError(f"boxes={path}, object {number}: {error}") from error
    has_categories = "category" in (reader.fieldnames or [])
    return boxes, tuple(line["category"] or "" for line in lines) if has_categories else None
