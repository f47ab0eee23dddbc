"""Faces in pictures by YuNet, small and large ones: each picture is searched at two sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch

from gazekit.backbones import load_backbone
from gazekit.backbones.backbone import Backbone
from gazekit.backbones.detection import detect
from gazekit.kernels.boxes import batched_nms

__all__ = ["FaceFinder", "Faces"]

LONG_SIDES_PX = (640, 1280)
"""The larger side of the picture that is searched; YuNet was trained at 640. Pictures are never enlarged."""
MIN_SCORE = 0.6
MAX_IOU = 0.3
STRIDE = 32


class Faces(NamedTuple):
    """Faces of a picture, the surest first.

    Args:
        boxes_px: [N, 4] x_min, y_min, x_max, y_max; they may reach over the border.
        landmarks_px: [N, 5, 2] right and left eye of the person, nose, right and left corner of the mouth.
        score: [N] in [0, 1].
    """

    boxes_px: np.ndarray
    landmarks_px: np.ndarray
    score: np.ndarray


class FaceFinder:
    """YuNet as a function of a picture.

    Args:
        weights: a file or folder as `load_backbone("yunet", ...)` takes it, or YuNet's .onnx file, which OpenCV runs
            in a third of the time, with the same result. None looks in data/backbones/yunet.
        min_score: what a face needs.
    Raises:
        FileNotFoundError: no weights; the message says how to get them. DataError: weights of another net.
        ValueError: an .onnx file of another net.
    """

    def __init__(self, weights: str | Path | None = None, min_score: float = MIN_SCORE) -> None:
        self.min_score = min_score
        onnx = weights is not None and Path(weights).suffix.lower() == ".onnx"
        self._find: Callable[[np.ndarray], Faces] = (
            _by_opencv(Path(weights).expanduser(), min_score) if onnx else _by_torch(weights, min_score)
        )

    def __call__(self, picture: np.ndarray) -> Faces:
        """Faces in a [H, W, 3] uint8 RGB picture; N may be 0."""
        longer = max(picture.shape[:2])
        sides = sorted({min(longer, side) for side in LONG_SIDES_PX})
        found = [self._at(picture, side / longer) for side in sides]
        boxes, landmarks, score = (np.concatenate(parts) for parts in zip(*found, strict=True))
        keep = batched_nms(
            torch.from_numpy(boxes),
            torch.from_numpy(score),
            torch.zeros(len(score), dtype=torch.long),
            MAX_IOU,
        ).numpy()
        return Faces(boxes[keep], landmarks[keep], score[keep])

    def _at(self, picture: np.ndarray, scale: float) -> Faces:
        height, width = picture.shape[:2]
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        if size != (width, height):
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        factor = np.array([width / size[0], height / size[1]])
        found = self._find(picture)
        return Faces(found.boxes_px * np.tile(factor, 2), found.landmarks_px * factor, found.score)


def _by_torch(weights: str | Path | None, min_score: float) -> Callable[[np.ndarray], Faces]:
    yunet = load_backbone("yunet", weights)
    yunet.net.to(memory_format=torch.channels_last)  # half the time on a CPU

    def find(picture: np.ndarray) -> Faces:
        size_px = tuple(-(-side // STRIDE) * STRIDE for side in picture.shape[:2])
        sized = Backbone("yunet", yunet.net, replace(yunet.preprocessing, size_px=size_px))
        faces = detect(sized, [picture], min_score, MAX_IOU)[0]
        return Faces(*(x.double().cpu().numpy() for x in (faces.boxes_px, faces.landmarks_px, faces.score)))

    return find


def _by_opencv(path: Path, min_score: float) -> Callable[[np.ndarray], Faces]:
    if not path.is_file():
        raise FileNotFoundError(f"no face detector {path}")
    try:
        net = cv2.FaceDetectorYN.create(str(path), "", (320, 320), min_score, MAX_IOU)
    except cv2.error as error:
        raise ValueError(f"{path} is no YuNet that OpenCV can run: {error}") from error

    def find(picture: np.ndarray) -> Faces:
        net.setInputSize(picture.shape[1::-1])
        _, rows = net.detect(np.ascontiguousarray(picture[:, :, ::-1]))
        rows = np.zeros((0, 15)) if rows is None else rows.astype(np.float64)
        boxes = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], 1)
        return Faces(boxes, rows[:, 4:14].reshape(-1, 5, 2), rows[:, 14])

    return find
