"""Picture files of search displays: read as they are shown, or refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from gazekit.errors import DataError

__all__ = ["png_bytes", "read_picture", "size_of_picture"]

_EXIF_ORIENTATION = 0x0112


def png_bytes(picture: np.ndarray) -> bytes:
    """A uint8 [H, W, 3] picture, red first, as the content of a PNG file."""
    return cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))[1].tobytes()


def size_of_picture(path: Path, where: str) -> tuple[int, int]:
    """Width and height in pixels, without decoding the picture.

    Args:
        where: the record that names the picture, for errors.
    Raises:
        DataError: no such file, or not a picture.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(_unreadable(path, where, error)) from error


def read_picture(path: Path, where: str) -> np.ndarray:
    """uint8 [H, W, 3], red first; grey pictures are repeated.

    Args:
        where: the record that names the picture, for errors.
    Raises:
        DataError: no such file, not a picture, cut off, transparent, of more than 8 bits per channel, or turned by
            its EXIF tag (viewers differ in whether they turn it).
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            wrong = _unsuitable(image)
            picture = np.array(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(_unreadable(path, where, error)) from error
    if wrong:
        raise DataError(f"{where}: the picture {path} {wrong}")
    return picture


def _unsuitable(image) -> str:
    if image.mode.startswith(("I", "F")):
        return "has more than 8 bits per channel; save it with 8"
    if image.getexif().get(_EXIF_ORIENTATION, 1) != 1:
        return "is turned by its EXIF tag, which not all programs obey; save it upright without the tag"
    if image.has_transparency_data and image.convert("RGBA").getextrema()[3][0] < 255:
        return "is transparent in places; save it on the background that people see"
    return ""


def _unreadable(path: Path, where: str, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{where}: the picture {path} does not exist"
    return f"{where}: {path} is not a readable picture (PNG, JPEG, ...), is it complete? ({error})"
