"""Scanpath files and folders of maps: what is read, and what is said about wrong ones."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from gazekit.scanpath_files import MapFolder, read_scanpaths

CSV = """image,observer,x_px,y_px,duration_ms
a.png,anna,10,20,200
a.png,anna,30.5,40,150
a.png,bert,5,6,90
b.png,anna,1,2,300
"""


def write(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


def test_csv(tmp_path) -> None:
    found = read_scanpaths(write(tmp_path, "s.csv", "\ufeff" + CSV))
    assert found.image == ["a.png", "a.png", "b.png"]
    assert found.observer == ["anna", "bert", "anna"]
    assert found.scanpaths[0].xy_px.tolist() == [[10, 20], [30.5, 40]]
    assert found.scanpaths[0].duration_ms.tolist() == [200, 150]


def test_csv_without_durations_and_observers(tmp_path) -> None:
    found = read_scanpaths(write(tmp_path, "s.csv", "image,x_px,y_px\na,1,20\na,3,4\nb,5,6\n"))
    assert [len(path) for path in found.scanpaths] == [2, 1]
    assert found.scanpaths[0].duration_ms is None


def test_json_keeps_empty_scanpaths(tmp_path) -> None:
    records = [
        {"image": "a", "observer": "x", "x_px": [1, 30], "y_px": [3, 4], "duration_ms": [100, 200]},
        {"image": "a", "observer": "y", "x_px": [], "y_px": [], "duration_ms": []},
    ]
    found = read_scanpaths(write(tmp_path, "s.json", json.dumps(records)))
    assert [len(path) for path in found.scanpaths] == [2, 0]
    assert found.scanpaths[0].duration_ms.tolist() == [100, 200]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("s.csv", CSV.replace("x_px", "x"), "lacks 'x_px'; it has .*rename 'x' -> 'x_px'"),
        ("s.csv", CSV.replace("duration_ms", "duration"), "'duration' -> 'duration_ms'"),
        ("s.csv", CSV.replace("observer", "subject"), "'subject' -> 'observer'"),
        ("s.csv", CSV.replace("30.5", "far"), "line 3: x_px is 'far', expected a number"),
        ("s.csv", CSV.replace("30.5", "nan"), "line 3: x_px is nan, expected a finite number"),
        (
            "s.csv",
            CSV.replace("a.png,bert,5,6,90", "a.png,bert,5"),
            "line 4: [0-9] of [0-9] fields",
        ),
        ("s.csv", "image,x_px,y_px,duration_ms\na,10,20,0.2\na,30,40,0.3\n", "looks like seconds"),
        ("s.csv", "image,x_px,y_px\na,0.1,0.2\na,0.3,0.4\n", "looks like fractions of the picture"),
        ("s.csv", "image,x_px,y_px,duration_ms\na,10,20,-200\n", "negative"),
        ("s.csv", "image,x_px,y_px\n", "no scanpath in it"),
        ("s.csv", "", "it has nothing"),
        ("s.txt", CSV, r"expected a \.csv or \.json file"),
        ("s.json", "{", "is not JSON"),
        ("s.json", "{}", "expected a list"),
        ("s.json", '[{"image": "a", "x_px": [1], "y_px": [1, 2]}]', "scanpath 0: lists of different length"),
        ("s.json", '[{"image": "a", "x_px": 1, "y_px": [1, 2]}]', "x_px must be a list"),
        ("s.json", '[{"image": "a", "X": [1], "Y": [1]}]', "rename 'X' -> 'x_px', 'Y' -> 'y_px'"),
        ("s.json", "[3]", "scanpath 0: expected an object"),
    ],
)
def test_wrong_files_are_named(tmp_path, name, text, message) -> None:
    with pytest.raises(ValueError, match=message):
        read_scanpaths(write(tmp_path, name, text))


def test_absent_file(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file .*s\.csv"):
        read_scanpaths(tmp_path / "s.csv")


def test_maps(tmp_path) -> None:
    array = np.arange(12.0).reshape(3, 4)
    np.save(tmp_path / "a.npy", array)
    np.save(tmp_path / "d.jpg.npy", array.astype(np.float32))
    cv2.imwrite(str(tmp_path / "b.png"), array.astype(np.uint8))
    maps = MapFolder(tmp_path)
    for image in ("a.jpg", "a", "d.jpg", "b.png", "b.jpg"):
        assert image in maps
        assert np.array_equal(maps[image], array)
    assert "c.jpg" not in maps
    with pytest.raises(KeyError):
        maps["c.jpg"]


def test_wrong_maps_are_named(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"no \.npy or \.png map"):
        MapFolder(tmp_path)
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 3)))
    np.save(tmp_path / "b.npy", np.array([[{"x": 1}]], dtype=object))
    cv2.imwrite(str(tmp_path / "c.png"), np.zeros((3, 4, 3), np.uint8))
    maps = MapFolder(tmp_path)
    with pytest.raises(ValueError, match=r"a\.npy: expected a map of numbers .* shape \[2, 3, 3\]"):
        maps["a.jpg"]
    with pytest.raises(ValueError, match="allow_pickle"):
        maps["b.jpg"]
    with pytest.raises(ValueError, match=r"c\.png: expected a map"):
        maps["c.jpg"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CSV.replace("observer", "participant_id"), "'participant_id' may tell scanpaths on one image apart"),
        (CSV.replace("observer", "subjectID"), "'subjectID' may tell"),
        (CSV.replace("observer", "RECORDING_SESSION_LABEL"), "may tell .* rename it to 'observer'"),
        (CSV.replace("observer", "Trial"), "'Trial' may tell"),
        (CSV.replace("observer", "run"), "'run' may tell"),
        ("image,observer,sample,x_px,y_px\na,b,1,2,30\n", "both 'observer' and 'sample'"),
        (CSV + "a.png,anna,50,60,200\n",
         "lines 2 to 3 and line 6 are two scanpaths of image 'a.png' and observer 'anna': give repeats an observer"),
        ("image,x_px,y_px\na,1,20\nb,3,4\na,5,6\n", "line 2 and line 4 are two scanpaths of image 'a': "),
        ("image,observer,trial,x_px,y_px\na,b,1,2,30\na,b,1,2,3\na,b,2,5,6\n", "lines 2 to 3 and line 4 are two"),
        (CSV.replace("30.5", "30,5"), "line 3: more fields than columns; write decimal points"),
        ("image,x_px,y_px,x_px\na,1,20,3\n", "more than one column is called 'x_px'"),
        (CSV.replace(",", ";"), "separated by semicolons, expected commas"),
        (CSV.replace(",", "\t"), "separated by tabs, expected commas"),
        ("x_px,y_px,image\n1,20,a\n1,20\n", "line 3: 2 of 3 fields"),
        ("image,observer,x_px,y_px\na,,1,20\n", "line 2: observer is '', expected a name"),
    ],
)  # fmt: skip
def test_scanpaths_are_never_merged_silently(tmp_path, text, message) -> None:
    with pytest.raises(ValueError, match=message):
        read_scanpaths(write(tmp_path, "s.csv", text))


@pytest.mark.parametrize(
    "column", ["fixation_id", "CURRENT_FIX_INDEX", "image_id", "width", "valid", "pupil", "", "video"]
)
def test_other_columns_do_no_harm(tmp_path, column) -> None:
    rows = [line + f",{k}" for k, line in enumerate(CSV.split())]
    text = "\n".join([CSV.split()[0] + "," + column, *rows[1:]])
    assert [len(path) for path in read_scanpaths(write(tmp_path, "s.csv", text)).scanpaths] == [2, 1, 1]
    without = text.replace("observer", "gender").replace("bert", "anna")
    assert [len(path) for path in read_scanpaths(write(tmp_path, "s.csv", without)).scanpaths] == [3, 1]


def test_a_trial_beside_the_observer(tmp_path) -> None:
    text = "image,observer,trial_id,x_px,y_px\na,anna,1,2,30\na,anna,1,5,6\nb,anna,2,5,6\na,bert,1,5,6\n"
    assert [len(path) for path in read_scanpaths(write(tmp_path, "s.csv", text)).scanpaths] == [2, 1, 1]


@pytest.mark.parametrize("first", [[], [1.0]])
def test_an_object_is_a_scanpath(tmp_path, first) -> None:
    records = [
        {"image": "a", "observer": "x", "x_px": first, "y_px": first, "duration_ms": first},
        {"image": "b", "observer": "x", "x_px": [1, 30], "y_px": [3, 4], "duration_ms": [100, 200]},
        {"image": "a", "observer": "x", "x_px": [1, 30], "y_px": [3, 4], "duration_ms": [100, 200]},
    ]
    with pytest.raises(ValueError, match="scanpath 0 and scanpath 2 are two scanpaths of image 'a'"):
        read_scanpaths(write(tmp_path, "s.json", json.dumps(records)))
    found = read_scanpaths(write(tmp_path, "s.json", json.dumps(records[:2])))
    assert found.scanpaths[1].duration_ms.tolist() == [100, 200]
    records[0]["sample"] = 1
    with pytest.raises(ValueError, match="scanpath 0: has both 'observer' and 'sample'"):
        read_scanpaths(write(tmp_path, "s.json", json.dumps(records)))


@pytest.mark.parametrize("name", ["s.csv", "s.json"])
@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_an_unreadable_encoding_is_named(tmp_path, name, encoding) -> None:
    path = tmp_path / name
    path.write_bytes(CSV.replace("anna", "zoë").encode(encoding))
    with pytest.raises(ValueError, match=r"not UTF-8 text .*; save it as UTF-8"):
        read_scanpaths(path)
