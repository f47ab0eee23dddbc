"""The scene camera of a head-mounted tracker: pixels <-> directions in degrees, lens distortion undone."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

__all__ = ["SceneCamera"]


@dataclass(frozen=True, eq=False)
class SceneCamera:
    """A pinhole camera with OpenCV's lens distortion.

    Args:
        matrix: [3, 3] camera matrix in pixels.
        distortion: k1, k2, p1, p2, k3, k4, k5, k6: 4, 5, 8 or more values in OpenCV's order; empty = none.
        size_px: (width, height) of the video.
    Raises:
        ValueError: wrong shapes or values that are not finite.
    """

    matrix: np.ndarray
    distortion: np.ndarray
    size_px: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        matrix = np.asarray(self.matrix, np.float64)
        distortion = np.asarray(self.distortion, np.float64).reshape(-1)
        if matrix.shape != (3, 3) or not np.isfinite(matrix).all() or matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
            raise ValueError(
                f"a camera matrix is [3, 3], finite, with focal lengths > 0; got {matrix.tolist()}"
            )
        if len(distortion) not in (0, 4, 5, 8, 12, 14) or not np.isfinite(distortion).all():
            raise ValueError(
                f"distortion holds 0, 4, 5, 8, 12 or 14 finite values, got {distortion.tolist()}"
            )
        object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "distortion", distortion)

    def rays(self, xy_px: np.ndarray) -> np.ndarray:
        """[..., 2] pixels of the video to [..., 2] x/z, y/z of undistorted viewing rays; NaN stays NaN."""
        xy = np.asarray(xy_px, np.float64)
        flat = xy.reshape(-1, 2)
        if len(flat) == 0:
            return xy.copy()
        known = np.isfinite(flat).all(1)
        out = np.full_like(flat, np.nan)
        if known.any():
            done = cv2.undistortPointsIter(
                np.ascontiguousarray(flat[known])[:, None], self.matrix, self._lens, None, None,
                (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-9),
            )  # fmt: skip
            out[known] = done[:, 0]
        return out.reshape(xy.shape)

    def undistort(self, xy_px: np.ndarray) -> np.ndarray:
        """[..., 2] pixels of the video to pixels of the same camera without lens distortion."""
        focal, centre = self.matrix[[0, 1], [0, 1]], self.matrix[[0, 1], [2, 2]]
        return self.rays(xy_px) * focal + centre

    def px_to_dva(self, xy_px: np.ndarray) -> np.ndarray:
        """[..., 2] pixels to degrees right and *down* from the optical axis, the directions of pixels."""
        return np.rad2deg(np.arctan(self.rays(xy_px)))

    @property
    def px_per_dva(self) -> float:
        """Pixels of one degree at the optical axis, the mean of both directions."""
        return float(np.tan(np.deg2rad(1.0)) * self.matrix[[0, 1], [0, 1]].mean())

    @property
    def _lens(self) -> np.ndarray | None:
        return self.distortion if len(self.distortion) else None
