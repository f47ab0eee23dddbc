import pickle

import cv2
import numpy as np
import pytest

from gazekit.datasets.algonauts2023 import Algonauts2023, load
from gazekit.datasets.brain_pickle import read_plain_dict
from gazekit.datasets.check import check
from gazekit.errors import DataError

DRAW = np.random.default_rng(0)
SHOWN = {"subj01": [5, 1, 9, 12, 40, 41, 42, 43, 44, 45], "subj02": [1, 9, 70, 71, 72, 73, 74, 75, 76, 77]}
ASKED = {"subj01": [100, 101], "subj02": [100, 102]}
VERTICES = {"lh": 6, "rh": 5}
VISUAL = {"lh": [1, 1, 2, 0, 0, 0], "rh": [0, 2, 2, 0, 1]}
FACES = {"lh": [0, 0, 1, 1, 0, 0], "rh": [0, 0, 0, 0, 0]}
RESPONSE = {(s, h): DRAW.normal(size=(10, n)).astype(np.float32) for s in SHOWN for h, n in VERTICES.items()}


@pytest.fixture
def folder(tmp_path):
    for subject, numbers in SHOWN.items():
        root = tmp_path / subject
        for part, asked, name in (("training", numbers, "train"), ("test", ASKED[subject], "test")):
            images = root / f"{part}_split" / f"{part}_images"
            images.mkdir(parents=True)
            for i, number in enumerate(asked):
                picture = np.full((16, 16, 3), number, np.uint8)
                cv2.imwrite(str(images / f"{name}-{i + 1:04d}_nsd-{number:05d}.png"), picture)
        (root / "training_split" / "training_fmri").mkdir()
        (root / "roi_masks").mkdir()
        np.save(root / "roi_masks" / "mapping_prf-visualrois.npy", {0: "Unknown", 1: "V1v", 2: "V1d"})
        np.save(root / "roi_masks" / "mapping_floc-faces.npy", {0: "Unknown", 1: "OFA"})
        for side in VERTICES:
            np.save(
                root / "training_split" / "training_fmri" / f"{side}_training_fmri.npy",
                RESPONSE[subject, side],
            )
            for kind, label in (("prf-visualrois", VISUAL), ("floc-faces", FACES)):
                np.save(root / "roi_masks" / f"{side}.{kind}_challenge_space.npy", np.array(label[side]))
            np.save(root / "roi_masks" / f"{side}.all-vertices_fsaverage_space.npy", np.ones(9))
    return tmp_path


def test_vertices_pictures_and_regions(folder):
    records = load(folder)
    assert records.voxels == 22 and list(records.subjects) == ["subj01", "subj02"]
    assert records.hemisphere_of.tolist() == ([0] * 6 + [1] * 5) * 2
    assert records.subject_of.tolist() == [0] * 11 + [1] * 11
    assert records.regions == {
        "V1v": [0, 1, 10, 11, 12, 21],
        "V1d": [2, 7, 8, 13, 18, 19],
        "OFA": [2, 3, 13, 14],
        "no region": [4, 5, 6, 9, 15, 16, 17, 20],
    }
    numbers = [records.pictures[i][0, 0, 0] for i in range(len(records.items))]
    assert numbers == sorted({n for part in (SHOWN, ASKED) for shown in part.values() for n in shown})
    response = records.mean(np.arange(len(numbers)))
    both = numbers.index(9)  # seen by both
    expected = [RESPONSE["subj01", h][2] for h in VERTICES] + [RESPONSE["subj02", h][1] for h in VERTICES]
    np.testing.assert_array_equal(response[both], np.concatenate(expected))
    one = numbers.index(70)
    assert np.isnan(response[one, :11]).all() and not np.isnan(response[one, 11:]).any()
    assert records.repeats(np.arange(len(numbers))) is None


def test_test_pictures_can_be_predicted_but_not_scored(folder):
    look = {
        "backbone": "squeezenet1_0",
        "weights": "random",
        "layers": ["fire2"],
        "size_px": [32, 32],
        "grid": 2,
    }
    data = Algonauts2023(folder, subjects=["subj01"], fractions=(0.6, 0.2, 0.2), **look)
    data.setup()
    assert {part: len(index) for part, index in data.parts.items()} == {
        "train": 6, "val": 2, "test": 2, "challenge": 2,
    }  # fmt: skip
    batch = next(data.batches("challenge"))
    assert batch["response"].isnan().all() and batch["features"]["fire2"].shape == (2, 128, 2, 2)
    assert data.items(data.distinct("challenge"))[0] == "test-0001_nsd-00100.png"
    assert not data.arrays("train").response.isnan().any()
    assert any("never published" in note for note in data.about()["notes"])
    assert data.facts()["voxels"] == 11


def test_a_copy_is_checked(folder):
    report = check("algonauts2023", folder)
    assert report.fingerprint["presentations"] == 40 and report.fingerprint["subjects"] == 2
    assert "broken" in report.lines()[-1]


def test_what_does_not_fit_is_named(folder):
    root = folder / "subj02"
    with pytest.raises(
        FileNotFoundError, match=r"has no subj07: data\.subjects must be among subj01, subj02"
    ):
        load(folder, subjects=["subj07"])
    mask = root / "roi_masks" / "lh.floc-faces_challenge_space.npy"
    np.save(mask, np.array([0, 0, 7, 1, 0, 0]))
    with pytest.raises(DataError, match=r"has region 7, which mapping_floc-faces\.npy does not name"):
        load(folder)
    np.save(mask, np.zeros(4))
    with pytest.raises(
        DataError, match="tells of 4 vertices, but there are responses of 6: is it of another voxel"
    ):
        load(folder)
    np.save(mask, np.array(FACES["lh"]))
    picture = next((root / "training_split" / "training_images").glob("*"))
    picture.rename(picture.with_name("train-0001_other.png"))
    with pytest.raises(DataError, match=r"train-0001_other\.png: expected a name with nsd-NUMBER"):
        load(folder)
    picture.with_name("train-0001_other.png").unlink()
    with pytest.raises(DataError, match="responses to 10 pictures, but there are 9 in"):
        load(folder)
    with pytest.raises(FileNotFoundError, match="sign the NSD data access agreement"):
        load(folder / "subj01" / "roi_masks")


class _Harmful:
    def __reduce__(self):
        return print, ("harm",)


def test_pickles_are_read_without_running_them(tmp_path, capsys):
    np.save(tmp_path / "good.npy", {0: "Unknown", np.int64(2): "V1"})
    assert read_plain_dict(tmp_path / "good.npy") == {0: "Unknown", 2: "V1"}
    np.save(tmp_path / "bad.npy", np.array({0: _Harmful()}, dtype=object))
    np.save(tmp_path / "numbers.npy", np.arange(3))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "good.npy").read_bytes()[:-9])
    (tmp_path / "text.npy").write_bytes(pickle.dumps({0: "V1"}))
    with pytest.raises(DataError, match=r"it holds builtins\.print"):
        read_plain_dict(tmp_path / "bad.npy")
    assert capsys.readouterr().out == ""
    for name in ("numbers", "cut", "text"):
        with pytest.raises(DataError, match="dictionary of names"):
            read_plain_dict(tmp_path / f"{name}.npy")
    with pytest.raises(FileNotFoundError, match="should name regions"):
        read_plain_dict(tmp_path / "none.npy")
