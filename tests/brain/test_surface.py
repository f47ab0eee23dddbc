import sys

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from gazekit.brain.surface import _on_mesh, draw_surface


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    """A ball of 60 vertices as a GIFTI file."""
    nibabel = pytest.importorskip("nibabel")
    points = np.random.default_rng(0).normal(size=(60, 3))
    points = np.float32(50 * points / np.linalg.norm(points, axis=1, keepdims=True))
    faces = ConvexHull(points).simplices.astype(np.int32)
    arrays = [
        nibabel.gifti.GiftiDataArray(points, intent="NIFTI_INTENT_POINTSET"),
        nibabel.gifti.GiftiDataArray(faces, intent="NIFTI_INTENT_TRIANGLE"),
    ]
    path = tmp_path_factory.mktemp("mesh") / "lh.gii"
    nibabel.save(nibabel.gifti.GiftiImage(darrays=arrays), path)
    return path


def colours(figure) -> np.ndarray:
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)


def test_values_are_drawn_in_their_colours(mesh):
    pytest.importorskip("nilearn")
    red = colours(draw_surface(np.ones(60), mesh, views=["lateral"]))
    blue = colours(draw_surface(-np.ones(60), mesh, views=["lateral"]))
    warm = lambda picture: ((picture[..., 0] - picture[..., 2]) > 60).mean()  # noqa: E731
    cold = lambda picture: ((picture[..., 2] - picture[..., 0]) > 60).mean()  # noqa: E731
    assert warm(red) > 1.5 * warm(blue) and cold(blue) > 1.5 * cold(red)


def test_some_vertices_have_values():
    whole = _on_mesh(np.array([1.0, 2]), np.array([4, 0]), 5)
    np.testing.assert_array_equal(whole, [2, np.nan, np.nan, np.nan, 1])
    masked = _on_mesh(np.array([1.0, 2]), np.array([0, 1, 0, 0, 1]), 5)
    np.testing.assert_array_equal(masked, [np.nan, 1, np.nan, np.nan, 2])
    np.testing.assert_array_equal(_on_mesh(np.arange(3.0), None, 3), [0, 1, 2])
    for values, vertices in ((np.ones(2), None), (np.ones(2), np.array([1])), (np.ones((5, 1)), None)):
        with pytest.raises(ValueError, match="one for each of 5 vertices"):
            _on_mesh(values, vertices, 5)
    with pytest.raises(ValueError, match="from 0 to 4, got 1 to 9"):
        _on_mesh(np.ones(2), np.array([9, 1]), 5)


def test_what_is_wrong_is_said(mesh, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="hemisphere must be left or right, got 'lh'"):
        draw_surface(np.ones(60), mesh, hemisphere="lh")
    with pytest.raises(FileNotFoundError, match=r"none\.gii does not exist"):
        draw_surface(np.ones(60), tmp_path / "none.gii")
    monkeypatch.setitem(sys.modules, "nilearn", None)
    with pytest.raises(ImportError, match=r"gazekit-attention\[brain\]"):
        draw_surface(np.ones(60), mesh)
