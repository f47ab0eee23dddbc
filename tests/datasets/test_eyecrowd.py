import numpy as np
import pytest
from scipy.io import savemat

from gazekit.datasets.eyecrowd import load
from gazekit.errors import DataError


def face(left=100.0, top=200.0, width=50.0, height=60.0, **flags):
    flags = {"isFrontalFace": 1, "isProfileFace": 0, "isBackFace": 0, "isOccluded": 0} | flags
    return {"left": left, "top": top, "width": width, "height": height, "center": [0, 0]} | flags


def label(image="001.jpg", faces=None, count=None):
    faces = [face(), face(left=400.0, isOccluded=1)] if faces is None else faces
    return {"img": image, "nFaces": len(faces) if count is None else count, "faces": structs(faces)}


def structs(records):
    """A MATLAB struct array of one field list: what savemat makes of a list of dicts is a cell array."""
    array = np.zeros(len(records), dtype=[(name, object) for name in records[0]])
    for row, record in enumerate(records):
        array[row] = tuple(record.values())
    return array


def path(x=(110.0, 420.0), y=(210.0, 220.0), duration=(200, 300)):
    return {"fix_x": np.array(x), "fix_y": np.array(y), "fix_duration": np.array(duration)}


def paths(image="001.jpg", first=None, count=16):
    return {"img": image, "subjects": structs([first or path()] + [path()] * (count - 1))}


def write(folder, labels, fixations):
    savemat(folder / "labels.mat", {"labels": structs(labels)})
    savemat(folder / "fixations.mat", {"fixations": structs(fixations)})
    return folder


def test_hand_made_picture(tmp_path):
    dataset = load(write(tmp_path, [label()], [paths()]))
    (scene,) = dataset.scenes
    assert scene.size_px == (1024, 768)
    assert scene.target is None
    assert scene.boxes_px.tolist() == [[100, 200, 150, 260], [400, 200, 450, 260]]
    assert scene.categories == ("face", "face")
    assert scene.attributes == {"pose": ["frontal", "frontal"], "occluded": [False, True], "clipped_boxes": 0}
    assert [t.scanpath.observer for t in dataset.trials] == [str(i) for i in range(1, 17)]
    assert dataset.trials[0].scanpath.duration_ms.tolist() == [200, 300]
    assert dataset.trials[0].objects.tolist() == [0, 1]


def test_boxes_are_cut_at_the_edge(tmp_path):
    scene = load(write(tmp_path, [label(faces=[face(left=-10.0), face(top=740.0)])], [paths()])).scenes[0]
    assert scene.boxes_px.tolist() == [[0, 200, 40, 260], [100, 740, 150, 768]]
    assert scene.attributes["clipped_boxes"] == 2


def test_empty_and_single_fixation_scanpaths_are_kept(tmp_path):
    empty = path(x=(), y=(), duration=())
    single = path(x=(5.0,), y=(6.0,), duration=(7,))
    record = {"img": "001.jpg", "subjects": structs([empty, single] + [path()] * 14)}
    dataset = load(write(tmp_path, [label()], [record]))
    assert [len(t.scanpath) for t in dataset.trials[:3]] == [0, 1, 2]
    assert dataset.trials[0].objects.shape == (0,)


BROKEN_FACES = {
    "count": (label("b.jpg", count=3), "2 faces, expected nFaces = 3"),
    "outside": (label("b.jpg", [face(left=1100.0), face()]), "box 0 is empty"),
    "empty": (label("b.jpg", [face(width=0.0), face()]), "box 0 is empty"),
    "nan": (label("b.jpg", [face(top=float("nan")), face()]), "box 0 has a value that is not finite"),
    "pose": (
        label("b.jpg", [face(isBackFace=1), face()]),
        r"a face has pose \['frontal', 'back'\], expected exactly one",
    ),
}


@pytest.mark.parametrize("case", BROKEN_FACES)
def test_broken_faces(tmp_path, case):
    record, message = BROKEN_FACES[case]
    folder = write(tmp_path, [label(), record], [paths(), paths("b.jpg")])
    with pytest.raises(DataError, match=f"labels.mat, image 'b.jpg': .*{message}"):
        load(folder)
    dataset = load(folder, on_bad_record="skip")
    assert len(dataset.scenes) == 1 and len(dataset.trials) == 16
    assert dataset.skipped[0].endswith("(16 scanpaths of this scene left out with it)")


BROKEN_PATHS = {
    "nan": (path(x=(1.0, float("nan"))), "fixation 1 has a position that is not finite"),
    "outside": (path(x=(1.0, 1030.0)), "fixation 1 .* lies outside the 1024 x 768 px picture"),
    "lengths": (path(x=(1.0, 2.0, 3.0)), "x has 3 values but y has 2"),
    "durations": (path(duration=(1,)), "duration_ms has 1 values for 2 fixations"),
    "negative": (path(duration=(1, -1)), "fixation 1 has duration_ms -1"),
}


@pytest.mark.parametrize("case", BROKEN_PATHS)
def test_broken_scanpath(tmp_path, case):
    broken, message = BROKEN_PATHS[case]
    folder = write(tmp_path, [label()], [paths(first=broken)])
    with pytest.raises(DataError, match=f"fixations.mat, image '001.jpg', observer 1: {message}"):
        load(folder)
    assert len(load(folder, on_bad_record="skip").trials) == 15


def test_image_without_layout_or_observers(tmp_path):
    folder = write(tmp_path, [label()], [paths(), paths("z.jpg")])
    with pytest.raises(DataError, match=r"image 'z.jpg', observer 1: image 'z.jpg' has no layout"):
        load(folder)
    folder = write(tmp_path, [label()], [paths(count=15)])
    with pytest.raises(DataError, match=r"fixations.mat, image '001.jpg': 15 observers, expected 16"):
        load(folder)
    with pytest.raises(DataError, match="found no usable scanpath; the first of 1 skipped records"):
        load(folder, on_bad_record="skip")


def test_wrong_folder_and_truncated_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"lacks fixations.mat, labels.mat"):
        load(tmp_path)
    broken = write(tmp_path, [label()], [paths()]) / "labels.mat"
    broken.write_bytes(broken.read_bytes()[:400])
    with pytest.raises(DataError, match=r"labels.mat: not a readable MATLAB file"):
        load(tmp_path, on_bad_record="skip")


def test_real_copy(shared_data):
    dataset = load(shared_data / "eyecrowd")
    fingerprint = dataset.fingerprint()
    assert fingerprint["digest"] == "da4c83509f75b505"
    assert (fingerprint["scenes"], fingerprint["objects"], fingerprint["observers"]) == (500, 9778, 16)
    assert (fingerprint["scanpaths"], fingerprint["fixations"]) == (8000, 126348)
    assert fingerprint["mean_x_px"] == pytest.approx(519.6397, abs=1e-3)
    assert sum(s.attributes["clipped_boxes"] for s in dataset.scenes) == 257
    assert sum(len(t.scanpath) == 0 for t in dataset.trials) == 3
    assert max(len(s) for s in dataset.scenes) == 268
