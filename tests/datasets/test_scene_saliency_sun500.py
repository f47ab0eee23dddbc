import numpy as np
import pytest
from scipy.io import savemat

from gazekit.datasets.scene_saliency_sun500 import load
from gazekit.errors import DataError


def write(folder, cells=None, sizes=((100, 200), (50, 60))):
    if cells is None:
        cells = np.empty((2, 2), object)
        cells[0, 0] = np.array(
            [[10.0, 20.0, 0.3, 0.25], [90.0, 199.5, 0.6, 0.1]]
        )  # row, column, onset, duration
        cells[0, 1] = cells[1, 0] = cells[1, 1] = np.zeros((0, 0))
    savemat(folder / "fixations.mat", {"fixations": cells})
    savemat(folder / "imgInfo.mat", {"imgInfo": {"size": np.array(sizes)}})
    return folder


def test_hand_made_picture(tmp_path):
    dataset = load(write(tmp_path))
    scene, second = dataset.scenes
    assert second.size_px == (60, 50)
    assert scene.size_px == (200, 100) and scene.name == "001.jpg" and scene.image_path is None
    first, empty = (trial.scanpath for trial in dataset.trials[:2])
    np.testing.assert_allclose(first.xy_px, [[20, 10], [199.5, 90]])
    np.testing.assert_allclose(first.duration_ms, [250, 100])
    assert first.observer == "1" and len(empty) == 0


def test_broken_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r"imgInfo.mat: expected imgInfo.size to be \[2, 2\]"):
        load(write(tmp_path, sizes=((100, 200), (3, 4), (5, 6))))
    cells = np.empty((2, 2), object)
    cells[:] = [[np.zeros((0, 0))] * 2] * 2
    cells[0, 0] = np.array([[10.0, 220.0, 0.3, 0.25]])
    with pytest.raises(DataError, match=r"image 1, observer 1: fixation 0 at .* lies outside the 200 x 100"):
        load(write(tmp_path, cells))
    with pytest.raises(DataError, match="cell array"):
        load(write(tmp_path, np.zeros(3)))


def test_whole_set(shared_data):
    dataset = load(shared_data / "scene_saliency_sun500")
    assert len(dataset.scenes) == 500 and len(dataset.trials) == 6000
    lengths = [len(t.objects) for t in dataset.trials]
    assert sum(lengths) == 43894 and max(lengths) == 15 and lengths.count(0) == 52
    assert sum(s.image_path is not None for s in dataset.scenes) == 30
