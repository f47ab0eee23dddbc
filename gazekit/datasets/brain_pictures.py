"""Pictures by number, read when they are asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from gazekit.download import file_sha256
from gazekit.errors import DataError

__all__ = ["PictureArray", "PictureFiles", "Pictures"]


class Pictures(Protocol):
    """N pictures."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int) -> np.ndarray:
        """uint8 RGB [H, W, 3]."""
        ...

    def fingerprint(self) -> str:
        """What tells these pictures from all others: features on disk are named by it."""
        ...


class PictureFiles:
    """Pictures in files of any format that OpenCV reads.

    Raises, when a picture is asked for:
        DataError: a file that is no picture.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = list(paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> np.ndarray:
        import cv2

        path = self.paths[number]
        found = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        if found is None:
            raise DataError(f"{path} is not a picture that OpenCV can read: restore it")
        return found

    def fingerprint(self) -> str:
        """Of the names and the bytes of all files."""
        digest = hashlib.sha256()
        for path in self.paths:
            digest.update(f"{path.name} {file_sha256(path)}\n".encode())
        return digest.hexdigest()


class PictureArray:
    """Pictures in an array uint8 [N, H, W, 3] (RGB) or [N, H, W] (grey); may be a memory map.

    Raises:
        DataError: of another type or shape.
    """

    def __init__(self, values: np.ndarray) -> None:
        grey = values.ndim == 3
        if values.dtype != np.uint8 or not (grey or (values.ndim == 4 and values.shape[3] == 3)):
            raise DataError(
                f"pictures must be uint8 [N, H, W, 3] or [N, H, W], got {values.dtype} {list(values.shape)}"
            )
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, number: int) -> np.ndarray:
        found = self.values[number]
        return np.repeat(found[..., None], 3, -1) if found.ndim == 2 else np.asarray(found)

    def fingerprint(self) -> str:
        """Of the bytes of all pictures."""
        digest = hashlib.sha256(f"{self.values.shape}".encode())
        for picture in self.values:
            digest.update(np.ascontiguousarray(picture).tobytes())
        return digest.hexdigest()
