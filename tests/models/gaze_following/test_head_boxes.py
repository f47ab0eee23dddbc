"""Head boxes: of every kind of file, with clear errors; and around detected faces."""

import json

import cv2
import numpy as np
import pytest

from gazekit.errors import DataError
from gazekit.models.gaze_following.faces import FaceFinder, Faces
from gazekit.models.gaze_following.head_boxes import HeadsFile, heads_of_faces


def test_real_tracks_one_file_a_person(shared_data):
    heads = HeadsFile(shared_data / "gaze_following_demo_boxes", video=True)
    found = heads.of("clip.mp4", 2575)
    assert found.people == ("person1", "person2") and np.isnan(found.eyes_px).all()
    np.testing.assert_array_equal(found.boxes_px, [[553, 71, 752, 275], [1093, 33, 1347, 299]])
    assert len(heads.of("clip.mp4", 0).boxes_px) == 0
    one = HeadsFile(shared_data / "gaze_following_demo_boxes" / "person2.txt", video=False)
    assert one.of("00002575.jpg", 0).people == ("person2",)
    one.check([*one.rows, "other.jpg"])


def test_csv_and_json(tmp_path):
    table = tmp_path / "heads.csv"
    table.write_text(
        "﻿person,x_max,x_min,y_min,y_max,picture\nAnn,9,1,2,8,a.png\n,5,0,0,5,a.png\n,,,,,b.png\n"
    )
    heads = HeadsFile(table, video=False)
    assert heads.of("a.png", 0).people == ("Ann", "")
    np.testing.assert_array_equal(heads.of("a.png", 0).boxes_px, [[1, 2, 9, 8], [0, 0, 5, 5]])
    assert heads.of("b.png", 0).boxes_px.shape == (0, 4)
    rows = [{"frame": 7, "person": 1, "x_min": 1, "y_min": 2.5, "x_max": 9, "y_max": 8}]
    (tmp_path / "heads.json").write_text(json.dumps(rows))
    heads = HeadsFile(tmp_path / "heads.json", video=True)
    assert heads.of("v.mp4", 7).people == ("1",) and not len(heads.of("v.mp4", 6).boxes_px)


def test_one_picture_needs_no_name(tmp_path):
    (tmp_path / "heads.csv").write_text("x_min,y_min,x_max,y_max\n1,2,9,8\n")
    heads = HeadsFile(tmp_path / "heads.csv", video=False)
    heads.check(["a.png"])
    assert len(heads.of("a.png", 0).boxes_px) == 1
    with pytest.raises(DataError, match="a column `picture` must say which of 2 pictures"):
        heads.check(["a.png", "b.png"])


