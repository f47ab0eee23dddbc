"""Shared by both Tobii Glasses readers: numbers from JSON objects, the camera, samples of gaze and both eyes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gazekit.errors import RecordingError
from gazekit.recordings.camera import SceneCamera
from gazekit.recordings.video import SceneVideo

__all__ = ["add_mean_pupil", "numbers", "scene_frames", "tobii_camera"]


def numbers(values: Sequence[Any], width: int, where: str, whole: bool = False) -> np.ndarray:
    """[N] or [N, width] float64 (int64 if `whole`) of JSON values; None is NaN.

    Raises:
        RecordingError: text, another number of values, numbers that are not whole or too large.
    """
    shape = (len(values), width) if width > 1 else (len(values),)
    if not len(values):
        return np.empty(shape, np.int64 if whole else np.float64)
    what = f"{width} numbers" if width > 1 else "a whole number" if whole else "a number"
    kinds = {
        type(v) for value in values for v in (value if width > 1 and isinstance(value, list) else [value])
    }
    if kinds <= ({int} if whole else {int, float, type(None)}):
        try:
            table = np.array(values, np.int64 if whole else np.float64)
        except (ValueError, OverflowError, TypeError):
            table = np.empty(0)
        if table.shape == shape and not (whole and np.abs(table).max() > 2**53):
            return table
    for value in values:  # find the first invalid one, for the error
        parts = value if isinstance(value, list) else [value]
        fits = all(type(v) is int or (not whole and (v is None or type(v) is float)) for v in parts)
        if len(parts) != width or isinstance(value, list) != (width > 1) or not fits:
            raise RecordingError(f"{where}: expected {what}, got {str(value)[:60]}")
    raise RecordingError(f"{where}: expected {what}, got one that is too large")


def tobii_camera(
    focal: Any, centre: Any, skew: float, radial: Any, tangential: Any, size_px: tuple[int, int], where: str
) -> SceneCamera:
    """A camera from Tobii's parameters; OpenCV's distortion order is radial 1 and 2, tangential 1 and 2, radial 3.

    Raises:
        RecordingError: parameters that do not define a camera.
    """
    try:
        matrix = [[focal[0], skew, centre[0]], [0, focal[1], centre[1]], [0, 0, 1]]
        lens = [radial[0], radial[1], tangential[0], tangential[1], radial[2]]
        return SceneCamera(np.array(matrix, np.float64), np.array(lens, np.float64), size_px)
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise RecordingError(f"{where}: no usable camera ({error})") from error


def add_mean_pupil(samples: pd.DataFrame) -> None:
    """`pupil`: the mean of both eyes if both are known, else NaN, so that losing an eye causes no jump."""
    samples.insert(3, "pupil", (samples["pupil_left"] + samples["pupil_right"]) / 2)


def scene_frames(video: Path | None, notes: list[str]) -> np.ndarray | None:
    """[F] presentation times of the scene video in ms; None without one, or if it is broken, which adds a note."""
    if video is None:
        return None
    try:
        with SceneVideo(video) as scene:
            return scene.t_ms
    except RecordingError as error:
        notes.append(f"the scene video cannot be used: {error}")
        return None
