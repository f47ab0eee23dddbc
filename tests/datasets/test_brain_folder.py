import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from gazekit.datasets.brain_arrays import read_array, read_table
from gazekit.datasets.brain_folder import BrainFolder, load, random_parts
from gazekit.datasets.brain_layout import rows_of
from gazekit.datasets.check import check
from gazekit.errors import DataError

N, V = 12, 4
DRAW = np.random.default_rng(0)
RESPONSE = DRAW.normal(size=(N, V)).astype(np.float32)
PICTURES = DRAW.integers(0, 256, (N, 20, 24, 3), np.uint8)


def write(folder, layout=None, **files):
    """A folder of one subject with features; `layout` changes its brain.json."""
    said = {
        "name": "study",
        "pictures": "pictures.csv",
        "features": {"layer": "features.npy"},
        "subjects": {"S1": {"responses": "s1.npy"}},
    }
    said |= layout or {}
    (folder / "brain.json").write_text(json.dumps({key: v for key, v in said.items() if v is not None}))
    parts = ["train"] * 8 + ["val"] * 2 + ["test"] * 2
    rows = "\n".join(f"scene {i},{part}" for i, part in enumerate(parts))
    (folder / "pictures.csv").write_text(f"picture,part\n{rows}\n")
    np.save(folder / "features.npy", DRAW.normal(size=(N, 3, 2, 2)).astype(np.float32))
    np.save(folder / "s1.npy", RESPONSE)
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


def subject(**said):
    return {"subjects": {"S1": {"responses": "s1.npy"} | said}}


def opened(folder, **settings) -> BrainFolder:
    data = BrainFolder(folder, **settings)
    data.setup()
    return data


def test_the_smallest_folder(tmp_path):
    data = opened(write(tmp_path))
    assert {part: len(index) for part, index in data.parts.items()} == {"train": 8, "val": 2, "test": 2}
    np.testing.assert_array_equal(data.arrays("test").response, RESPONSE[10:])
    assert data.facts()["subjects"] == ["S1"] and data.facts()["layers"] == {"layer": [3, 2, 2]}
    assert data.items([0]) == ["scene 0"] and data.repeats("test") is None


def test_rows_answer_to_the_pictures_that_were_shown(tmp_path):
    shown = np.array([3, 3, 11, 0, 3, 11])
    single = DRAW.normal(size=(6, V)).astype(np.float32)
    write(tmp_path, subject(shown="shown.csv"), shown="picture\n" + "\n".join(f"scene {i}" for i in shown))
    np.save(tmp_path / "s1.npy", single)
    records = load(tmp_path)
    response = records.mean(np.arange(N))
    np.testing.assert_allclose(response[3], single[shown == 3].mean(0), rtol=1e-6)
    np.testing.assert_allclose(response[11], single[[2, 5]].mean(0), rtol=1e-6)
    assert np.isnan(np.delete(response, [0, 3, 11], 0)).all()
    assert records.repeats(np.array([3, 0])).shape == (3, 2, V)
    assert records.notes == (
        [
            "S1 saw pictures different numbers of times: 1 1 times, 1 2 times, 1 3 times",
            "S1 saw 3 of 12 pictures",
        ]
    )
    np.save(tmp_path / "numbers.npy", shown)
    write(tmp_path, subject(shown="numbers.npy"))
    np.save(tmp_path / "s1.npy", single)
    np.testing.assert_array_equal(load(tmp_path).mean(np.arange(N)), response)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=20))
def test_each_presentation_has_its_place(shown):
    rows = rows_of(np.array(shown, int), 6)
    for picture in range(6):
        expected = [k for k, number in enumerate(shown) if number == picture]
        assert [row for row in rows[:, picture] if row >= 0] == expected
    assert len(rows) == max([1, *(shown.count(i) for i in range(6))])


def test_repeats_in_an_array_and_missing_ones(tmp_path):
    repeated = DRAW.normal(size=(2, N, V)).astype(np.float32)
    repeated[1, 4] = np.nan
    write(tmp_path)
    np.save(tmp_path / "s1.npy", repeated)
    records = load(tmp_path)
    np.testing.assert_allclose(records.mean(np.arange(N)), np.nanmean(repeated, 0), rtol=1e-6)
    np.testing.assert_array_equal(records.repeats(np.arange(N)), repeated)
    assert records.notes == ["S1 saw pictures different numbers of times: 1 1 times, 11 2 times"]
    assert records.survey().missing == 0  # what did not take place is not missing


