import numpy as np
import pytest
from scipy.io import savemat

from gazekit.datasets.osie import load
from gazekit.errors import DataError


def structs(records):
    array = np.zeros(len(records), dtype=[(name, object) for name in records[0]])
    for row, record in enumerate(records):
        array[row] = tuple(record.values())
    return array


def write(folder, *images, x=(50.0, 799.0), count=15):
    path = {
        "fix_x": np.array(x),
        "fix_y": np.array([50.0, 599.0]),
        "fix_duration": np.array([200, 300], "u2"),
    }
    records = [{"img": image, "subjects": structs([path] * count)} for image in images]
    savemat(folder / "fixations.mat", {"fixations": structs(records)})
    return folder


def test_hand_made_picture(tmp_path):
    dataset = load(write(tmp_path, "1002.jpg", "1001.jpg"))
    assert [s.name for s in dataset.scenes] == ["1001.jpg", "1002.jpg"]
    scene = dataset.scenes[0]
    assert len(scene) == 48 and scene.target is None and scene.image_path is None
    assert scene.boxes_px[9].tolist() == [100, 100, 200, 200]
    assert scene.attributes == {"rows": 6, "columns": 8}
    assert dataset.trials[0].objects.tolist() == [0, 47]
    assert dataset.trials[0].scanpath.duration_ms.tolist() == [200, 300]
    assert len(dataset.trials) == 30


def test_grid_and_pictures(tmp_path):
    (tmp_path / "stimuli").mkdir()
    (tmp_path / "stimuli" / "1001.jpg").touch()
    dataset = load(write(tmp_path, "1001.jpg"), grid=(2, 3))
    assert len(dataset.scenes[0]) == 6
    assert dataset.scenes[0].image_path == tmp_path / "stimuli" / "1001.jpg"
    assert dataset.trials[0].objects.tolist() == [0, 5]
    with pytest.raises(ValueError, match="a grid needs at least one row"):
        load(tmp_path, grid=(0, 3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"x": (1.0, float("nan"))}, "observer 1: fixation 1 has a position that is not finite"),
        (
            {"x": (1.0, 801.0)},
            r"observer 1: fixation 1 at \[801.0, 599.0\] lies outside the 800 x 600 px picture",
        ),
        ({"x": (1.0,)}, "x has 1 values but y has 2"),
        ({"count": 14}, "14 observers, expected 15"),
    ],
    ids=["nan", "outside", "lengths", "observers"],
)
def test_broken_record(tmp_path, options, message):
    folder = write(tmp_path, "1001.jpg", **options)
    with pytest.raises(DataError, match=f"fixations.mat, image '1001.jpg'.*{message}"):
        load(folder)
    with pytest.raises(DataError, match="found no usable scanpath; the first of"):
        load(folder, on_bad_record="skip")


def test_image_that_occurs_twice(tmp_path):
    with pytest.raises(DataError, match=r"scene '1001.jpg' occurs twice"):
        load(write(tmp_path, "1001.jpg", "1001.jpg"))


def test_wrong_folder_and_truncated_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"lacks fixations.mat"):
        load(tmp_path)
    path = write(tmp_path, "1001.jpg") / "fixations.mat"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"fixations.mat: not a readable MATLAB file"):
        load(tmp_path, on_bad_record="skip")


def test_real_copy(shared_data):
    dataset = load(shared_data / "osie")
    fingerprint = dataset.fingerprint()
    assert fingerprint["digest"] == "7b62a6d3cc14c8ce"
    assert (fingerprint["scenes"], fingerprint["objects"], fingerprint["observers"]) == (700, 33600, 15)
    assert (fingerprint["scanpaths"], fingerprint["fixations"]) == (10500, 98321)
    assert fingerprint["mean_y_px"] == pytest.approx(283.5829, abs=1e-3)
    assert sum(s.image_path is not None for s in dataset.scenes) == 60
