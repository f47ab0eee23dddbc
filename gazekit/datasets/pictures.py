"""Object crops for scenes whose picture is on disk."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from gazekit.scene import Scene

__all__ = ["with_crops"]


def with_crops(scene: Scene, crop_size: tuple[int, int]) -> Scene:
    """The scene with crops cut from its picture: whole pixels, at least one per side, resized.

    Args:
        scene: with `image_path`, a picture of `size_px`.
        crop_size: (height, width) of every crop in pixels.
    Raises:
        ValueError: no picture, an unreadable one, or one of another size.
    """
    picture = None if scene.image_path is None else cv2.imread(str(scene.image_path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(
            f"scene {scene.name!r}: no picture to cut crops from (image_path is {scene.image_path})"
        )
    height, width = picture.shape[:2]
    if (width, height) != tuple(scene.size_px):
        raise ValueError(
            f"scene {scene.name!r}: its picture has {width} x {height} px, expected {scene.size_px}"
        )
    low = np.floor(scene.boxes_px[:, :2]).astype(int)
    high = np.maximum(np.ceil(scene.boxes_px[:, 2:]).astype(int), low + 1)
    cut = [picture[y0:y1, x0:x1, ::-1] for (x0, y0), (x1, y1) in zip(low, high, strict=True)]
    crops = [cv2.resize(c, crop_size[::-1], interpolation=cv2.INTER_AREA) for c in cut]
    return replace(scene, crops=np.stack(crops) if crops else np.zeros((0, *crop_size, 3), np.uint8))