def test_real_neurons_with_repeats(tmp_path, shared_data):
    """V4 of a monkey: 50 neurons, 640 pictures, up to 10 presentations."""
    from zipfile import ZipFile

    real = shared_data / "v4_cowley_raw"
    response = np.load(real / "responses_raw_210325.npy").transpose(2, 1, 0)
    np.save(tmp_path / "PE.npy", response)
    ZipFile(real / "images_210325.zip").extractall(tmp_path / "shown")
    layout = {"name": "V4", "pictures": "shown/*.jpg", "subjects": {"PE": {"responses": "PE.npy"}}}
    (tmp_path / "brain.json").write_text(json.dumps(layout))
    fingerprint = load(tmp_path).fingerprint()
    assert (fingerprint["pictures"], fingerprint["voxels"], fingerprint["most_repeats"]) == (640, 50, 10)
    assert (
        fingerprint["presentations"] == (~np.isnan(response).all(2)).sum()
        and load(tmp_path).survey().missing == 0
    )
    np.testing.assert_allclose(load(tmp_path).mean(np.arange(640)), np.nanmean(response, 0), rtol=1e-4)


def test_files_of_matlab_and_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    write(tmp_path)
    savemat(tmp_path / "old.mat", {"betas": RESPONSE, "other": 1})
    with h5py.File(tmp_path / "new.h5", "w") as file:
        file["group/betas"] = RESPONSE
    with h5py.File(tmp_path / "new.mat", "w", userblock_size=512) as file:  # MATLAB writes axes in reverse
        file["betas"] = RESPONSE.T
    for where in ("old.mat:betas", "new.h5", "new.h5:group/betas", "new.mat:betas"):
        write(tmp_path, {"subjects": {"S1": {"responses": where}}})
        np.testing.assert_array_equal(load(tmp_path).mean(np.arange(N)), RESPONSE)
    assert isinstance(read_array(tmp_path, "s1.npy", "x"), np.memmap)
    with pytest.raises(
        DataError, match=r'several variables: write "old.mat:VARIABLE" for x, one of: betas, other'
    ):
        read_array(tmp_path, "old.mat", "x")
    with pytest.raises(DataError, match="no variable 'beta'"):
        read_array(tmp_path, "new.h5:beta", "x")


def test_pictures_in_files_and_arrays(tmp_path):
    import cv2

    write(tmp_path, {"pictures": "shown/*.png", "features": None})
    (tmp_path / "shown").mkdir()
    for i, picture in enumerate(PICTURES):
        cv2.imwrite(str(tmp_path / "shown" / f"{i}.png"), picture[..., ::-1])
    records = load(tmp_path)
    assert records.items[:3] == ["shown/0.png", "shown/1.png", "shown/2.png"]  # not 0, 1, 10
    look = {"backbone": "squeezenet1_0", "weights": "random", "layers": ["fire2"], "size_px": [32, 32]}
    data = opened(tmp_path, **look)
    np.testing.assert_array_equal(data.pictures([10]), PICTURES[10:11])
    np.save(tmp_path / "pictures.npy", PICTURES)
    write(tmp_path, {"pictures": "pictures.npy", "features": None})
    again = opened(tmp_path, **look)
    np.testing.assert_array_equal(again.batch([3])["features"]["fire2"], data.batch([3])["features"]["fire2"])
    with pytest.raises(DataError, match=r"has no features: set data\.backbone"):
        opened(tmp_path)
    (tmp_path / "pictures.csv").write_text("picture\nshown/1.png\nshown/99.png\n")
    (tmp_path / "brain.json").write_text(
        json.dumps({"pictures": "pictures.csv", "subjects": {"S1": {"responses": "s1.npy"}}})
    )
    with pytest.raises(
        FileNotFoundError, match=r"99\.png does not exist, one of 1 pictures of pictures\.csv"
    ):
        load(tmp_path)


