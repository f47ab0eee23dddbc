"""The scene camera against OpenCV's projection, the exported angles of a real recording, and its own inverse."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.recordings.camera import SceneCamera

NEON = SceneCamera(
    [[888.411, 0, 805.098], [0, 888.359, 618.638], [0, 0, 1]],
    [-0.13019, 0.108496, 7.663e-05, -0.000198, 3.54e-05, 0.169733, 0.052193, 0.024934],
    (1600, 1200),
)  # fmt: skip


def grid(camera: SceneCamera) -> np.ndarray:
    width, height = camera.size_px
    return np.stack(np.meshgrid(np.linspace(0, width, 41), np.linspace(0, height, 31)), -1)


def test_rays_project_back_to_their_pixels_wherever_the_lens_has_an_inverse():
    xy = grid(NEON)
    rays = NEON.rays(xy)
    k1, k2, _, _, k3, k4, k5, k6 = NEON.distortion
    r2 = np.linspace(0, 3, 100_001) ** 2
    bent = np.sqrt(r2) * (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
    widest = bent[np.flatnonzero(np.diff(bent) < 0)[0]]  # no ray reaches further from the axis
    reach = np.linalg.norm((xy - NEON.matrix[:2, 2]) / NEON.matrix[[0, 1], [0, 1]], axis=-1)
    np.testing.assert_array_equal(np.isnan(rays).any(-1), reach > widest)
    assert (reach > widest).sum() == 8  # of 1271 pixels, in the corners
    rays, xy = rays[reach < widest], xy[reach < widest]
    points = np.column_stack([rays, np.ones(len(rays))])
    pixels, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), NEON.matrix, NEON.distortion)
    assert np.abs(pixels[:, 0] - xy).max() < 1e-4
    np.testing.assert_allclose(NEON.pixels(rays), pixels[:, 0], rtol=0, atol=1e-12)


def test_without_distortion_rays_are_the_pinhole_formula():
    camera = SceneCamera([[500, 0, 320], [0, 480, 240], [0, 0, 1]], [], (640, 480))
    xy = grid(camera)
    np.testing.assert_allclose(camera.rays(xy), (xy - [320, 240]) / [500, 480], rtol=0, atol=1e-12)
    np.testing.assert_allclose(camera.undistort(xy), xy, rtol=0, atol=1e-9)


def test_undistorted_pixels_are_those_of_opencv():
    xy = grid(NEON)[3:-3, 3:-3].reshape(-1, 1, 2)
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 500, 1e-12)
    name = "undistortPointsIter" if hasattr(cv2, "undistortPointsIter") else "undistortPoints"
    expected = getattr(cv2, name)(xy, NEON.matrix, NEON.distortion, R=None, P=NEON.matrix, criteria=criteria)
    np.testing.assert_allclose(NEON.undistort(xy[:, 0]), expected[:, 0], rtol=0, atol=1e-4)


def test_azimuth_and_elevation_of_a_real_recording(shared_data: Path):
    folder = shared_data / "neon_native_demo/cloud_style"
    given_ = json.loads((folder / "scene_camera.json").read_text())
    camera = SceneCamera(given_["camera_matrix"], given_["distortion_coefficients"], (1600, 1200))
    gaze = pd.read_csv(folder / "gaze.csv")
    angles = camera.px_to_dva(gaze[["gaze x [px]", "gaze y [px]"]].to_numpy())
    assert np.abs(angles[:, 0] - gaze["azimuth [deg]"]).max() < 1e-3
    # Elevation is exported upwards and from the horizontal plane, not arctan(y / z).
    x, y = np.tan(np.deg2rad(angles)).T
    assert np.abs(-np.rad2deg(np.arctan(y / np.hypot(x, 1))) - gaze["elevation [deg]"]).max() < 1e-3
    assert 1 < np.abs(-angles[:, 1] - gaze["elevation [deg]"]).max() < 2


def test_one_degree_at_the_axis():
    step = NEON.px_to_dva(NEON.pixels([[np.tan(np.deg2rad(1.0)), 0.0], [0.0, np.tan(np.deg2rad(-1.0))]]))
    np.testing.assert_allclose(step, [[1, 0], [0, -1]], rtol=0, atol=1e-6)
    assert NEON.px_per_dva == pytest.approx(np.tan(np.deg2rad(1)) * 888.385, rel=1e-6)


def test_what_is_unknown_stays_unknown():
    xy = np.array([[np.nan, 3.0], [800, np.inf], [800, 600]])
    assert np.isnan(NEON.rays(xy)).all(1).tolist() == [True, True, False]
    assert np.isnan(NEON.pixels(xy)).all(1).tolist() == [True, True, False]
    assert NEON.rays(np.empty((0, 2))).shape == (0, 2)


def test_where_the_lens_has_no_inverse_there_is_no_ray():
    # x * (1 - 0.3 x^2) is at most 0.70: no ray reaches pixel 500 * 0.8.
    camera = SceneCamera([[500, 0, 0], [0, 500, 0], [0, 0, 1]], [-0.3, 0, 0, 0], (100, 100))
    assert np.isnan(camera.rays([[400.0, 0.0]])).all()
    x = camera.rays([[300.0, 0.0]])[0, 0]
    assert x * (1 - 0.3 * x**2) == pytest.approx(0.6, abs=1e-5)


@given(x=st.floats(-1e6, 1e6), y=st.floats(-1e6, 1e6))
@settings(deadline=None, max_examples=50)
def test_a_ray_always_leads_back_to_its_pixel_or_is_unknown(x: float, y: float):
    ray = NEON.rays([x, y])
    assert np.isnan(ray).all() or np.abs(NEON.pixels(ray) - [x, y]).max() <= 0.01


@pytest.mark.parametrize(
    ("matrix", "distortion", "text"),
    [
        (np.eye(2), [], "camera matrix"),
        (np.diag([0.0, 1, 1]), [], "focal lengths"),
        (np.diag([np.nan, 1, 1]), [], "finite"),
        (np.eye(3), [1, 2, 3], "0, 4, 5, 8"),
        (np.eye(3), [np.inf] * 4, "finite"),
    ],
)
def test_a_camera_that_is_none(matrix, distortion, text: str):
    with pytest.raises(ValueError, match=text):
        SceneCamera(matrix, distortion)
