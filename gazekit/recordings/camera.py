"""Scene camera of a head-mounted tracker: pixels <-> directions in degrees, corrected for lens distortion."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

__all__ = ["SceneCamera"]

_STOP = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-10)
# In OpenCV 4 only undistortPointsIter takes a stopping rule; the default of five steps is pixels off in corners.
_undistort = getattr(cv2, "undistortPointsIter", cv2.undistortPoints)


@dataclass(frozen=True, eq=False)
class SceneCamera:
    """A pinhole camera with OpenCV's lens distortion.

    Args:
        matrix: [3, 3] camera matrix in pixels.
        distortion: k1, k2, p1, p2, k3, k4, k5, k6: 4, 5, 8 or more values in OpenCV's order; empty for none.
        size_px: (width, height) of the video.
    Raises:
        ValueError: wrong shapes or non-finite values.
    """

    matrix: np.ndarray
    distortion: np.ndarray
    size_px: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        matrix = np.asarray(self.matrix, np.float64)
        distortion = np.asarray(self.distortion, np.float64).reshape(-1)
        if matrix.shape != (3, 3) or not np.isfinite(matrix).all() or matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
            raise ValueError(
                f"the camera matrix must be [3, 3], finite, with focal lengths > 0; got {matrix.tolist()}"
            )
        if len(distortion) not in (0, 4, 5, 8, 12, 14) or not np.isfinite(distortion).all():
            raise ValueError(
                f"distortion must hold 0, 4, 5, 8, 12 or 14 finite values, got {distortion.tolist()}"
            )
        object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "distortion", distortion)

    def rays(self, xy_px: np.ndarray) -> np.ndarray:
        """[..., 2] pixels of the video to [..., 2] x/z, y/z of undistorted viewing rays.

        Lens distortion has no closed-form inverse, so it is inverted iteratively. The result is NaN where
        distorting it again misses its pixel by more than 0.01 px: the lens model has no inverse there, as in
        the outermost corners of wide lenses (OpenCV returns wrong numbers there). NaN stays NaN.
        """
        xy = np.asarray(xy_px, np.float64)
        flat = xy.reshape(-1, 2)
        out = np.full_like(flat, np.nan)
        known = np.isfinite(flat).all(1)
        if known.any():
            points = np.ascontiguousarray(flat[known])[:, None]
            rays = _undistort(points, self.matrix, self._lens, R=None, P=None, criteria=_STOP)[:, 0]
            miss = np.linalg.norm(self.pixels(rays) - flat[known], axis=1)
            out[known] = np.where((miss <= 0.01)[:, None], rays, np.nan)
        return out.reshape(xy.shape)

    def pixels(self, rays: np.ndarray) -> np.ndarray:
        """[..., 2] x/z, y/z of viewing rays to [..., 2] pixels of the video: the inverse of `rays`."""
        xy = np.asarray(rays, np.float64)
        flat = xy.reshape(-1, 2)
        out = np.full_like(flat, np.nan)
        known = np.isfinite(flat).all(1)
        if known.any():
            points = np.column_stack([flat[known], np.ones(known.sum())])[:, None]
            with np.errstate(over="ignore", invalid="ignore"):
                out[known] = cv2.projectPoints(points, np.zeros(3), np.zeros(3), self.matrix, self._lens)[0][
                    :, 0
                ]
        return out.reshape(xy.shape)

    def undistort(self, xy_px: np.ndarray) -> np.ndarray:
        """[..., 2] pixels of the video to pixels of the same camera without lens distortion."""
        focal, centre = self.matrix[[0, 1], [0, 1]], self.matrix[[0, 1], [2, 2]]
        return self.rays(xy_px) * focal + centre

    def px_to_dva(self, xy_px: np.ndarray) -> np.ndarray:
        """[..., 2] pixels to degrees right of and *below* the optical axis, in line with the pixel axes."""
        return np.rad2deg(np.arctan(self.rays(xy_px)))

    @property
    def px_per_dva(self) -> float:
        """Pixels per degree at the optical axis, the mean of both directions."""
        return float(np.tan(np.deg2rad(1.0)) * self.matrix[[0, 1], [0, 1]].mean())

    @property
    def _lens(self) -> np.ndarray | None:
        return self.distortion if len(self.distortion) else None