VOXELS = "voxel,regions,hemisphere\nc,V1; all,left\na,all,right\nd,,right\nb,V1;all,L\n"


def test_regions_are_matched_by_the_names_of_voxels(tmp_path):
    np.save(tmp_path / "names.npy", ["a", "b", "c", "d"])
    write(tmp_path, subject(voxels="voxels.csv", names="names.npy"), voxels=VOXELS)
    two = load(tmp_path)
    assert two.regions == {"V1": [1, 2], "all": [0, 1, 2]}
    assert two.hemisphere_of.tolist() == [1, 0, 0, 1]
    both = {
        "S1": {"responses": "s1.npy"},
        "S2": {"responses": "s1.npy", "voxels": "v.csv", "names": "names.npy"},
    }
    write(tmp_path, {"subjects": both}, v=VOXELS)
    two = load(tmp_path)
    assert two.regions["V1"] == [5, 6] and two.hemisphere_of is None
    assert two.subject_of.tolist() == [0] * 4 + [1] * 4


def test_responses_are_checked_and_counted(tmp_path):
    response = RESPONSE.copy()
    response[3, 1], response[:, 2] = np.nan, 1.5
    write(tmp_path)
    np.save(tmp_path / "s1.npy", response)
    report = check("brain_folder", tmp_path)
    text = "\n".join(report.lines())
    assert "1 single responses are NaN" in text and "1 voxels respond the same" in text
    assert report.fingerprint["pictures"] == N and report.fingerprint["voxels"] == V and not report.skipped
    before = report.fingerprint["digest"]
    np.save(tmp_path / "s1.npy", response[:, ::-1])
    assert check("brain_folder", tmp_path).fingerprint["digest"] != before


def test_parts_are_drawn_where_the_table_does_not_say(tmp_path):
    write(tmp_path)
    (tmp_path / "pictures.csv").write_text("picture\n" + "\n".join(f"scene {i}" for i in range(N)))
    data = opened(tmp_path, fractions=(0.5, 0.25, 0.25), split_seed=3)
    assert sorted(np.concatenate(list(data.parts.values()))) == list(range(N))
    for part, index in random_parts(N, (0.5, 0.25, 0.25), 3).items():
        np.testing.assert_array_equal(data.parts[part], index)
    with pytest.raises(ValueError, match=r"three positive numbers with sum 1"):
        random_parts(N, (0.5, 0.5), 0)
    with pytest.raises(ValueError, match="12 pictures are too few"):
        random_parts(N, (0.98, 0.01, 0.01), 0)
    (tmp_path / "pictures.csv").write_text(
        "picture,part\n" + "\n".join(f"scene {i},{'train' if i else 'exam'}" for i in range(N))
    )
    with pytest.raises(DataError, match=r"part must be train, val, test or empty .*, got exam"):
        opened(tmp_path)