HEADER = "picture,x_min,y_min,x_max,y_max\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("picture,x_min,y_min,x_max\na,1,2,3\n", "lacks y_max"),
        ("picture,left,top,right,bottom\na,1,2,3,4\n", "lacks x_min, y_min, x_max, y_max"),
        ("picture,x_min,y_min,x_max,y_max,colour\na,1,2,3,4,red\n", "has the unknown colour"),
        ("x_min,y_min,x_max,y_max,x_min\n1,2,3,4,5\n", "has twice x_min"),
        (HEADER + "a,1,2,3\n", "line 2: 4 values"),
        (HEADER + "a,1,2,3,4\n\na,1,2,3,x\n", "line 4: x_min, y_min, x_max, y_max must be numbers"),
        (HEADER + "a,1,2,,4\n", "must be numbers"),
        (HEADER + "a,1,2,nan,4\n", "must be numbers"),
        (HEADER + "a,5,2,3,4\n", "expected x_min < x_max"),
        ("person," + HEADER + "P,a,1,2,3,4\nP,a,1,2,3,4\n", "person P has two heads in a"),
    ],
)
def test_bad_tables(tmp_path, text, message):
    (tmp_path / "heads.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        HeadsFile(tmp_path / "heads.csv", video=False)


def test_other_bad_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.csv does not exist"):
        HeadsFile(tmp_path / "none.csv", video=False)
    with pytest.raises(FileNotFoundError, match="no file that ends in"):
        HeadsFile(tmp_path, video=False)
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(DataError, match="is not a JSON file"):
        HeadsFile(tmp_path / "a.json", video=False)
    (tmp_path / "a.json").write_text('{"x_min": 1}')
    with pytest.raises(DataError, match="expected a list of objects"):
        HeadsFile(tmp_path / "a.json", video=False)
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is not a text file"):
        HeadsFile(tmp_path / "a.csv", video=False)
    (tmp_path / "b.csv").write_text(HEADER + "a,1,2,3,4\n")
    with pytest.raises(DataError, match="line 2: 'a' is not a frame number such as 12"):
        HeadsFile(tmp_path / "b.csv", video=True)
    with pytest.raises(DataError, match=r"no line is of c\.png; the file has heads in a"):
        HeadsFile(tmp_path / "b.csv", video=False).check(["c.png"])


@pytest.fixture
def heads_of(tmp_path):
    def write(*names, video=False):
        lines = [f"{name},1,2,9,8,P{k}" for k, name in enumerate(names)]
        text = "\n".join([HEADER.strip() + ",person", *lines])
        (tmp_path / "heads.csv").write_text(text + "\nempty,,,,,\n" * (not video))
        return HeadsFile(tmp_path / "heads.csv", video)

    return write


def test_lines_that_match_no_picture_are_named(heads_of):
    heads = heads_of("a", "b.png", "Q.png", "R", "S", "T")
    with pytest.raises(
        DataError, match=r"has heads in 4 pictures that the input does not have: Q.png, R, S, \.\.\."
    ):
        heads.check(["a.png", "b.png", "c.png"])
    heads.check(["a.png", "b.png", "Q.png", "R.jpg", "S.jpg", "T.jpg", "without_heads.jpg"])


def test_a_name_without_extension_must_be_of_one_picture(heads_of):
    with pytest.raises(DataError, match="has heads in 1 pictures whose names need an extension: a"):
        heads_of("a").check(["a.png", "a.jpg"])
    heads = heads_of("a.png")
    heads.check(["a.png", "a.jpg"])
    assert [len(heads.of(name, 0).boxes_px) for name in ("a.png", "a.jpg")] == [1, 0]
    assert heads_of("a.png", "a").of("a.png", 0).people == ("P0", "P1")


def test_frames_after_the_last_one_and_those_left_out(heads_of):
    heads = heads_of("0", "00000005.jpg", "19", video=True)
    heads.check(["0", "10"], n_frames=20)
    heads.check(["0", "10"])
    with pytest.raises(DataError, match=r"has heads in 2 frames after the last one, 4: 5, 19$"):
        heads.check(["0"], n_frames=5)


@pytest.mark.parametrize("frame", ["12.5", "-1", "1e3", "1_0", "x12.jpg", "12 b.jpg", "12.0", ""])
def test_what_is_not_a_frame_number(heads_of, frame):
    with pytest.raises(DataError, match=r"line 2: .* is not a frame number"):
        heads_of(frame, video=True)


def test_a_head_is_larger_than_its_face_and_reaches_behind_it():
    points = np.zeros((3, 5, 2))
    points[:, 2, 0] = [150, 200, 175]  # the nose in front, at the right edge, half way
    points[:, :2] = [150, 120]
    heads = heads_of_faces(Faces(np.array([[100.0, 100.0, 200.0, 220.0]] * 3), points, np.ones(3)))
    np.testing.assert_allclose(heads.boxes_px[0], [85, 58, 215, 232])
    np.testing.assert_allclose(heads.boxes_px[1], [50, 58, 215, 232])
    np.testing.assert_allclose(heads.boxes_px[2], [67.5, 58, 215, 232])
    assert heads.eyes_px.tolist() == [[150, 120]] * 3 and heads.people == ("",) * 3


def test_small_and_large_faces_by_both_programs(shared_data):
    """A photograph among grey, four times as large: its faces are 25 px of 3200, too small at 640 alone."""
    photo = cv2.imread(str(shared_data / "osie" / "stimuli_sample" / "1004.jpg"))[:, :, ::-1]
    ours = FaceFinder(shared_data / "yunet_face")
    theirs = FaceFinder(shared_data / "yunet_face" / "yunet_n_dynamic.onnx")
    for picture in (
        photo,
        cv2.copyMakeBorder(photo, 0, 900, 0, 1600, cv2.BORDER_CONSTANT, value=(90, 90, 90)),
    ):
        found, expected = ours(picture), theirs(picture)
        assert len(found.score) == len(expected.score) >= 1
        np.testing.assert_allclose(found.boxes_px, expected.boxes_px, atol=0.1)
        np.testing.assert_allclose(found.landmarks_px, expected.landmarks_px, atol=0.1)
        x_min, y_min, x_max, y_max = found.boxes_px[0]
        assert 210 < x_min < x_max < 330 and 40 < y_min < y_max < 160
    assert ours(np.full((7, 5, 3), 128, np.uint8)).landmarks_px.shape == (0, 5, 2)


def test_no_detector(tmp_path):
    with pytest.raises(FileNotFoundError, match="no weights of yunet"):
        FaceFinder(tmp_path)
    with pytest.raises(FileNotFoundError, match="no weights of yunet"):
        FaceFinder(tmp_path / "a.onnx")
    (tmp_path / "a.onnx").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="no YuNet that OpenCV can run"):
        FaceFinder(tmp_path / "a.onnx")
