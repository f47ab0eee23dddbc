"""Where faces look, by two nets of Intel's Open Model Zoo: the direction of the eyes in the picture's plane."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from gazekit.backbones.gaze import GazeNet, HeadPoseNet, load_crops_net
from gazekit.models.gaze_following.faces import FaceFinder, Faces

__all__ = ["HeadDirection"]

GAZE_FILE = "gaze_estimation_adas_0002_int8.safetensors"
HEAD_POSE_FILE = "head_pose_estimation_adas_0001_int8.safetensors"
CROP_PX = 60
HEAD_SIDE = 1.15  # of the larger side of a face's box
EYE_SIDE = 0.72  # of the distance between the eyes


class HeadDirection(nn.Module):
    """Gaze directions of faces. The nets are frozen, and no part of a saved state.

    The head's yaw and pitch are found in a square crop around the face; then the gaze in crops of both eyes, which are
    turned upright along the line between the eyes.

    Args:
        weights: folder with the two safetensors files.
    Raises:
        FileNotFoundError: a file is absent. DataError: weights of another net.
    """

    def __init__(self, weights: str | Path) -> None:
        super().__init__()
        folder = Path(weights).expanduser()
        for name in (GAZE_FILE, HEAD_POSE_FILE):
            if not (folder / name).is_file():
                raise FileNotFoundError(
                    f"no weights {folder / name}, expected {GAZE_FILE} and {HEAD_POSE_FILE}"
                )
        self._nets = (
            load_crops_net(GazeNet, folder / GAZE_FILE),
            load_crops_net(HeadPoseNet, folder / HEAD_POSE_FILE),
        )

    def vectors(self, images: Sequence[np.ndarray], faces: Sequence[Faces]) -> Tensor:
        """[P, 3] unit vectors x to the picture's right, y down, z from the camera away (looking at it: -1).

        Args:
            images: [H, W, 3] uint8 RGB each.
            faces: those of each image; P is the number of all, in order, and may be 0.
        """
        found = [
            self._one(np.ascontiguousarray(image[:, :, ::-1]), box, points)
            for image, of_image in zip(images, faces, strict=True)
            for box, points in zip(of_image.boxes_px, of_image.landmarks_px, strict=True)
        ]
        return torch.stack(found) if found else torch.zeros(0, 3)

    def directions(self, images: Sequence[np.ndarray], faces: Sequence[Faces]) -> Tensor:
        """[P, 2] x right, y down, in the picture's plane; the sine of the angle to the camera's axis long, so that it
        is short for somebody who looks at the camera, where the direction means little. See `vectors`."""
        return self.vectors(images, faces)[:, :2]

    def of_heads(
        self, images: Sequence[np.ndarray], heads_px: Sequence[np.ndarray], finder: FaceFinder
    ) -> Tensor:
        """[P, 2] directions of given heads; NaN for a head in which no face is found.

        Args:
            images: [H, W, 3] uint8 RGB each.
            heads_px: [N, 4] head boxes in each image; P is the number of all.
            finder: of faces. A face belongs to the head around its centre whose own centre is nearest.
        """
        rows = []
        for image, heads in zip(images, heads_px, strict=True):
            faces = finder(image)
            chosen = _faces_of(heads, faces.boxes_px)
            said = self.directions([image], [faces])
            rows += [said[k] if k >= 0 else torch.full((2,), torch.nan) for k in chosen]
        return torch.stack(rows) if rows else torch.zeros(0, 2)

    @torch.inference_mode()
    def _one(self, bgr: np.ndarray, box: np.ndarray, points: np.ndarray) -> Tensor:
        gaze_net, head_pose_net = self._nets
        middle, side = (box[:2] + box[2:]) / 2, HEAD_SIDE * (box[2:] - box[:2]).max()
        yaw, pitch, _ = head_pose_net(_crop(bgr, middle, side, 0.0))[0]
        line = points[1] - points[0]  # from the eye on the picture's left to the other
        angle = float(np.arctan2(line[1], line[0]))
        eyes = [_crop(bgr, eye, EYE_SIDE * max(float(np.hypot(*line)), 1.0), angle) for eye in points[:2]]
        x, y, z = gaze_net(*eyes, torch.tensor([[yaw, pitch, 0.0]]))[0].tolist()
        upright = np.array([x, -y])  # y down
        cosine, sine = np.cos(angle), np.sin(angle)
        vector = np.array(
            [cosine * upright[0] - sine * upright[1], sine * upright[0] + cosine * upright[1], z]
        )
        return torch.from_numpy(vector / np.linalg.norm(vector)).float()


def _crop(bgr: np.ndarray, middle: np.ndarray, side: float, angle: float) -> Tensor:
    """[1, 3, 60, 60] square around `middle`, turned by `angle` (radians, clockwise in the picture); edges repeat."""
    scale = side / CROP_PX
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    half = (CROP_PX - 1) / 2
    to_picture = np.column_stack([turn, middle - 0.5 - turn @ [half, half]])
    blurred = bgr
    if scale > 1:  # average instead of skipping pixels
        blurred, shift = _shrunk(bgr, middle, side)
        to_picture = np.column_stack(
            [turn / scale, (middle - shift) / scale - 0.5 - turn / scale @ [half, half]]
        )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(
        blurred, to_picture, (CROP_PX, CROP_PX), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return torch.from_numpy(crop).permute(2, 0, 1)[None].float()


def _shrunk(bgr: np.ndarray, middle: np.ndarray, side: float) -> tuple[np.ndarray, np.ndarray]:
    """The surroundings of a square at the scale of its crop, and where they begin in the picture."""
    height, width = bgr.shape[:2]
    low = np.clip(np.floor(middle - side), 0, [width - 1, height - 1]).astype(int)
    high = np.clip(np.ceil(middle + side), low + 1, [width, height]).astype(int)
    part = bgr[low[1] : high[1], low[0] : high[0]]
    size = np.maximum(1, np.round((high - low) * CROP_PX / side)).astype(int)
    return cv2.resize(part, tuple(size.tolist()), interpolation=cv2.INTER_AREA), low


def _faces_of(heads: np.ndarray, faces: np.ndarray) -> list[int]:
    """The face of each head, -1 for none; a face is given once, to the nearest head."""
    heads, chosen = np.asarray(heads, np.float64).reshape(-1, 4), [-1] * len(heads)
    centres, head_centres = (faces[:, :2] + faces[:, 2:]) / 2, (heads[:, :2] + heads[:, 2:]) / 2
    within = ((heads[:, None, :2] <= centres) & (centres <= heads[:, None, 2:])).all(-1)  # [heads, faces]
    far = np.where(within, np.linalg.norm(head_centres[:, None] - centres, axis=-1), np.inf)
    while far.size and np.isfinite(far).any():
        head, face = np.unravel_index(far.argmin(), far.shape)
        chosen[head] = int(face)
        far[head], far[:, face] = np.inf, np.inf
    return chosen