ROWS = "\n".join(f"scene {i}" for i in range(N))
WRONG = {
    "expected pictures, subjects and perhaps others": ({"pictures": None}, {}),
    "perhaps others of name, pictures, features, subjects, got name, .*, colour": ({"colour": 1}, {}),
    "subjects must be an object": ({"subjects": []}, {}),
    "subject 'S1': expected responses": ({"subjects": {"S1": {}}}, {}),
    r'shape \[4, 12\], but there are 12 pictures: expected \[pictures, voxels\] \(turned around\?\), or "shown"': (
        {"subjects": {"S1": {"responses": "turned.npy"}}},
        {},
    ),
    r"shape \[2, 6, 4\], but there are 12 pictures: expected \[repeats, pictures, voxels\]$": (
        {"subjects": {"S1": {"responses": "few.npy"}}},
        {},
    ),
    r"must be numbers \[presentations, voxels\]": ({"subjects": {"S1": {"responses": "words.npy"}}}, {}),
    "5 features 'layer', expected 12": ({"features": {"layer": "five.npy"}}, {}),
    "1 rows name no picture of the set, first 'scene 77'": (
        subject(shown="s.csv"),
        {"s": "picture\nscene 77\n" + ROWS},
    ),
    "tells of 3 presentations, but S1 has 12 responses": (
        subject(shown="s.csv"),
        {"s": "picture\nscene 1\nscene 2\nscene 3"},
    ),
    "pictures must be numbers from 0 to 11, got 1 to 12": (subject(shown="from_one.npy"), {}),
    "does not name each voxel of S1 once: 3 rows for 4 voxels, 0 unknown, 1 without a row: is it of other": (
        subject(voxels="v.csv"),
        {"v": "voxel\n0\n1\n2"},
    ),
    r"5 rows for 4 voxels, 1 unknown \(first '4'; S1 has '0'\), 0 without": (
        subject(voxels="v.csv"),
        {"v": "voxel\n0\n1\n2\n3\n4"},
    ),
    "4 rows for 4 voxels, 0 unknown, 1 without": (subject(voxels="v.csv"), {"v": "voxel\n0\n1\n2\n2"}),
    "names 3 voxels, but S1 has responses of 4": (subject(names="three.npy"), {}),
    "names the voxel 'a' of S1 twice": (subject(names="twice.npy"), {}),
    "subject 'S1': names must be a text, such as the name of a file, got list": (subject(names=["a"]), {}),
    "features: expected an object, name to file, got str": ({"features": "five.npy"}, {}),
    'which "shown" does not go with': (
        {"subjects": {"S1": {"responses": "few.npy", "shown": "from_one.npy"}}},
        {},
    ),
    "pictures must be whole numbers": (subject(shown="halves.npy"), {}),
    r"pictures\.csv names 'scene 1' twice": ({}, {"pictures": "picture\nscene 1\nscene 2\nscene 1\n"}),
    "hemisphere must be left or right, got 'up'": (
        subject(voxels="v.csv"),
        {"v": "voxel,hemisphere\n0,left\n1,right\n2,up\n3,left"},
    ),
    r"v\.csv has no column voxel, found: region": (subject(voxels="v.csv"), {"v": "region\nV1"}),
    "cannot be read as the responses of S1, is it complete": (
        {"subjects": {"S1": {"responses": "cut.npy"}}},
        {},
    ),
    r"is no \.npy, \.h5 or \.mat file": ({"subjects": {"S1": {"responses": "pictures.csv"}}}, {}),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_does_not_fit_is_one_clear_error(message, tmp_path):
    layout, files = WRONG[message]
    write(tmp_path, layout, **files)
    np.save(tmp_path / "turned.npy", RESPONSE.T)
    np.save(tmp_path / "few.npy", np.zeros((2, 6, V)))
    np.save(tmp_path / "five.npy", np.zeros((5, 3)))
    np.save(tmp_path / "words.npy", np.array([["a"] * V] * N))
    np.save(tmp_path / "from_one.npy", np.arange(N) + 1)
    np.save(tmp_path / "three.npy", ["a", "b", "c"])
    np.save(tmp_path / "twice.npy", ["a", "b", "c", "a"])
    np.save(tmp_path / "halves.npy", np.arange(N) + 0.5)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "s1.npy").read_bytes()[:100])
    with pytest.raises(DataError, match=message):
        load(tmp_path)


def test_absent_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"lacks brain\.json"):
        load(tmp_path)
    write(tmp_path, {"subjects": {"S1": {"responses": "s9.npy"}}})
    with pytest.raises(
        FileNotFoundError, match=r"s9\.npy does not exist; it should hold the responses of S1"
    ):
        load(tmp_path)
    write(tmp_path, {"pictures": "*.gif"})
    with pytest.raises(FileNotFoundError, match=r"has no pictures \*\.gif"):
        load(tmp_path)
    with pytest.raises(FileNotFoundError, match="expected a table with columns voxel"):
        read_table(tmp_path / "none.csv", ("voxel",))


def test_a_table_of_voxels_that_names_no_region_is_noted(tmp_path):
    write(tmp_path, subject(voxels="v.csv"), v="voxel, region\n0, V1\n1, V1\n2, V1\n3, V1\n")
    assert "v.csv names no region of S1; they are read from its column regions" in load(tmp_path).notes


def test_a_wrong_part_is_found_when_the_folder_is_read(tmp_path):
    write(tmp_path, pictures="picture,part\n" + "".join(f"scene {i},exam\n" for i in range(N)))
    with pytest.raises(DataError, match="part must be train, val, test or empty"):
        load(tmp_path)
