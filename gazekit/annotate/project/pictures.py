"""A folder of images as frames read by index, with the interface of `SceneVideo`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from gazekit.errors import RecordingError

__all__ = ["ImageFolder", "Pictures", "image_files"]

_IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


class Pictures(Protocol):
    """A scene video or a folder of images: `gazekit.recordings.video.SceneVideo` has all of it."""

    def __len__(self) -> int: ...
    def read(self, index: int) -> np.ndarray: ...
    def close(self) -> None: ...


def image_files(folder: Path) -> list[str]:
    """Names of the images of a folder, numbers in numerical order ("2.png" before "10.png")."""

    def parts(name: str) -> list[tuple[int, str]]:
        return [
            (int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name.casefold())
        ]

    names = (entry.name for entry in folder.iterdir() if entry.is_file() and not entry.name.startswith("."))
    return sorted((name for name in names if Path(name).suffix.lower() in _IMAGES), key=parts)


class ImageFolder:
    """Images of one size.

    Args:
        folder, files: the folder, and the file names in order.
    Raises:
        RecordingError: the first image cannot be read.
    """

    def __init__(self, folder: Path, files: list[str]) -> None:
        self.folder, self._files = folder, files
        self.size_px: tuple[int, int] = (0, 0)
        height, width = self.read(0).shape[:2]
        self.size_px = (width, height)

    def __len__(self) -> int:
        return len(self._files)

    def read(self, index: int) -> np.ndarray:
        """[H, W, 3] uint8 RGB picture.

        Raises:
            IndexError: no such image.
            FileNotFoundError, RecordingError: it is missing, unreadable, or differs in size from the first.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"{self.folder.name} has images 0 to {len(self) - 1}, got {index}")
        path = self.folder / self._files[index]
        try:
            content = np.fromfile(path, np.uint8)
        except FileNotFoundError:
            raise FileNotFoundError(f"no image {path}") from None
        picture = cv2.imdecode(content, cv2.IMREAD_COLOR_RGB) if len(content) else None
        if picture is None:
            raise RecordingError(f"{path}: not a readable image, is it complete?")
        size = picture.shape[1], picture.shape[0]
        if self.size_px != (0, 0) and size != self.size_px:
            raise RecordingError(
                f"{path}: {size[0]} x {size[1]} px, but the first image has {self.size_px}; make them one size"
            )
        return picture

    def close(self) -> None:
        """Does nothing: no file stays open."""

    def __enter__(self) -> ImageFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
